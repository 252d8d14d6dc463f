"""Text ↔ token ids: byte-level BPE, bytes and words, all three on the tokenizers library and in its own file format.

- `bpe`: byte pair encoding (Sennrich et al. 2016) of UTF-8 as in GPT-2 (Radford et al. 2019); every text comes back.
- `byte`: the 256 bytes.
- `word`: words and signs, each with the space before it; what the vocabulary lacks becomes `<|unknown|>`.

In all three the end-of-text token has the id 0. Its spelling in a text is plain text, never the token itself.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from engine import files
from engine.data.encoder import UNIT, ByteEncoder, Encoder, WholeEncoder, Workers
from engine.errors import ConfigError, DamagedModelError

KINDS = ("bpe", "byte", "word")
END_OF_TEXT = "<|endoftext|>"
UNKNOWN = "<|unknown|>"

MOST_TOKENS = 1_000_000
"""As many as a model may have. A damaged file can name any id, and a table of them must fit into memory."""

WORDS = 20_000
"""Words in the vocabulary unless another number is asked for."""

_TRAINING_TEXT = 16 << 20  # characters; from 60 MB instead of 16 a vocabulary needs 0.1% fewer tokens
_COUNTED_BYTES = 2 << 20
_END = AddedToken(END_OF_TEXT, special=True, normalized=False)

_BPE_PATTERN = (
    r"['’](?:[sdmt]|ll|re|ve)(?![\p{L}\p{M}])"  # contractions
    r"| ?[\p{L}\p{M}]+| ?\p{N}{1,3}"  # words and up to three digits, with the space before them
    r"| ?[^\s\p{L}\p{M}\p{N}]+\n*"  # signs, with the space before and the newlines after them
    r"|\s*\n+|\s+(?!\S)|\s+"  # blank lines; blanks but the last before a word
)
# Words (with digits, underscores and inner apostrophes) and single signs, each with the space before it; single blanks.
_WORD_PATTERN = r" ?[\p{L}\p{M}\p{N}_]+(?:['’][\p{L}\p{M}]+)*| ?[^\s\p{L}\p{M}\p{N}_]|\s"


def train_tokenizer(kind: str, texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A tokenizer fitted to `texts`: to 8 to 16 MB spread evenly over them when they are longer. What has less to offer
    than `vocab_size` gives a smaller vocabulary. For bytes neither matters.

    Raises `ConfigError` on an unknown kind or a vocabulary that is too small to be one.
    """
    if kind == "byte":
        return Tokenizer(_byte_tokenizer())
    if kind not in KINDS:
        raise ConfigError(f"tokenizer: {kind!r} is none of {', '.join(KINDS)}.")
    least = 257 if kind == "bpe" else 3
    if vocab_size < least:
        why = "256 bytes and the end of text" if kind == "bpe" else "a word, the unknown one and the end of text"
        raise ConfigError(f"vocab_size: {vocab_size} is too small for {kind} tokens; at least {least} ({why}).")
    chosen = _spread(texts, _TRAINING_TEXT)
    return Tokenizer(_train_bpe(chosen, vocab_size) if kind == "bpe" else _train_words(chosen, vocab_size))


def _spread(texts: Iterable[str], limit: int) -> list[str]:
    """Every text, or, when all have more than `limit` characters, every 2nd, 4th, 8th …: the first that fits."""
    kept: list[str] = []
    size, every = 0, 1
    for number, text in enumerate(texts):
        if number % every == 0:
            kept.append(text)
            size += len(text)
        while size > limit and len(kept) > 1:
            kept, every = kept[::2], every * 2
            size = sum(map(len, kept))
    return kept


def _byte_tokenizer() -> tokenizers.Tokenizer:
    vocabulary = {END_OF_TEXT: 0} | {character: byte + 1 for byte, character in enumerate(byte_characters())}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_END])
    return tokenizer


