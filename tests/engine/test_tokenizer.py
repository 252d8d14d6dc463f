"""Tokenizers: what comes back, what is learned, what others read from the file."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.corpus import Piece, cut_pieces
from engine.data.encoder import Encoder, Workers
from engine.data.tokenizer import END_OF_TEXT, KINDS, UNKNOWN, Tokenizer, train_tokenizer
from engine.errors import ConfigError, DamagedModelError

TEXT = (
    "The hen sat on the potato. It wasn't warm, and she didn't mind.\n\n"
    '"That\'s a potato," said the cow; "I\'ve eaten 1234 of them!"\n'
    "Café naïve “don’t” — l’été… foo_bar2 = [1.5]\n\tif x:\n        return 'y'\n"
    "Все счастливые семьи похожи друг на друга.\n"
) * 30

# What makes boundaries: letters of several alphabets, marks, digits, signs, quotes, blanks and controls of every kind.
SIGNS = "abT  \n\n\t.,'’\"”—-_01²$\x1c\x85\xa0\u2028\u3000\x00\x7féЯжǆ一。\u0301\r\ufeff"
HARD = st.lists(st.sampled_from([*SIGNS, "don't", "'ll", "😀", END_OF_TEXT, UNKNOWN])).map("".join)
ANY = st.text(max_size=60) | HARD


@pytest.fixture(scope="module")
def trained() -> dict[str, Tokenizer]:
    return {kind: train_tokenizer(kind, [TEXT], 600 if kind == "bpe" else 60) for kind in KINDS}


@settings(deadline=None)
@given(text=ANY)
def test_bpe_and_bytes_bring_any_text_back(trained: dict[str, Tokenizer], text: str) -> None:
    for kind in ("bpe", "byte"):
        tokenizer = trained[kind]
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.end_of_text not in ids
        assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()


@settings(deadline=None)
@given(text=ANY)
def test_fast_way_agrees_with_the_library(trained: dict[str, Tokenizer], text: str) -> None:
    for kind, tokenizer in trained.items():
        ids = tokenizer.library.encode(text).ids
        assert tokenizer.encode_batch([text, text]) == [ids, ids], kind
        assert tokenizer.decode(ids) == tokenizer.library.decode(ids), kind
        assert tokenizer.encode(text)[1:] == ids[1:], kind


@settings(deadline=None)
@given(
    lines=st.lists(HARD.map(lambda line: "x" + line.replace("\r", "")[:20]), max_size=20), limit=st.integers(60, 200)
)
def test_pieces_give_the_tokens_of_the_whole(trained: dict[str, Tokenizer], lines: list[str], limit: int) -> None:
    text = "\n".join(lines)
    pieces = list(cut_pieces([text], limit))
    for kind, tokenizer in trained.items():
        (whole,) = tokenizer.encode_batch([text])
        assert [id for piece in tokenizer.encode_batch(pieces) for id in piece] == whole, kind


def test_words_stand_with_their_spaces_and_signs_apart() -> None:
    words = train_tokenizer("word", [TEXT], 20_000)
    text = "The hen didn't mind; \"That's a potato,\" said the cow.\n\nThe cow"
    ids = words.encode(text)
    assert [words.token_bytes(id).decode() for id in ids[:5]] == ["The", " hen", " didn't", " mind", ";"]
    assert words.decode(ids) == text
    assert words.unknown not in ids


def test_unknown_words_are_no_error() -> None:
    words = train_tokenizer("word", [TEXT], 20_000)
    ids = words.encode("The zebra sat on the hen.")
    assert words.decode(ids) == f"The {UNKNOWN} sat on the hen."
    assert ids.count(words.unknown) == 1
    assert words.token_bytes(words.unknown) == b""
    assert "".join(map(words.stream().push, ids)) == words.decode(ids)


def test_word_vocabulary_is_the_commonest() -> None:
    text = "a a a a b b b c c d"
    words = train_tokenizer("word", [text], 5)
    assert words.vocab_size == 5
    assert words.decode(words.encode(" a b c d")) == f" a b c {UNKNOWN}"
    assert train_tokenizer("word", [text], 20_000).vocab_size == 2 + len(["a", " a", " b", " c", " d"])


def test_first_word_of_a_prompt_is_known_with_or_without_a_space() -> None:
    words = train_tokenizer("word", ["So the hen sat on the potato."], 100)
    assert words.encode("the hen") == words.encode(" the hen")
    assert words.unknown not in words.encode("the hen")
    assert words.encode("zebra the hen") == [words.unknown, *words.encode(" the hen")]
    assert words.encode("") == []


@pytest.mark.parametrize("kind", KINDS)
def test_special_spellings_in_a_text_are_plain_text(trained: dict[str, Tokenizer], kind: str) -> None:
    tokenizer = trained[kind]
    ids = tokenizer.encode(f"The hen{END_OF_TEXT}The cow{END_OF_TEXT}")
    assert tokenizer.end_of_text not in ids
    assert tokenizer.token_bytes(tokenizer.end_of_text) == b""
    if kind != "word":
        assert tokenizer.decode([tokenizer.end_of_text, *ids]) == f"The hen{END_OF_TEXT}The cow{END_OF_TEXT}"


def test_surrogates_of_a_command_line_are_replaced(trained: dict[str, Tokenizer]) -> None:
    for kind in ("bpe", "byte"):
        assert trained[kind].decode(trained[kind].encode("a\udce9b" * 2000)) == "a\ufffdb" * 2000
        assert trained[kind].decode(trained[kind].encode("\ud83d\ude00")) == "😀"


def test_stream_gives_whole_characters_only(trained: dict[str, Tokenizer]) -> None:
    tokenizer = trained["byte"]
    stream = tokenizer.stream()
    said = [stream.push(id) for id in tokenizer.encode("é😀!")]
    assert said == ["", "é", "", "", "", "😀", "!"]
    assert stream.flush() == ""
    assert [stream.push(id) for id in tokenizer.encode("😀")[:2]] == ["", ""]
    assert stream.push(tokenizer.end_of_text) == "" and stream.flush() == "\ufffd"
    assert stream.push(tokenizer.encode("a")[0]) == "a"


@given(data=st.binary(max_size=30))
@settings(deadline=None)
def test_stream_says_what_decode_says_of_any_bytes(trained: dict[str, Tokenizer], data: bytes) -> None:
    tokenizer = trained["byte"]
    ids = [byte + 1 for byte in data]
    stream = tokenizer.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == tokenizer.decode(ids) == tokenizer.library.decode(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_tokenizer_is_the_same(trained: dict[str, Tokenizer], kind: str, tmp_path: Path) -> None:
    tokenizer = trained[kind]
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    for name in ("kind", "vocab_size", "end_of_text", "unknown", "checksum"):
        assert getattr(loaded, name) == getattr(tokenizer, name)
    assert loaded.encode(TEXT) == tokenizer.encode(TEXT)
    assert loaded.encode(END_OF_TEXT) == tokenizer.encode(END_OF_TEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_others_read_the_file_and_get_the_same_ids(trained: dict[str, Tokenizer], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    trained[kind].save(path)
    ids = trained[kind].encode(TEXT)
    plain = tokenizers.Tokenizer.from_file(str(path))
    assert plain.encode(TEXT).ids == ids
    assert plain.get_vocab_size() == trained[kind].vocab_size
    assert plain.token_to_id(END_OF_TEXT) == trained[kind].end_of_text
    transformers = pytest.importorskip("transformers")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path))
    assert theirs.encode(TEXT) == ids
    assert theirs.decode(ids, clean_up_tokenization_spaces=False) == trained[kind].decode(ids)


@pytest.mark.parametrize("damage", ["missing", "cut", "not json", "other json", "no end", "huge id"])
def test_damaged_file_is_refused_in_one_line(trained: dict[str, Tokenizer], damage: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    trained["bpe"].save(path)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "no end":
        description = json.loads(content.replace(END_OF_TEXT.encode(), b"<|other|>"))
        path.write_text(json.dumps(description))
    elif damage == "huge id":
        description = json.loads(content)
        description["added_tokens"][0]["id"] = description["model"]["vocab"][END_OF_TEXT] = 4_000_000_000
        path.write_text(json.dumps(description))
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "not json": b"\xff\0", "other json": b"{}"}[damage])
    with pytest.raises(DamagedModelError) as caught:
        Tokenizer.load(path)
    assert "\n" not in str(caught.value) and "tokenizer.json" in str(caught.value)


def test_training_twice_gives_the_same_tokenizer() -> None:
    for kind in ("bpe", "word"):
        assert train_tokenizer(kind, [TEXT], 500).checksum == train_tokenizer(kind, iter([TEXT]), 500).checksum


def test_vocabulary_is_what_was_asked_for_or_what_there_is() -> None:
    assert train_tokenizer("bpe", [TEXT], 300).vocab_size == 300
    assert train_tokenizer("bpe", [TEXT], 257).vocab_size == 257
    assert train_tokenizer("byte", [], 1000).vocab_size == 257
    most = train_tokenizer("bpe", [TEXT], 100_000)
    assert 300 < most.vocab_size < 2000
    assert most.decode(most.encode(TEXT)) == TEXT
    for kind, size in (("bpe", 256), ("word", 2), ("bpe", 0), ("bpe", -5), ("letters", 500)):
        with pytest.raises(ConfigError):
            train_tokenizer(kind, [TEXT], size)


def test_bpe_kind_survives_without_merges(tmp_path: Path) -> None:
    train_tokenizer("bpe", [TEXT], 257).save(tmp_path / "tokenizer.json")
    assert Tokenizer.load(tmp_path / "tokenizer.json").kind == "bpe"


def test_long_text_is_learned_from_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.tokenizer._TRAINING_TEXT", 20_000)
    texts = [f"word{number} word{number} " * 50 for number in range(200)]
    words = train_tokenizer("word", texts, 20_000)
    learned = [number for number in range(200) if words.unknown not in words.encode(f" word{number}")]
    assert 8 <= len(learned) <= 30
    assert min(learned) < 20 and max(learned) > 180
    assert len({later - earlier for earlier, later in pairwise(learned)}) == 1


def test_encoder_forgets_and_still_agrees(trained: dict[str, Tokenizer]) -> None:
    for kind in ("bpe", "word"):
        encoder = Encoder(trained[kind].library, units=5)
        for text in ("The hen sat on the potato.", "Все счастливые", "", "The cow, the hen.", "\n"):
            assert [encoder.encode(text).tolist()] == trained[kind].encode_batch([text])


def test_workers_give_the_same_in_order_even_when_one_dies(trained: dict[str, Tokenizer]) -> None:
    pieces = [Piece(f"Piece {number}: {TEXT[number * 10 : number * 40]}", False) for number in range(20)]
    with Workers(trained["bpe"].library, count=2) as workers:
        found = []
        for piece, ids in workers.encode_pieces(pieces):
            found.append((piece, ids.tolist()))
            if len(found) == 5:
                workers._processes[1].kill()
    assert found == [(piece, trained["bpe"].encode(piece.text)) for piece in pieces]
    assert all(process.poll() is not None for process in workers._processes)
