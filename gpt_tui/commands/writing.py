"""What a model writes, on its way out: to a terminal as it comes, to a file, to a program as JSON.

The samples of one request are written side by side and shown one after the other.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from engine import events, files
from engine.config import SampleConfig, to_table
from engine.errors import ConfigError, RequestError, StorageError
from engine.store.models import find, read_record
from gpt_tui.commands.interrupts import Interrupts, held_back
from gpt_tui.terminal import DONE, INTERRUPTED, complain, hush, visible

RULE = "---"
"""The line between two samples in a file or a pipe; on a terminal it is a thin rule."""


def write(
    name: str,
    prompt: str,
    config: SampleConfig,
    *,
    samples: int,
    checkpoint: str,
    echo: bool,
    output: Path | None,
    json: bool,
) -> int:
    """Generate `samples` continuations of a prompt (`-`: that on standard input); returns the exit status.

    Raises an `EngineError`.
    """
    folder = find(name)
    read_record(folder)  # damage is told before a second passes in importing torch
    if output is not None and (output.exists() or output.is_symlink()):
        raise ConfigError(f"--output: {output} is there already; choose another name.")
    prompt = read_prompt(prompt)

    with held_back():
        from engine.generation.language_model import load

    stream = load(folder, checkpoint=checkpoint).stream_samples(prompt, samples=samples, **to_table(config))
    opening = prompt if echo else ""
    pages: list[Page] = [JsonPage()] if json else []
    if output is not None:
        pages.append(FilePage(output, samples, opening))
    elif not json:
        pages.append(PrintedPage(samples, opening))
    status = DONE
    try:
        with Interrupts(lambda: None) as interrupts:  # the token that is being shown is shown whole
            for event in stream:
                for page in pages:
                    page.show(event)
                if interrupts.heard:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        hush()
        status = INTERRUPTED
    finally:  # what was written until then stays, whatever ended it
        for page in pages:
            page.close()
    return status


def read_prompt(prompt: str) -> str:
    """The prompt, or all of standard input for `-`, untouched but for newlines, which become those that a model knows.

    Raises `RequestError` when it is not UTF-8.
    """
    try:
        if prompt == "-":
            return sys.stdin.buffer.read().decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        prompt.encode("utf-8")
    except UnicodeError:
        raise RequestError(f"{'The prompt' if prompt != '-' else '-: the prompt'} is not UTF-8 text.") from None
    return prompt


class Page(Protocol):
    """Where the samples of one request go; `close` when no more comes, also in the middle."""

    def show(self, event: events.Event) -> None: ...
    def close(self) -> None: ...


class JsonPage:
    """A line of JSON for every token and for the end of every sample."""

    def show(self, event: events.Event) -> None:
        print(events.to_json(event), flush=True)

    def close(self) -> None:
        pass


class FilePage:
    """A file that is written whole at the end."""

    def __init__(self, path: Path, samples: int, opening: str) -> None:
        self.path = path
        self.texts = [opening] * samples

    def show(self, event: events.Event) -> None:
        if isinstance(event, events.Token):
            self.texts[event.sample] += event.text

    def close(self) -> None:
        """Raises `StorageError`; the text is printed then, so that it is not lost."""
        text = self.texts[0]
        for sample in self.texts[1:]:
            text += _new_line(text) + RULE + "\n" + sample
        try:
            files.write_text(self.path, text)
        except StorageError:
            print(text if not sys.stdout.isatty() else visible(text))
            raise
        if sys.stderr.isatty():
            complain(f"{len(text):,} characters are in {self.path}")


class PrintedPage:
    """Standard output: the first sample as it comes, each other one when it is its turn."""

    def __init__(self, samples: int, opening: str) -> None:
        self.waiting = [opening] * samples
        self.whole = [False] * samples
        self.current = 0
        self.on_screen = sys.stdout.isatty()
        self.last = ""
        self._turn()

    def show(self, event: events.Event) -> None:
        if isinstance(event, events.Token):
            self.waiting[event.sample] += event.text
        elif isinstance(event, events.SampleEnd):
            self.whole[event.sample] = True
        self._turn()

    def close(self) -> None:
        """What was interrupted is shown as far as it came."""
        self.whole = [True] * len(self.whole)
        self._turn()
        if self.on_screen:
            self._put(_new_line(self.last))
        sys.stdout.flush()

    def _turn(self) -> None:
        while self.current < len(self.waiting):
            self._put(self.waiting[self.current])
            self.waiting[self.current] = ""
            if not self.whole[self.current]:
                break
            self.current += 1
            if self.current < len(self.waiting):
                self._put(_new_line(self.last) + ("─" * 24 if self.on_screen else RULE) + "\n")
        sys.stdout.flush()

    def _put(self, text: str) -> None:
        if text:
            sys.stdout.write(visible(text) if self.on_screen else text)
            self.last = text[-1]


def _new_line(text: str) -> str:
    """What is missing for the next text to begin on a line of its own."""
    return "" if not text or text.endswith("\n") else "\n"
