"""Text → ids, fast: what was met before is looked up, and a long corpus is shared out among all cores.

The library's own pre-tokenization takes 1-2 MB/s, and nearly every word of a long text has occurred before. So a text
is cut into units across whose ends no token reaches, and only those that were not met before go to the library.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TypeVar

import numpy as np
import tokenizers
from numpy.typing import NDArray

from engine.data.corpus import Piece

Number = TypeVar("Number", bound=np.generic)

# A unit ends where no token of any kind reaches or looks across: after a word of common letters that a blank or a sign
# follows, or else at the end of a run of letters and signs, with the newlines there. (Python counts four control
# characters among the blanks; the library does not.)
_BLANK, _SOLID = r"[^\S\x1c-\x1f]", r"[\S\x1c-\x1f]"
_LETTER = "[A-Za-zÀ-ÖØ-öø-ſΑ-ΡΣ-ωЀ-ҁ]"
UNIT = re.compile(
    rf"{_BLANK}*(?:{_LETTER}++(?![^\x00-\x7f‘“”–—…]|['’_0-9])|{_SOLID}+(?:{_BLANK}*\n)?)|{_BLANK}+",
)

_MOST_IDS = 4_000_000
_MOST_UNITS = 400_000
_MOST_WORKERS = 8  # each takes some 80 MB
_WORKER = "from engine.data.encoder import _work; _work()"


class Encoder:
    """Text → ids (uint32) for a stream of texts: each unit is tokenized when it is met first, and looked up ever after.

    Its memory is bounded (some 100 MB): when it has met `units` different ones, it forgets them all and begins anew.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, units: int = _MOST_UNITS) -> None:
        self._tokenizer, self._most = tokenizer, units
        self._forget()

    def _forget(self) -> None:
        self._units = _Numbers()
        self._ids = np.zeros(1 << 16, dtype=np.uint32)  # the ids of all units, one after another
        self._starts = np.zeros(1 << 14, dtype=np.int64)  # where each unit's begin
        self._lengths = np.zeros(1 << 14, dtype=np.int64)
        self._known = self._end = 0

    def encode(self, text: str) -> NDArray[np.uint32]:
        """The ids of `text`, which holds no surrogates."""
        if self._known > self._most or self._end > _MOST_IDS:
            self._forget()
        found = UNIT.findall(text)
        units = np.fromiter(map(self._units.__getitem__, found), dtype=np.int64, count=len(found))
        self._learn(self._units.take_new())
        lengths = self._lengths[units]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(self._starts[units] - ends + lengths, lengths) + np.arange(total)
        return self._ids[places]

    def encode_pieces(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, NDArray[np.uint32]]]:
        """Each piece with its ids."""
        for piece in pieces:
            yield piece, self.encode(piece.text)

    def _learn(self, units: list[str]) -> None:
        """Tokenize units that were not met before (the library does it on all cores)."""
        if not units:
            return
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(units, add_special_tokens=False)]
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        known, end = self._known + len(ids), self._end + int(lengths.sum())
        self._starts, self._lengths = _room(self._starts, known), _room(self._lengths, known)
        self._ids = _room(self._ids, end)
        self._lengths[self._known : known] = lengths
        self._starts[self._known : known] = self._end + np.cumsum(lengths) - lengths
        self._ids[self._end : end] = [id_ for some in ids for id_ in some]
        self._known, self._end = known, end


class _Numbers(dict[str, int]):
    """Numbers its keys in the order in which they are asked for first."""

    def __init__(self) -> None:
        super().__init__()
        self._new: list[str] = []

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        self._new.append(key)
        return number

    def take_new(self) -> list[str]:
        new, self._new = self._new, []
        return new


def _room(numbers: NDArray[Number], size: int) -> NDArray[Number]:
    """`numbers` with room for `size` of them, doubled when it is too small."""
    if size <= len(numbers):
        return numbers
    larger = np.zeros(max(size, 2 * len(numbers)), dtype=numbers.dtype)
    larger[: len(numbers)] = numbers
    return larger


