"""Generation as a process: it holds one language model and answers, over its pipes, what `messages` lists.

    python -m engine.generation.generator

One thread hears what is asked, one works and writes, one sends: a stop, other settings and a ping are seen at once,
whatever is being computed. When its input ends, the process ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engine.config import SampleConfig, from_table, to_table
from engine.courtesy import give_way
from engine.errors import EngineError
from engine.events import SampleEnd, Token
from engine.generation import messages
from engine.generation.messages import Failed, Loaded, Message, Progress, Written, decode, encode
from engine.store.models import find

if TYPE_CHECKING:
    from engine.generation.session import LiveWriter, Session

BATCH_SECONDS = 0.003
"""Tokens that come within this time go out together."""
NICENESS = 5
"""Beside a training that uses all cores the program that shows the text comes first: keys are seen sooner."""


class Outbox:
    """What is to be sent, in order. Tokens are gathered for a moment: a message each would cost the client its time."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._queue: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()
        threading.Thread(target=self._send, daemon=True).start()

    def put(self, number: int, message: Message) -> None:
        self._queue.put((number, message))

    def _send(self) -> None:
        sent, last = 0.0, 0
        while True:
            waiting = [self._queue.get()]
            number, message = waiting[0]
            if isinstance(message, Written) and number == last:  # the first of a request is not kept waiting
                time.sleep(max(0.0, sent + BATCH_SECONDS - time.monotonic()))
            last = number
            while not self._queue.empty():
                waiting.append(self._queue.get())
            try:
                self._pipe.write(b"".join(encode(*message) for message in _joined(waiting)))
                self._pipe.flush()
            except OSError:
                os._exit(0)  # nobody is there any more
            sent = time.monotonic()


def _joined(waiting: list[tuple[int, Message]]) -> Iterator[tuple[int, Message]]:
    """The messages in order, but all that was written for one request as one."""
    written: dict[int, Written] = {}
    for number, message in waiting:
        if isinstance(message, Written):
            before = written.get(number, Written([]))
            written[number] = Written(before.tokens + message.tokens, before.ends + message.ends, message.done)
        else:
            yield from written.items()
            written.clear()
            yield number, message
    yield from written.items()


class Job:
    """A request that is being written."""

    def __init__(self, writer: LiveWriter, events: Iterator[Token | SampleEnd], seeds: list[int]) -> None:
        self.writer, self.events = writer, events
        self._texts: dict[int, list[str]] = {sample: [] for sample in range(len(seeds))}
        self._seeds = seeds
        self._began = time.perf_counter()

    def next(self) -> Written:
        """The next token, or the end."""
        event = next(self.events, None)
        if isinstance(event, Token):
            self._texts[event.sample].append(event.text)
            return Written([event])
        if event is None:
            return Written([], done=True)
        del self._texts[event.sample]
        return Written([], [event])

    def change(self, config: SampleConfig) -> None:
        """Other settings from the next token on. What is already longer than it should be ends with that."""
        longest = max(map(len, self._texts.values()), default=0)
        self.writer.config = replace(config, max_new_tokens=max(config.max_new_tokens, longest + 1))

    def stopped(self) -> Written:
        """The end of those samples that were still being written."""
        elapsed = time.perf_counter() - self._began
        ends = [
            SampleEnd(
                elapsed=elapsed,
                sample=sample,
                text="".join(texts),
                tokens=len(texts),
                tokens_per_second=len(texts) / max(elapsed, 1e-9),
                stop_reason="stopped",
                seed=self._seeds[sample],
            )
            for sample, texts in self._texts.items()
        ]
        return Written([], ends, done=True)


