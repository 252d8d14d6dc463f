"""A corpus → token files on disk → batches: shuffled, and resumable at any step.

A token file is a header of one line of JSON, padded to 1,024 bytes, then the training tokens and the held-out tokens:
uint16 where the vocabulary allows, else uint32, little-endian. It is read through a memory map.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from engine import files
from engine.data.corpus import Corpus
from engine.data.encoder import ByteEncoder, Encoder, WholeEncoder, Workers
from engine.data.tokenizer import Tokenizer
from engine.errors import CorpusError

_FORMAT = 1
_HEADER = 1024
_BLOCK = 1 << 20
_ABANDONED = 86_400.0  # seconds after which no one still writes a token file
_LONG = 16 << 20  # bytes of text from which starting processes (half a second) pays


@dataclass(frozen=True)
class TokenData:
    """A corpus in tokens. In `train` the end-of-text token opens each document; in `heldout` each but the first, for
    evaluation itself supplies the token before the text. The bytes are those of the two texts in UTF-8."""

    train: NDArray[np.integer]
    heldout: NDArray[np.integer]
    train_bytes: int
    heldout_bytes: int
    end_of_text: int


def encode_corpus(
    corpus: Corpus,
    tokenizer: Tokenizer,
    holdout: float,
    *,
    folder: Path,
    progress: Callable[[float], None] | None = None,
) -> TokenData:
    """The corpus in tokens, from `folder` when it was encoded before, or else encoded into it, in bounded memory.

    `progress` is told the share of the text that is done. Raises `StorageError` when the disk refuses.
    """
    path = folder / f"{corpus.checksum[:16]}-{tokenizer.checksum[:16]}-{holdout!r}.tokens"
    key = {"format": _FORMAT, "corpus": corpus.checksum, "tokenizer": tokenizer.checksum, "holdout": holdout}
    data = _open(path, key)
    if data is None:
        files.remove_leftovers(folder, older_than=_ABANDONED)
        with files.replacing(path) as temporary, temporary.open("wb") as file, _encoder(corpus, tokenizer) as encoder:
            _encode(file, corpus, tokenizer, encoder, key, progress or (lambda share: None))
        data = _open(path, key)
        if data is None:
            raise CorpusError(f"{path}: the token file cannot be read back; is the disk sound?")
    if progress:
        progress(1.0)
    return data


AnyEncoder = Encoder | ByteEncoder | WholeEncoder | Workers


def _encoder(corpus: Corpus, tokenizer: Tokenizer) -> AbstractContextManager[AnyEncoder]:
    many_cores = corpus.bytes > _LONG and tokenizer.kind != "byte" and tokenizer.cuts_as_ours
    return tokenizer.workers() if many_cores else nullcontext(tokenizer.encoder())


def _encode(
    file: BinaryIO,
    corpus: Corpus,
    tokenizer: Tokenizer,
    encoder: AnyEncoder,
    key: dict[str, Any],
    progress: Callable[[float], None],
) -> None:
    """Write the token file: the training text, then the held-out text, and at last the header."""
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
    end_of_text = np.array([tokenizer.end_of_text], dtype=dtype).tobytes()
    lengths, sizes, checksum, told = [0, 0], [0, 0], 0, 0.0  # bytes of tokens, bytes of text
    file.write(b" " * _HEADER)
    for part, pieces in enumerate(corpus.split(key["holdout"])):
        for piece, ids in encoder.encode_pieces(pieces()):
            opens = piece.starts_document and (part == 0 or lengths[1] > 0)
            block = (end_of_text if opens else b"") + ids.astype(dtype).tobytes()
            file.write(block)
            checksum = zlib.crc32(block, checksum)
            lengths[part] += len(block)
            sizes[part] += len(piece.text.encode())
            if sum(sizes) >= (told + 0.002) * corpus.bytes:
                told = sum(sizes) / corpus.bytes
                progress(told)
    header = {
        **key,
        "dtype": dtype.str,
        "train": lengths[0] // dtype.itemsize,
        "heldout": lengths[1] // dtype.itemsize,
        "train_bytes": sizes[0],
        "heldout_bytes": sizes[1],
        "end_of_text": tokenizer.end_of_text,
        "crc32": checksum,
    }
    file.seek(0)
    file.write(json.dumps(header).encode().ljust(_HEADER - 1) + b"\n")


def _open(path: Path, key: dict[str, Any]) -> TokenData | None:
    """The token file, or None when it is missing, another's, cut off or damaged."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(_HEADER))
            if any(header[name] != value for name, value in key.items()):
                return None
            checksum = 0
            while block := file.read(_BLOCK):
                checksum = zlib.crc32(block, checksum)
        tokens: NDArray[np.integer] = np.memmap(path, dtype=np.dtype(header["dtype"]), mode="r", offset=_HEADER)
        if len(tokens) != header["train"] + header["heldout"] or checksum != header["crc32"]:
            return None
        return TokenData(
            train=tokens[: header["train"]],
            heldout=tokens[header["train"] :],
            train_bytes=header["train_bytes"],
            heldout_bytes=header["heldout_bytes"],
            end_of_text=header["end_of_text"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


# Batches


def shuffled(positions: NDArray[np.int64], length: int, key: tuple[int, ...]) -> NDArray[np.int64]:
    """Where `positions` of 0 … length-1 go in a random order that `key` chooses; no list of all of them is needed.

    A Feistel network (Luby and Rackoff 1988) permutes the numbers of as many bits as `length` has; what comes out
    beyond it goes through again until it comes out within ("cycle walking", Black and Rogaway 2002).
    """
    bits = max(2, (length - 1).bit_length())
    right_bits, left_bits = bits // 2, bits - bits // 2
    keys = np.random.SeedSequence(key).generate_state(8, np.uint64).astype(np.uint64)
    values = positions.astype(np.uint64)
    walking = np.arange(len(values))
    while len(walking):
        values[walking] = _feistel(values[walking], left_bits, right_bits, keys)
        walking = walking[values[walking] >= length]
    return values.astype(np.int64)


def _feistel(
    values: NDArray[np.uint64], left_bits: int, right_bits: int, keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Each round adds a hash of one half to the other, and they change places; an even number of them keeps widths."""
    for key in keys:
        left, right = values >> np.uint64(right_bits), values & np.uint64((1 << right_bits) - 1)
        left = (left ^ _mixed(right ^ key)) & np.uint64((1 << left_bits) - 1)
        values = right << np.uint64(left_bits) | left
        left_bits, right_bits = right_bits, left_bits
    return values


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash of 64 bits (Stafford's variant 13 of MurmurHash3's finalizer, as in SplitMix64, Steele et al. 2014)."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Every stretch of `block_size` tokens, by its beginning: the tokens, and those that follow each."""

    def __init__(self, tokens: NDArray[np.integer], block_size: int) -> None:
        view = np.lib.stride_tricks.sliding_window_view
        self._windows = view(np.asarray(tokens), block_size + 1)  # (windows, T + 1), nothing copied

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, begin: int) -> tuple[Tensor, Tensor]:
        x, y = self.__getitems__([begin])
        return x[0], y[0]

    def __getitems__(self, begins: list[int] | NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """A whole batch at once: (x, y), each (B, T) int64."""
        rows = self._windows[begins]  # (B, T + 1), copied from the memory map
        return torch.from_numpy(rows[:, :-1].astype(np.int64)), torch.from_numpy(rows[:, 1:].astype(np.int64))


class Order(Sampler[NDArray[np.int64]]):
    """The beginnings of each batch's windows, for ever. Each epoch has an order of its own and begins a random number
    of tokens (fewer than `stride`) into the text, so that no two epochs cut it alike; all have as many windows.

    A batch that an epoch does not fill goes on into the next one. Rank r of W takes the r-th of every W batches.
    """

    _AHEAD = 4096

    def __init__(
        self, n_tokens: int, block_size: int, batch_size: int, stride: int, seed: int, rank: int, world_size: int
    ) -> None:
        last = n_tokens - 1 - block_size  # the last window's beginning
        self.windows = max(1, (last - stride + 1) // stride + 1)
        self._offsets = min(stride, last - (self.windows - 1) * stride + 1)
        self.batch_size, self.stride, self.seed, self.rank, self.world_size = batch_size, stride, seed, rank, world_size
        self.epoch = self.window = 0  # where the next step's first window stands, all ranks together
        self._block = (-1, -1)
        self._begins = np.zeros(0, dtype=np.int64)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        while True:
            begins = self._take(self.epoch, self.window + self.rank * self.batch_size)
            passed = self.window + self.world_size * self.batch_size
            self.epoch, self.window = self.epoch + passed // self.windows, passed % self.windows
            yield begins

    def _take(self, epoch: int, window: int) -> NDArray[np.int64]:
        """A batch of beginnings from that window of that epoch on."""
        parts: list[NDArray[np.int64]] = []
        missing = self.batch_size
        while missing:
            epoch, window = epoch + window // self.windows, window % self.windows
            some = self._ahead(epoch, window)[:missing]
            parts.append(some)
            missing -= len(some)
            window += len(some)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _ahead(self, epoch: int, window: int) -> NDArray[np.int64]:
        """The beginnings of the windows from `window` on, to the end of a block of 4,096 that are shuffled at once."""
        block, skipped = divmod(window, self._AHEAD)
        if self._block != (epoch, block):
            self._block = (epoch, block)
            offset = int(np.random.SeedSequence((self.seed, epoch, 1)).generate_state(1, np.uint64)[0]) % self._offsets
            positions = np.arange(block * self._AHEAD, min((block + 1) * self._AHEAD, self.windows))
            self._begins = offset + self.stride * shuffled(positions, self.windows, (self.seed, epoch))
        return self._begins[skipped:]


class Batches:
    """Endless batches (x, y) of int64 tensors (B, T): x the tokens, y those after them; an epoch has `windows` rows.

    `stride` is how far apart windows begin (0: `block_size`, so that none overlap; 1: the textbook's pairs). The order
    depends on (seed, epoch) alone: a state taken at any step is restored at any batch size and number of ranks.
    Raises `CorpusError` when the text is shorter than one window.
    """

    def __init__(
        self,
        tokens: NDArray[np.integer],
        *,
        block_size: int,
        batch_size: int,
        stride: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
    ) -> None:
        if len(tokens) <= block_size:
            raise CorpusError(
                f"The text to train on has {len(tokens)} tokens, and a window takes block_size + 1 = {block_size + 1}: "
                f"give more text, or a block_size of at most {max(len(tokens) - 1, 0)}."
            )
        self._order = Order(len(tokens), block_size, batch_size, stride or block_size, seed, rank, world_size)
        self._loader = DataLoader(
            Windows(tokens, block_size),
            batch_sampler=self._order,  # type: ignore[arg-type]  # batches of indices as arrays
            collate_fn=_as_it_is,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # its own: the loader's draw must not move the model's random state
        )
        self._batches: Iterator[tuple[Tensor, Tensor]] = iter(self._loader)
        self.windows = self._order.windows

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        return next(self._batches)

    @property
    def epoch(self) -> float:
        """How often the text was gone through."""
        return self._order.epoch + self._order.window / self.windows

    def state(self) -> dict[str, int]:
        """Where the next batch begins."""
        return {"epoch": self._order.epoch, "window": self._order.window}

    def restore(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken."""
        self._order.epoch = int(state["epoch"])
        self._order.window = min(max(int(state["window"]), 0), self.windows - 1)
        self._batches = iter(self._loader)


def _as_it_is(batch: Any) -> Any:
    return batch