class ByteEncoder:
    """Text → its UTF-8 bytes, each plus one: 0 is the end of text."""

    def encode(self, text: str) -> NDArray[np.uint32]:
        return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint32) + np.uint32(1)

    def encode_pieces(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, NDArray[np.uint32]]]:
        """Each piece with its ids."""
        for piece in pieces:
            yield piece, self.encode(piece.text)


class WholeEncoder:
    """Text → ids by the library alone: for tokenizers of others, who cut texts elsewhere than ours do."""

    _TOGETHER = 16  # pieces that the library has at once, for all cores

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, text: str) -> NDArray[np.uint32]:
        """The ids of `text`, which holds no surrogates."""
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.uint32)

    def encode_pieces(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, NDArray[np.uint32]]]:
        """Each piece with its ids."""
        rest = iter(pieces)
        while some := list(islice(rest, self._TOGETHER)):
            texts = [piece.text for piece in some]
            encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            for piece, encoding in zip(some, encodings, strict=True):
                yield piece, np.array(encoding.ids, dtype=np.uint32)


class Workers:
    """An `Encoder` in each of several processes, which are handed pieces in turn. Use it as a context.

    They are interpreters of their own and not `multiprocessing`, which would run the caller's script in each again.
    What a worker that died leaves undone is done here.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, count: int | None = None) -> None:
        self._tokenizer = tokenizer
        frozen = getattr(sys, "frozen", False)  # an app in one file: its executable is no interpreter
        self._count = 0 if frozen else count or min(_cores(), _MOST_WORKERS)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._own: Encoder | None = None

    def __enter__(self) -> Workers:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TOKENIZERS_PARALLELISM": "false"}
        described = self._tokenizer.to_str().encode()
        for _ in range(self._count):
            with contextlib.suppress(OSError):
                process = subprocess.Popen(
                    [sys.executable, "-c", _WORKER],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                self._processes.append(process)
                _send(process.stdin, described)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            process.wait()

    def encode_pieces(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, NDArray[np.uint32]]]:
        """Each piece with its ids, in order. A worker has one piece in hand at a time."""
        waiting: deque[tuple[Piece, int]] = deque()
        turns = max(len(self._processes), 1)
        for number, piece in enumerate(pieces):
            if len(waiting) == turns:
                yield self._received(*waiting.popleft())
            self._hand_out(piece, number % turns)
            waiting.append((piece, number % turns))
        while waiting:
            yield self._received(*waiting.popleft())

    def _hand_out(self, piece: Piece, worker: int) -> None:
        with contextlib.suppress(OSError, IndexError, ValueError):  # it died: `_received` will find out
            _send(self._processes[worker].stdin, piece.text.encode())

    def _received(self, piece: Piece, worker: int) -> tuple[Piece, NDArray[np.uint32]]:
        try:
            return piece, np.frombuffer(_receive(self._processes[worker].stdout), dtype=np.uint32)
        except (OSError, IndexError, ValueError):
            self._own = self._own or Encoder(self._tokenizer)
            return piece, self._own.encode(piece.text)


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _send(pipe: IO[bytes] | None, message: bytes) -> None:
    assert pipe is not None
    pipe.write(struct.pack("<Q", len(message)) + message)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> bytes:
    """The next message. Raises `BrokenPipeError` when the other side is gone."""
    assert pipe is not None
    head = pipe.read(8)
    if len(head) == 8:
        (length,) = struct.unpack("<Q", head)
        message = pipe.read(length)
        if len(message) == length:
            return message
    raise BrokenPipeError("the other side is gone")


def _work() -> None:
    """A worker's life: a tokenizer, then texts, each answered with its ids, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    tokenizer = tokenizers.Tokenizer.from_str(_receive(sys.stdin.buffer).decode())
    tokenizer.encode_special_tokens = True
    encoder = Encoder(tokenizer, units=100_000)
    with contextlib.suppress(BrokenPipeError):
        while True:
            _send(sys.stdout.buffer, encoder.encode(_receive(sys.stdin.buffer).decode()).tobytes())
