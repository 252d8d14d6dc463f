"""A conversation in lines: for pipes, slow terminals and screen readers.

The generator starts while one still types the first line, in a process of its own; this one stays free to hear Ctrl-C:
once stops the reply, twice, or at the prompt, leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from engine.errors import ConfigError, EngineError, RequestError
from gpt_tui import conversations, exports
from gpt_tui.conversations import MODEL, YOU, Conversation, Turn
from gpt_tui.conversing import opening
from gpt_tui.conversing.answering import Answering
from gpt_tui.conversing.personas import Cast
from gpt_tui.generating import Generator
from gpt_tui.terminal import DONE, INTERRUPTED, complain, hush, visible

Result = TypeVar("Result")

HELP = """\
/again         another answer in the place of the last one
/names         who there is to talk with
/with NAME     let the model be somebody else
/as NAME       be somebody else yourself
/save [FILE]   write the conversation to a new file: .txt, .md or .json
/quit          leave; so does the end of the input
A line that ends in \\ goes on in the next one; // begins one with a slash.
Ctrl-C stops a reply; twice, or here, it leaves. What is said is kept: the app shows it too."""

_SLOW = 1.5  # seconds after which one is told that the model is still being loaded
_TICK = 0.1  # Windows hears no Ctrl-C within a wait without an end


def chat(
    model: str, *, you: str = "", them: str = "", checkpoint: str = "best", settings: dict[str, Any] | None = None
) -> int:
    """Talk until the input ends; returns the exit status. Raises an `EngineError` when it cannot begin."""
    for option, name in (("--as", you), ("--with", them)):
        if name and not _is_name(name):
            raise ConfigError(f"{option}: {name!r} is no name.")
    _read_utf8()
    conversation, cast = opening.begin(model, you=you, them=them, checkpoint=checkpoint, settings=settings)
    with Speaker(conversation) as speaker:
        return LineChat(conversation, cast, speaker).run()


def _is_name(name: str) -> bool:
    return bool(name.strip()) and name.isprintable() and ":" not in name and len(name) <= 40


def _read_utf8() -> None:
    """A pipe's text is UTF-8, wherever it comes from; what is not is refused."""
    if not sys.stdin.isatty() and hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")


class Leaving(Exception):
    """One wants to leave."""