class Generator:
    """The work: one model, and the requests that are being written with it, a token of each in turn."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.session: Session | None = None
        self._held: Any = None
        self._jobs: dict[int, Job] = {}
        self._inbox: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()
        self._stopped: set[int] = set()
        self._changes: dict[int, dict[str, Any]] = {}
        self._ready = False

    def hear(self, pipe: BinaryIO) -> None:
        """In a thread of its own: sort what comes, and end the process when nothing more can come."""
        for line in pipe:
            with contextlib.suppress(ValueError):
                number, message = decode(line)
                match message:
                    case messages.Ping():
                        self.outbox.put(number, messages.Pong())
                    case messages.Stop():
                        self._stopped.add(number)
                    case messages.Change():
                        self._changes[number] = message.settings
                    case _:
                        if not self._ready:
                            self.outbox.put(number, Progress("Loading PyTorch"))
                        self._inbox.put((number, message))
        os._exit(0)

    def work(self) -> None:
        """Answer and write, for ever."""
        import engine.generation.session  # noqa: F401 - a second passes in importing torch

        self._ready = True
        while True:
            while not self._jobs or not self._inbox.empty():
                number, message = self._inbox.get()
                with self._telling(number):
                    self._do(number, message)
            for number in list(self._jobs):
                with self._telling(number):
                    self._advance(number, self._jobs[number])

    @contextlib.contextmanager
    def _telling(self, number: int) -> Iterator[None]:
        """Tell whoever asked what went wrong; the next request may do better."""
        try:
            yield
            return
        except EngineError as error:
            failed = Failed(type(error).__name__, str(error))
        except Exception as error:
            traceback.print_exc()
            text = " ".join(str(error).split())[:300]
            failed = Failed(EngineError.__name__, f"The model could not do it: {type(error).__name__}: {text}")
        self._jobs.pop(number, None)
        self.outbox.put(number, failed)

    def _do(self, number: int, message: Message) -> None:
        if isinstance(message, messages.Load):
            self.outbox.put(number, self._load(number, message))
            return
        if self.session is None:
            raise EngineError("No model is loaded yet.")
        match message:
            case messages.Generate():
                config = from_table(SampleConfig, message.settings)
                self._jobs[number] = Job(*self.session.write(message.prompt, config, message.samples))
            case messages.Predict():
                config = from_table(SampleConfig, message.settings)
                self.outbox.put(number, self.session.predict(message.text, config, message.top))
            case messages.Tokenize():
                self.outbox.put(number, self.session.tokenize(message.text))
            case messages.Score():
                self.outbox.put(number, self.session.score(message.text, message.start))

    def _advance(self, number: int, job: Job) -> None:
        """One token of a request, or its end."""
        if number in self._stopped:
            written = job.stopped()
        else:
            if (settings := self._changes.pop(number, None)) is not None:
                job.change(from_table(SampleConfig, settings))
            written = job.next()
        if written.done:
            del self._jobs[number]
            self._stopped.discard(number)
            self._changes.pop(number, None)
        self.outbox.put(number, written)

    def _load(self, number: int, request: messages.Load) -> Loaded:
        from engine.generation.language_model import load
        from engine.generation.session import Session

        folder = find(request.model)
        wanted = (request, folder, _stamp(folder, request.checkpoint))
        if self.session is None or wanted != self._held:
            self.outbox.put(number, Progress(f"Reading {folder.name}"))
            session = Session(load(folder, checkpoint=request.checkpoint, device=request.device))
            for writing, job in self._jobs.items():  # the model before this one writes no more
                self.outbox.put(writing, job.stopped())
            self._jobs.clear()
            self.session, self._held = session, wanted
        model = self.session.model
        return Loaded(
            name=model.name,
            folder=str(folder),
            checkpoint=request.checkpoint,
            device=model.model.embedding.weight.device.type,
            tokenizer=model.tokenizer.kind,
            parameters=model.config.parameter_counts()["total"],
            model=to_table(model.config),
            reach=self.session.reach,
        )


def _stamp(folder: Path, checkpoint: str) -> list[tuple[int, int]]:
    """Tells whether training has written the weights anew. Earlier moments never change."""
    stamps = []
    for name in ("weights.safetensors", "run/state.safetensors")[: {"best": 1, "last": 2}.get(checkpoint, 0)]:
        with contextlib.suppress(OSError):
            status = (folder / name).stat()
            stamps.append((status.st_mtime_ns, status.st_size))
    return stamps


def main() -> None:
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the affair of whoever started it
    give_way(NICENESS)
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no message
    generator = Generator(Outbox(pipe))
    threading.Thread(target=generator.hear, args=(sys.stdin.buffer,), daemon=True).start()
    generator.work()


if __name__ == "__main__":
    main()