def _train_bpe(texts: Iterable[str], vocab_size: int) -> tokenizers.Tokenizer:
    """Count the pre-tokens first, and give the trainer each as often as it occurs; of a long text, in proportion: one
    eighth of 16 MB makes as good a vocabulary (0.1% more tokens) in a fifth of the time."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_BPE_PATTERN), "isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    counts = _count(tokenizer.pre_tokenizer, texts)
    share = min(1.0, _COUNTED_BYTES / max(1, sum(len(token) * count for token, count in counts.items())))
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=byte_characters(),
        show_progress=False,
    )
    learner = tokenizers.Tokenizer(models.BPE())  # without a pre-tokenizer: each of its texts is one pre-token
    repeated = (token for token, count in counts.items() for _ in range(round(count * share)))
    learner.train_from_iterator(repeated, trainer)
    tokenizer.model = learner.model
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_END])
    return tokenizer


def _train_words(texts: Iterable[str], vocab_size: int) -> tokenizers.Tokenizer:
    """The commonest words; of two as common, the first in the alphabet's order."""
    split = pre_tokenizers.Split(Regex(_WORD_PATTERN), "isolated")
    counts = _count(split, texts)
    words = sorted(counts, key=lambda word: (-counts[word], word))[: vocab_size - 2]
    vocabulary = {word: id_ for id_, word in enumerate((END_OF_TEXT, UNKNOWN, *words))}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = split
    # An unknown word has lost the space before it: most have had one.
    tokenizer.decoder = decoders.Sequence([decoders.Replace(UNKNOWN, f" {UNKNOWN}"), decoders.Fuse()])
    tokenizer.add_special_tokens([_END])
    return tokenizer


def _count(pre_tokenizer: pre_tokenizers.PreTokenizer, texts: Iterable[str]) -> Counter[str]:
    units: Counter[str] = Counter()
    for text in texts:
        units.update(UNIT.findall(text))
    counts: Counter[str] = Counter()
    for unit, count in units.items():
        for token, _ in pre_tokenizer.pre_tokenize_str(unit):
            counts[token] += count
    return counts