class Speaker:
    """The generator, in an event loop on a thread of its own: the main thread waits for keys and for Ctrl-C."""

    def __init__(self, conversation: Conversation) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._generator: Generator | None = None
        self._conversation = conversation

    def __enter__(self) -> Speaker:
        self._thread.start()
        self._start(self._warm())
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(Exception):
            self._start(self._close()).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=2)

    def _start(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _close(self) -> None:
        """End everything that is under way, and the generator."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if self._generator is not None:
            with contextlib.suppress(EngineError):
                await self._generator.client.start()  # one that is just being started cannot be ended yet
            await self._generator.close()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _warm(self) -> None:
        """Have the model loaded while one still types; what is wrong with it the first answer says."""
        self._generator = Generator()
        with contextlib.suppress(EngineError):
            await self._generator.ready(self._conversation.model, self._conversation.checkpoint)

    def answer(self, turn: Turn, heard: Interrupted) -> Iterator[str]:
        """The turn's text as it grows. Raises an `EngineError`, and KeyboardInterrupt at the second Ctrl-C."""
        grown: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        writing = self._start(self._write(turn, grown, heard))
        writing.add_done_callback(lambda _: grown.put(None))
        while True:
            try:
                text = grown.get(timeout=_TICK)
            except queue.Empty:
                if heard.times > 1:
                    raise KeyboardInterrupt from None
                continue
            if text is None:
                break
            yield text
        writing.result()

    async def _write(self, turn: Turn, grown: queue.SimpleQueue[str | None], heard: Interrupted) -> str:
        assert self._generator is not None
        answering = Answering(self._generator, self._conversation, turn, self._conversation.settings)
        heard.stop = lambda: self._loop.call_soon_threadsafe(answering.stop)
        if heard.times:
            answering.stop()
        saved = time.monotonic()

        def changed() -> None:
            nonlocal saved
            grown.put(turn.text)
            if time.monotonic() - saved > 1:
                saved = time.monotonic()
                with contextlib.suppress(EngineError):
                    conversations.save(self._conversation)

        return await answering.write(changed)


class Interrupted:
    """While it is entered, the first Ctrl-C calls `stop`; how many came is in `times`."""

    def __init__(self) -> None:
        self.times = 0
        self.stop: Any = None

    def __enter__(self) -> Interrupted:
        self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.times += 1
        if self.times > 1:
            raise KeyboardInterrupt
        if self.stop is not None:
            self.stop()


class LineChat:
    """What is typed and what is printed."""

    def __init__(self, conversation: Conversation, cast: Cast, speaker: Speaker) -> None:
        self.talk, self.cast, self.speaker = conversation, cast, speaker
        self.typed = sys.stdin.isatty()
        self.on_screen = sys.stdout.isatty()
        self.status = DONE

    def run(self) -> int:
        if self.typed:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401 - input() edits its line with it
            self.greet()
        try:
            while (line := self.read()) is not None:
                self.heed(line)
        except Leaving:
            pass
        except BrokenPipeError:  # the reader has left
            hush()
            self.status = INTERRUPTED
        except KeyboardInterrupt:
            if self.typed:
                print()
            self.status = INTERRUPTED
        self.keep()
        return self.status

    def greet(self) -> None:
        talk, persona = self.talk, self.cast.find(self.talk.them)
        self.tell(f"You are {talk.you}, and talk with {talk.them}{f', {persona.words}' if persona.words else ''}.")
        if talk.scene:
            self.tell(talk.scene)
        self.tell("Type /help for what else there is; Ctrl-D leaves." if sys.platform != "win32" else "/help helps.")
        self.tell("")

    def read(self) -> str | None:
        """What is said next: a line, or several that end in a backslash; None at the end of the input."""
        lines: list[str] = []
        while True:
            line = self.read_line(f"{self.talk.you}: " if not lines else "… ")
            if line is None:
                return "\n".join(lines) if lines else None
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])

    def read_line(self, prompt: str) -> str | None:
        try:
            if self.typed:
                return input(visible(prompt))
            line = sys.stdin.readline()
        except EOFError:
            print()
            return None
        except UnicodeDecodeError:
            raise RequestError("Standard input is not UTF-8 text.") from None
        if line and self.on_screen and line.strip():
            print(visible(f"{prompt}{line.rstrip()}"))
        return line.rstrip("\r\n") if line else None

    def heed(self, line: str) -> None:
        """Say it, or do what it commands."""
        if not line.strip():
            return
        if line.startswith("/") and not line.startswith("//"):
            command, _, rest = line[1:].partition(" ")
            self.command(command.lower(), rest.strip())
            return
        text = line.removeprefix("/") if line.startswith("//") else line
        turn = self.talk.say(YOU, text.strip())
        self.keep()
        self.answer(self.talk.say(MODEL, "", after=turn))

    def command(self, command: str, rest: str) -> None:
        if command in ("quit", "q", "exit"):
            raise Leaving
        if command == "help":
            self.tell(HELP)
        elif command == "again":
            self.again()
        elif command == "names":
            self.names()
        elif command in ("with", "as"):
            self.rename(command, rest)
        elif command == "save":
            self.save(rest)
        else:
            self.tell(f"There is no /{command}. /help lists what there is.")

    # Answers

    def again(self) -> None:
        last = self.talk.last
        if last is None:
            self.tell("Nothing was said yet.")
        elif last.by == MODEL:
            self.answer(self.talk.beside(last, ""))
        else:
            self.answer(self.talk.say(MODEL, "", after=last))

    def answer(self, turn: Turn) -> None:
        """Print the reply as it comes."""
        shown = ""
        problem: EngineError | None = None
        slow = threading.Timer(_SLOW, self.say_slow) if self.typed else None
        try:
            with Interrupted() as heard:
                self.put(f"{self.talk.them}: ")
                if slow is not None:
                    slow.start()
                for text in self.speaker.answer(turn, heard):
                    if slow is not None:
                        slow.cancel()
                    shown = self.show(shown, text.rstrip(" ,\n"))
                shown = self.show(shown, turn.text)
        except EngineError as error:
            problem = error
        finally:
            if slow is not None:
                slow.cancel()
            turn.unfinished = False
            self.put("\n")
            if not turn.text:
                self.talk.remove(turn)
            self.keep()
        if problem is not None:
            if not self.typed:  # a program would go on talking to nobody
                raise problem
            complain(str(problem))

    def show(self, shown: str, text: str) -> str:
        """Print what is new; a reply that was begun anew begins a line anew."""
        if not text.startswith(shown):
            self.put(f"\n{self.talk.them}: ")
            shown = ""
        self.put(text[len(shown) :])
        return text

    def say_slow(self) -> None:
        print("(the model is being loaded) ", end="", file=sys.stderr, flush=True)

    # Names and files

    def names(self) -> None:
        talk = self.talk
        self.tell(f"You are {talk.you}; the model is {talk.them}.")
        for persona in self.cast.personas:
            self.tell(f"  {persona.name}{f', {persona.words}' if persona.words else ''}")

    def rename(self, command: str, name: str) -> None:
        if not _is_name(name):
            self.tell(f"Say which name: /{command} NAME")
            return
        persona = self.cast.find(name)
        if command == "with":
            self.talk.them = persona.name
        else:
            self.talk.you = name
        self.talk.scene = self.cast.scene(self.talk.them, self.talk.you)
        self.tell(f"You are {self.talk.you}; the model is {self.talk.them}.")

    def save(self, file: str) -> None:
        """Write the conversation to a file that is not there yet."""
        kinds = {kind.suffix: kind for kind in exports.formats()}
        path = Path(file).expanduser() if file else Path(exports.suggested(self.talk.title))
        kind = kinds.get(path.suffix.lower(), kinds[".txt"])
        try:
            written = exports.write(self.talk.transcript(), kind.key, path.parent, path.name)
        except EngineError as error:
            complain(str(error))
        else:
            self.tell(f"It is in {written}.")

    def keep(self) -> None:
        """Among the conversations that the app shows."""
        try:
            conversations.save(self.talk)
        except EngineError as error:
            complain(str(error))

    # The terminal

    def tell(self, text: str) -> None:
        """Something that nobody says: on standard error, so that a pipe holds the conversation alone."""
        print(visible(text), file=sys.stdout if self.typed and self.on_screen else sys.stderr, flush=True)

    def put(self, text: str) -> None:
        sys.stdout.write(visible(text) if self.on_screen else text)
        sys.stdout.flush()
