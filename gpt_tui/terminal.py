"""What goes to the terminal and how: streams that say what they should, text made safe, numbers as people read them."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shlex
import sys
import time
import traceback
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine import locations

if TYPE_CHECKING:
    from rich.console import Console

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
"""The exit statuses: done; it failed; the request was wrong; interrupted, with the work saved."""

LARGEST_LOG = 1_000_000
"""Bytes from which a log is put aside, in the place of the one before it, and a new one begun."""

_VISIBLE: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},  # Unicode has no pictures of these
}


def visible(text: str) -> str:
    """The text with its control characters as pictures (␛ for escape), so that it cannot command a terminal.

    Newlines and tabs stay.
    """
    return text.translate(_VISIBLE)


def prepare_streams() -> None:
    """Make standard output exact where a file or a program reads it; where a person does, let no character fail.

    A stream that was closed before we began leads nowhere: else the next file that is opened would take its place.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in the order of their numbers
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream is sys.stdout and not stream.isatty():
                stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")
            else:
                stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def is_screen(stream: TextIO) -> bool:
    """Whether a person looks at the stream, on a terminal whose cursor moves."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def console_on(stream: TextIO) -> Console:
    """Rich on a stream, as plain as we need it: no markup, no colouring of numbers, no emoji names.

    Where no terminal sets a width, lines are as long as they are.
    """
    from rich.console import Console

    looked_at = stream.isatty()  # FORCE_COLOR or not: no escape sequences in a file
    width = None if looked_at else 10_000
    return Console(file=stream, width=width, force_terminal=looked_at, markup=False, highlight=False, emoji=False)


def is_first_process() -> bool:
    """Whether this is the process that speaks: under torchrun there are several of one training."""
    return os.environ.get("RANK", "0") == "0"


def has_peers() -> bool:
    """Whether torchrun started this process: it ends all of a training as soon as one has died."""
    return "WORLD_SIZE" in os.environ


def hush() -> None:
    """Send what is still to be written to standard output nowhere: its reader has left."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def lost_output() -> str:
    """Why standard output takes no more, in words; nothing when it does. It is tried with an empty line."""
    try:
        print(flush=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def json_line(record: dict[str, Any]) -> str:
    """One line of JSON. What is not a finite number becomes null, as JSON has no NaN; dates become text."""
    finite = json.loads(json.dumps(record, default=str), parse_constant=lambda _: None)
    return json.dumps(finite, ensure_ascii=False)


def complain(message: str) -> None:
    """One line on standard error. Of the processes of one training the first says it, for all."""
    if is_first_process():
        say(message)
    else:
        let_the_first_speak()


def let_the_first_speak() -> None:
    """Wait a moment before failing: torchrun ends every process as soon as one has failed."""
    time.sleep(1.0)


def say(message: str) -> None:
    """One line on standard error, whichever process this is."""
    line = visible(" ".join(message.split()))
    with contextlib.suppress(OSError, ValueError):
        print(f"gpt-tui: {line}", file=sys.stderr, flush=True)


def log_exception() -> Path | None:
    """Add the exception that is being handled, with its traceback, to the log; None when that cannot be written."""
    path = locations.logs_dir() / "gpt-tui.log"
    command = shlex.join(["gpt-tui", *sys.argv[1:]])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_name(f"{path.name}.1"))
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {command}\n{traceback.format_exc()}")
    except OSError:
        return None
    return path


def quoted(argument: str) -> str:
    """An argument as one types it in a shell."""
    if os.name == "nt":
        return argument if argument.replace("-", "").isalnum() else f'"{argument}"'
    return shlex.quote(argument)


def count(number: float) -> str:
    """1234567 → 1.2 M."""
    number = min(number, 1e18)  # a whole number may be larger than any float
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size * 0.9995:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def byte_size(number: float) -> str:
    """1234567 → 1.2 MB."""
    scaled = count(number)
    return f"{scaled}B" if " " in scaled else f"{scaled} bytes"


def duration(seconds: float) -> str:
    """75 → 1:15; 3700 → 1:01:40."""
    if not math.isfinite(seconds):
        return "?"
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
