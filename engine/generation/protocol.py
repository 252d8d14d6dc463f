"""The client through which the app speaks to the generator, which is a process of its own. Imports no torch.

    client = GeneratorClient()
    await client.start()
    await client.load("novel", progress=print)
    writing = client.generate("Once upon", temperature=0.8, top_k=40)
    async for tokens in writing:          # batches: what came within about ten milliseconds
        writing.change(temperature=1.2)   # felt at the next token
    writing.stop()                        # within one token
    await client.predict(text, top_p=0.9); await client.tokenize(text); await client.score(text, start=100)
    await client.restart()                # when it died: the same model again
    await client.close()

What is said is in `messages`. Every message bears the number of its request, and what arrives for one that nobody waits
for any more is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import weakref
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any, BinaryIO, TypeVar

from engine import locations
from engine.config import SampleConfig, from_table, to_table
from engine.errors import EngineError, GeneratorLostError
from engine.events import SampleEnd, Token
from engine.files import storage_error
from engine.generation.messages import (
    Change,
    Failed,
    Generate,
    Load,
    Loaded,
    Message,
    Ping,
    Pong,
    Predict,
    Prediction,
    Progress,
    Score,
    Scored,
    Scores,
    Stop,
    Tokenize,
    Tokenized,
    Written,
    decode,
    encode,
)

__all__ = ["GeneratorClient", "GeneratorLostError", "Loaded", "Prediction", "Scored", "Tokenized", "Writing"]

_LONGEST_LINE = 1 << 26
_CLOSE_SECONDS = 2.0
_OUTPUT_BYTES = 1_000_000  # after which the file of what the generator prints begins anew

Answer = TypeVar("Answer", bound=Message)


class GeneratorClient:
    """One generator process, and what is asked of it. Everything raises `GeneratorLostError` while there is none.

    To be used from one event loop. A task that is cancelled while it waits leaves nothing behind.
    """

    def __init__(self) -> None:
        self.model: Loaded | None = None
        """What the generator holds."""
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._why = "The generator has not been started."
        self._asked: Load | None = None
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._progress: dict[int, Callable[[str], None]] = {}
        # Whoever drops a writing wants no more of it: it is not kept alive here.
        self._writings: weakref.WeakValueDictionary[int, Writing] = weakref.WeakValueDictionary()
        self._unfinished: set[int] = set()  # numbers of what the generator is writing still, read or not
        self._stopped: set[int] = set()

    # The process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def writing(self) -> bool:
        """Whether the generator is writing something, read or not."""
        return bool(self._unfinished)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.alive else None

    async def start(self) -> None:
        """Start the process, if there is none. It answers at once, and writes about a second later."""
        async with self._starting:
            if self.alive:
                return
            self.model, self._why = None, "The generator's process is gone. Start it again."
            flags = 0
            if sys.platform == "win32":
                flags = subprocess.CREATE_NO_WINDOW
            with _output() as output:
                environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
                environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin keep others from working
                try:
                    self._process = await asyncio.create_subprocess_exec(
                        *(sys.executable, "-m", "engine.generation.generator"),
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=output,
                        env=environment,
                        limit=_LONGEST_LINE,
                        creationflags=flags,
                    )
                except OSError as error:
                    raise EngineError(f"The generator cannot be started: {error.strerror or error}.") from error
            self._listening = asyncio.create_task(self._listen(self._process))

    async def restart(self) -> Loaded | None:
        """End the process if there is one, start another, and load the model that was asked for last."""
        await self.close()
        await self.start()
        return await self.load(*vars(self._asked).values()) if self._asked is not None else None

    async def close(self) -> None:
        """End the process. What is being written or waited for ends with `GeneratorLostError`."""
        process, self._process = self._process, None
        if process is None:
            return
        self._lose("The generator was closed.")
        with contextlib.suppress(OSError, RuntimeError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            await _ended(process)
        finally:
            if self._listening is not None:
                self._listening.cancel()

    # What is asked

    async def load(
        self,
        model: str,
        checkpoint: str | int = "best",
        device: str = "auto",
        *,
        progress: Callable[[str], None] | None = None,
    ) -> Loaded:
        """Hold this model, by its name or folder, instead of the one before; weights that training has saved since
        are read anew. `progress` is told what is being done. Raises what `engine.load` raises."""
        self._asked = Load(str(model), str(checkpoint), device)
        self.model = await self._ask(self._asked, Loaded, progress)
        return self.model

    def generate(self, prompt: str, *, samples: int = 1, **settings: Any) -> Writing:
        """Continue `prompt`; the settings are those of SampleConfig. Raises `ConfigError` on a wrong one."""
        config = from_table(SampleConfig, settings)
        number = self._send(Generate(self._end_of(prompt), to_table(config), samples))
        self._unfinished.add(number)
        writing = self._writings[number] = Writing(self, number, config)
        return writing

    async def predict(self, text: str, *, top: int = 20, **settings: Any) -> Prediction:
        """The likeliest tokens after `text`, before and after these settings."""
        table = to_table(from_table(SampleConfig, settings))
        return await self._ask(Predict(self._end_of(text), table, top), Prediction)

    async def tokenize(self, text: str) -> Tokenized:
        """The tokens of `text`, and those that the model sees when it goes on."""
        return await self._ask(Tokenize(text), Tokenized)

    async def score(self, text: str, start: int = 0) -> list[Scored]:
        """How likely each token of `text` was from the character `start` on, and what else; at most 2,048 tokens."""
        return (await self._ask(Score(text, start), Scores)).tokens

    async def ping(self) -> float:
        """Seconds until the generator answers, also while it writes."""
        began = time.perf_counter()
        await self._ask(Ping(), Pong)
        return time.perf_counter() - began

    def _end_of(self, text: str) -> str:
        return text[-self.model.reach :] if self.model is not None else text

    async def _ask(self, message: Message, kind: type[Answer], progress: Callable[[str], None] | None = None) -> Answer:
        number = self._send(message)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        if progress is not None:
            self._progress[number] = progress
        try:
            answer: Answer = await future
            assert isinstance(answer, kind)
            return answer
        finally:
            del self._waiting[number]
            self._progress.pop(number, None)

    def _send(self, message: Message, number: int | None = None) -> int:
        if self._process is None or not self.alive:
            raise GeneratorLostError(self._why)
        number = next(self._numbers) if number is None else number
        # No draining: what is sent is small, and the generator reads at once. Where it is dead, `_listen` finds out.
        self._process.stdin.write(encode(number, message))  # type: ignore[union-attr]
        return number

    # What is answered

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # a line without an end: it went mad
            while line := await process.stdout.readline():
                self._receive(*decode(line))
        code = await _ended(process)
        if process is self._process:
            how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with status {code}"
            self._lose(f"The generator {how}. Start it again; details are in {locations.logs_dir() / 'generator.log'}")

    def _receive(self, number: int, message: Message) -> None:
        future, writing = self._waiting.get(number), self._writings.get(number)
        if isinstance(message, Failed) or (isinstance(message, Written) and message.done):
            self._unfinished.discard(number)
            self._stopped.discard(number)
        if isinstance(message, Progress):
            if number in self._progress:
                asyncio.get_running_loop().call_soon(self._progress[number], message.message)
        elif writing is not None:
            writing._put(message)
        elif future is not None:
            if not future.done():
                if isinstance(message, Failed):
                    future.set_exception(message.error())
                else:
                    future.set_result(message)
        elif isinstance(message, Written) and not message.done and number not in self._stopped:
            self._stop(number)  # nobody reads it any more

    def _stop(self, number: int) -> None:
        with contextlib.suppress(GeneratorLostError):
            self._send(Stop(), number)
            self._stopped.add(number)

    def _lose(self, why: str) -> None:
        self._why, self.model = why, None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(GeneratorLostError(why))
        for writing in list(self._writings.values()):
            writing._put(GeneratorLostError(why))
        self._unfinished.clear()
        self._stopped.clear()


class Writing:
    """What is being written: iterate over it for batches of tokens, each as large as what has come by then.

    When the task that iterates is cancelled, or the writing is closed or dropped, the generator stops it.
    """

    def __init__(self, client: GeneratorClient, number: int, config: SampleConfig) -> None:
        self.number, self.config = number, config
        self.ends: dict[int, SampleEnd] = {}
        """How each sample ended: its whole text, its seed, why."""
        self.over = False
        self._client = client
        self._come: asyncio.Queue[Written | EngineError] = asyncio.Queue()

    def change(self, **settings: Any) -> None:
        """Other settings from the next token on; seed and stop texts stay. Raises `ConfigError`."""
        self.config = from_table(SampleConfig, {**to_table(self.config), **settings})
        if not self.over:
            self._client._send(Change(to_table(self.config)), self.number)

    def stop(self) -> None:
        """Write no more. What was written until then still comes, and then the end."""
        if not self.over:
            self._client._stop(self.number)

    def close(self) -> None:
        """Write no more, and let nothing come either."""
        if not self.over:
            self.over = True
            self._client._writings.pop(self.number, None)
            self._client._stop(self.number)

    async def aclose(self) -> None:
        """`close`, as `contextlib.aclosing` wants it."""
        self.close()

    def __aiter__(self) -> AsyncIterator[list[Token]]:
        return self

    async def __anext__(self) -> list[Token]:
        """Raises the engine's error when it could not be written, `GeneratorLostError` when the generator died."""
        tokens: list[Token] = []
        while not self.over and not (tokens and self._come.empty()):
            try:
                come = await self._come.get()
            except asyncio.CancelledError:
                self.close()
                raise
            if isinstance(come, EngineError):
                self.over = True
                raise come
            tokens += come.tokens
            self.ends |= {end.sample: end for end in come.ends}
            self.over = come.done
        if not tokens:
            raise StopAsyncIteration
        return tokens

    def _put(self, message: Message | EngineError) -> None:
        if isinstance(message, Failed):
            message = message.error()
        if isinstance(message, Written | EngineError):
            self._come.put_nowait(message)


async def _ended(process: Process) -> int:
    """The status of a process that is about to end; killed when it takes its time. (Not at once: whoever sends a
    signal to one that is gone takes its status away from asyncio.)"""
    try:
        return await asyncio.wait_for(process.wait(), _CLOSE_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return await process.wait()


def _output() -> BinaryIO:
    """The file for what the generator prints. Raises `StorageError`."""
    path = locations.logs_dir() / "generator.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists() or path.stat().st_size > _OUTPUT_BYTES
        return path.open("wb" if fresh else "ab")
    except OSError as error:
        raise storage_error(path, error) from error