def byte_characters() -> list[str]:
    """The printable character that byte-level tokenizers write for each of the 256 bytes (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


class Tokenizer:
    """One of the three kinds, trained. `end_of_text` and `unknown` are ids (`unknown` is None but for words);
    `checksum` tells this tokenizer from every other. `cuts_as_ours` is false for one that came with an imported model
    and cuts a text elsewhere than ours do."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, text: str | None = None) -> None:
        self.library = tokenizer
        tokenizer.encode_special_tokens = True  # their spelling in a text is plain text
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._json = text if text is not None else tokenizer.to_str(pretty=True)
        self.checksum = hashlib.sha256(self._json.encode()).hexdigest()
        self.description: dict[str, Any] = json.loads(self._json)
        self.kind = _kind(self.description)
        self.cuts_as_ours = cuts_as_ours(self.description)
        end = tokenizer.token_to_id(END_OF_TEXT)
        if end is None:
            raise ValueError(f"no {END_OF_TEXT} token")
        self.end_of_text: int = end
        self.unknown: int | None = tokenizer.token_to_id(UNKNOWN) if self.kind == "word" else None
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        self.vocab_size = max(vocabulary.values()) + 1
        if self.vocab_size > MOST_TOKENS:
            raise ValueError(f"{self.vocab_size} tokens are too many")
        self._bytes = self._token_bytes(vocabulary)

    def _token_bytes(self, vocabulary: dict[str, int]) -> list[bytes]:
        byte_of = {character: byte for byte, character in enumerate(byte_characters())}
        added = self.library.get_added_tokens_decoder()
        special = {id_ for id_, token in added.items() if token.special} | {self.unknown, self.end_of_text}
        table = [b""] * self.vocab_size
        for token, id_ in vocabulary.items():
            if id_ not in special:
                plain = self.kind == "word" or id_ in added
                table[id_] = token.encode() if plain else bytes(byte_of[character] for character in token)
        return table

    def encode(self, text: str) -> list[int]:
        """The text's ids, nothing added. A first word that is known only with a space before it is not unknown here."""
        ids = self._encode(text)
        if ids and ids[0] == self.unknown and not text[0].isspace():
            ids[0] = self._encode(f" {text}")[0]
        return ids

    def _encode(self, text: str) -> list[int]:
        if len(text) > 4096:
            return self.encode_batch([text])[0]
        return list(self.library.encode(_scalars(text), add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text; faster for many or long ones, which are taken as stretches of documents."""
        encoder = self.encoder()
        return [encoder.encode(_scalars(text)).tolist() for text in texts]

    def encoder(self) -> Encoder | ByteEncoder | WholeEncoder:
        """For a stream of texts: it remembers what it has met."""
        if self.kind == "byte":
            return ByteEncoder()
        return Encoder(self.library) if self.cuts_as_ours else WholeEncoder(self.library)

    def workers(self) -> Workers:
        """For a corpus that is worth all cores."""
        return Workers(self.library)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`: nothing for the end of text, U+FFFD for bytes that are no UTF-8, and `<|unknown|>`."""
        return b"".join(map(self.said, ids)).decode("utf-8", "replace")

    def token_bytes(self, id: int) -> bytes:
        """The UTF-8 bytes the token stands for, perhaps part of a character; none for end of text and `unknown`."""
        return self._bytes[id]

    def token_lengths(self) -> NDArray[np.int64]:
        """How many bytes each token stands for (V)."""
        return np.array([len(self._bytes[id]) for id in range(self.vocab_size)], dtype=np.int64)

    def said(self, id: int) -> bytes:
        """What the token is read as: its bytes, and ` <|unknown|>`."""
        return f" {UNKNOWN}".encode() if id == self.unknown else self._bytes[id]

    def words(self, text: str) -> list[str]:
        """The words and signs of `text`, of which each is one token of the kind `word`; joined they are the text."""
        return [text[start:end] for _, (start, end) in self.library.pre_tokenizer.pre_tokenize_str(text)]

    def stream(self) -> TextStream:
        """Decoding token by token."""
        return TextStream(self)

    def save(self, path: Path) -> None:
        """Write `tokenizer.json`, which the tokenizers library and transformers load by themselves."""
        files.write_text(path, self._json)

    @staticmethod
    def load(path: Path) -> Tokenizer:
        """Raises `DamagedModelError` when the file is missing or is no tokenizer."""
        return parsed(read_json(path), path)


def read_json(path: Path) -> str:
    """The text of a `tokenizer.json`. Raises `DamagedModelError`."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise DamagedModelError(f"{path}: missing; without its tokenizer a model cannot be used.") from None
    except PermissionError:
        raise DamagedModelError(f"{path}: not allowed to read it; change its permissions.") from None
    except (OSError, ValueError) as error:
        raise DamagedModelError(f"{path}: damaged, no tokenizer can be read from it.") from error


def parsed(text: str, path: Path) -> Tokenizer:
    """The tokenizer that `text` describes; `path` is where it came from. Raises `DamagedModelError`."""
    try:
        return Tokenizer(tokenizers.Tokenizer.from_str(text), text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare exceptions, and a panic of its own is not even one
        raise DamagedModelError(f"{path}: damaged, no tokenizer can be read from it.") from error


def _kind(description: dict[str, Any]) -> str:
    model, split = description["model"], description["pre_tokenizer"] or {}
    if model["type"] == "WordLevel":
        return "word"
    plain = split.get("type") == "ByteLevel" and not split.get("use_regex") and not model["merges"]
    ours = all(model["vocab"].get(character) == byte + 1 for byte, character in enumerate(byte_characters()))
    return "byte" if plain and ours else "bpe"


def cuts_as_ours(description: dict[str, Any]) -> bool:
    """Whether it was made here: a text is cut as `UNIT` supposes, and nothing is done to it before."""
    if description.get("normalizer") or any(not token["special"] for token in description["added_tokens"]):
        return False
    if (kind := _kind(description)) == "byte":
        return True
    split = description["pre_tokenizer"] or {}
    parts = split.get("pretokenizers", [split])
    patterns = [part["pattern"].get("Regex") for part in parts if part.get("type") == "Split"]
    rest = [part for part in parts if part.get("type") != "Split"]
    if kind == "word":
        return patterns == [_WORD_PATTERN] and not rest
    return patterns == [_BPE_PATTERN] and len(rest) == 1 and _plain_bytes(rest[0])


def _plain_bytes(part: dict[str, Any]) -> bool:
    return (
        part.get("type") == "ByteLevel" and not part.get("use_regex", True) and not part.get("add_prefix_space", True)
    )


def _scalars(text: str) -> str:
    """`text` with U+FFFD for what is no character: lone surrogates, as in a command's arguments that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class TextStream:
    """Token by token to text: only whole characters come out, what is unfinished waits for the next token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._said = tokenizer.said
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id: int) -> str:
        """The text that became whole with this token; may be empty."""
        return self._decoder.decode(self._said(id))

    def flush(self) -> str:
        """What is left, U+FFFD for a character that never became whole."""
        return self._decoder.decode(b"", final=True)
