"""From a key to the screen, through a pseudo-terminal: our editor beside a bare TextArea, in turn.

    python tests/benchmarks/latency.py [--keys 60] [--size 500000] [--only editor]

Each app opens a text of `--size` characters, once in many paragraphs and once as a single one, with the cursor in the
middle, and is sent one key after another: letters, arrows, deletions; then letters while 200 tokens a second come in
at the end of the text, on the same screen. What the app writes goes through a small terminal here, and the clock stops
when the letter, the cursor or the gap is seen in it. The table gives median and 95th percentile in milliseconds, and
what share of a core the stream alone takes. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import re
import select
import statistics
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROWS, COLUMNS = 40, 100
LETTERS = "\u0163\u0142\u0111\u0127"  # of no text: they are counted on the screen
PATIENCE = 20.0
"""Seconds that a key is waited for."""
TOTAL = 60.0
"""Seconds after which no more keys of a kind are sent."""
KEYS = {"right": "\x1b[C", "left": "\x1b[D", "up": "\x1b[A", "down": "\x1b[B", "backspace": "\x7f"}
TOKENS_PER_SECOND, FRAMES_PER_SECOND = 200, 30
CONTROL = re.compile(
    "\x1b\\[([?>=<]?)([0-9;:]*)([ $]?[@-~])|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1bP[^\x1b]*\x1b\\\\|\x1b[^][P]"
)


class Terminal:
    """As much of a terminal as Textual's output needs: characters in a grid, and where the cursor is."""

    def __init__(self) -> None:
        self.grid = [[" "] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0
        self.answers: list[bytes] = []
        self._rest = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        self._rest = ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
                continue
            found = CONTROL.match(text, at)
            if found is None:
                self._rest = text[at:]
                return
            self._control(*found.groups(default=""))
            at = found.end()

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row = min(self.row + 1, ROWS - 1)
        elif character >= " " and self.column < COLUMNS:
            self.grid[self.row][self.column] = character
            self.column += 1

    def _control(self, private: str, numbers: str, final: str) -> None:
        if final == "H" and not private:
            row, column = ([int(part or 1) for part in numbers.split(";")] + [1, 1])[:2] if numbers else (1, 1)
            self.row, self.column = min(row, ROWS) - 1, min(column, COLUMNS) - 1
        elif final == "$p" and private == "?":
            self.answers.append(f"\x1b[?{numbers};{2 if numbers == '2026' else 0}$y".encode())

    def says(self, words: str) -> bool:
        return any(words in "".join(row) for row in self.grid)

    def count(self) -> int:
        """How many of our letters are seen."""
        return sum(row.count(letter) for row in self.grid for letter in LETTERS)


class Driven:
    """A Python program in a pseudo-terminal, by the arguments of its interpreter."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_ANIMATIONS="none")
            os.environ.pop("NO_COLOR", None)
            os.execv(sys.executable, [sys.executable, *arguments])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.terminal = Terminal()

    def read(self, seconds: float) -> bool:
        """Take in what comes within some seconds; False when nothing does."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return False
        self.terminal.feed(os.read(self.fd, 1 << 16).decode(errors="replace"))
        while self.terminal.answers:
            os.write(self.fd, self.terminal.answers.pop())
        return True

    def wait(self, condition: Callable[[], bool], limit: float = PATIENCE) -> bool:
        until = time.perf_counter() + limit
        while not condition():
            if not self.read(max(0.0, until - time.perf_counter())):
                return condition()
        return True

    def rest(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self.read(left)

    def time_key(self, key: str, condition: Callable[[], bool]) -> float | None:
        """Milliseconds from a key to what shows it; None when it is not seen."""
        began = time.perf_counter()
        os.write(self.fd, key.encode())
        return (time.perf_counter() - began) * 1000 if self.wait(condition) else None

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def measure(app: str, shape: str, size: int, keys: int) -> dict[str, list[float]]:
    """All times of one app with one text."""
    found: dict[str, list[float]] = {}
    driven = Driven(__file__, "--app", app, "--shape", shape, "--size", str(size))
    try:
        driven.wait(lambda: driven.terminal.says("ready"), 120)
        driven.rest(1.0)
        found["typing"] = type_letters(driven, keys)
        found["deleting"] = delete_letters(driven, keys)
        found["moving"] = move(driven, keys)
    finally:
        driven.close()
    driven = Driven(__file__, "--app", app, "--shape", shape, "--size", str(size), "--stream")
    try:
        driven.wait(lambda: driven.terminal.says("ready"), 120)
        driven.rest(1.0)
        began, used = time.perf_counter(), driven.processor_seconds()
        driven.rest(5.0)
        share = (driven.processor_seconds() - used) / (time.perf_counter() - began)
        found["typing while it streams"] = type_letters(driven, keys)
        found["core for the stream"] = [share]
    finally:
        driven.close()
    return found


def pauses() -> Iterator[float]:
    """Between keys as a quick typist leaves them, out of step with any clock of the app's."""
    source = random.Random(1)
    while True:
        yield source.uniform(0.04, 0.09)


def type_letters(driven: Driven, keys: int) -> list[float]:
    times = []
    until = time.perf_counter() + TOTAL
    for number, pause in zip(range(keys), pauses(), strict=False):
        if time.perf_counter() > until:
            break
        if number % 6 == 5:
            os.write(driven.fd, b" ")
            driven.rest(pause)
        seen = driven.terminal.count()
        taken = driven.time_key(LETTERS[number % len(LETTERS)], lambda seen=seen: driven.terminal.count() > seen)
        times += [taken] if taken is not None else []
        driven.rest(pause)
    return times


def delete_letters(driven: Driven, keys: int) -> list[float]:
    times = []
    until = time.perf_counter() + TOTAL
    for number, pause in zip(reversed(range(keys)), pauses(), strict=False):
        seen = driven.terminal.count()
        if time.perf_counter() > until or not seen:
            break
        taken = driven.time_key(KEYS["backspace"], lambda seen=seen: driven.terminal.count() < seen)
        times += [taken] if taken is not None else []
        driven.rest(pause)
        if number % 6 == 5:  # the space before the letter
            os.write(driven.fd, KEYS["backspace"].encode())
            driven.rest(pause)
    return times


def move(driven: Driven, keys: int) -> list[float]:
    times = []
    until = time.perf_counter() + TOTAL
    terminal = driven.terminal
    moves = ["right", "down", "right", "right", "down", "left", "up", "down"]
    for number, pause in zip(range(keys), pauses(), strict=False):
        if time.perf_counter() > until:
            break
        place = terminal.row, terminal.column
        key = KEYS[moves[number % len(moves)]]
        taken = driven.time_key(key, lambda place=place: (terminal.row, terminal.column) != place)
        times += [taken] if taken is not None else []
        driven.rest(pause)
    return times


def sample(shape: str, size: int) -> str:
    """Prose of a corpus that comes with the program, as long as is asked for."""
    text = (Path(__file__).parents[2] / "corpora" / "tales.txt").read_text(encoding="utf-8")
    text = (text * (size // len(text) + 1))[:size]
    return " ".join(text.split()) if shape == "one" else text


def run_app(kind: str, shape: str, size: int, *, stream: bool) -> None:
    """The app that is measured: nothing but the editor, and a line that says that it is ready."""
    from textual.app import App, ComposeResult
    from textual.widgets import Static, TextArea

    from gpt_tui import themes
    from gpt_tui.widgets.editor import Editor

    text = sample(shape, size)
    at = len(text) - 800 if stream else text.index(" ", len(text) // 2) + 1
    tokens = [f" {word}" for word in sample("one", 20_000).split()]

    class Measured(App[None]):
        CSS = "Editor, TextArea { height: 1fr; } TextArea { border: none; }"

        def get_theme_variable_defaults(self) -> dict[str, str]:
            return themes.variables(self.current_theme)

        def compose(self) -> ComposeResult:
            yield Editor() if kind == "editor" else TextArea(soft_wrap=True)
            yield Static("", id="state")

        def on_mount(self) -> None:
            widget: Any = self.query_one(Editor if kind == "editor" else TextArea)
            widget.focus()
            widget.cursor_blink = False
            self.call_after_refresh(self.open, widget)

        def open(self, widget: Any) -> None:
            if isinstance(widget, Editor):
                widget.column_width = 80
                widget.load(text, cursor=at)
                coming = widget.begin_continuation(widget.length) if stream else None
                append = coming.append if coming is not None else None
            else:
                widget.load_text(text)
                widget.move_cursor(widget.document.get_location_from_index(at))

                def append(new: str) -> object:
                    return widget.insert(new, widget.document.end)

            self.query_one("#state", Static).update("ready")
            if stream and append is not None:
                began, given = time.perf_counter(), 0

                def more() -> None:
                    nonlocal given
                    due = int((time.perf_counter() - began) * TOKENS_PER_SECOND)
                    if due > given:
                        append("".join(tokens[number % len(tokens)] for number in range(given, due)))
                        given = due

                self.set_interval(1 / FRAMES_PER_SECOND, more)

    Measured().run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=60)
    parser.add_argument("--size", type=int, default=500_000)
    parser.add_argument("--only", choices=("editor", "textarea"))
    parser.add_argument("--app", help=argparse.SUPPRESS)
    parser.add_argument("--shape", default="many", help=argparse.SUPPRESS)
    parser.add_argument("--stream", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.app:
        run_app(options.app, options.shape, options.size, stream=options.stream)
        return
    print(f"{'':26}{'':10}{'median':>9}{'95th':>9}  ms   keys")
    for shape, words in (("many", "many paragraphs"), ("one", "one paragraph")):
        for app in ("editor", "textarea"):
            if options.only in (None, app):
                for what, times in measure(app, shape, options.size, options.keys).items():
                    report(f"{words}, {app}", what, times)


def report(where: str, what: str, times: list[float]) -> None:
    if what.startswith("core"):
        print(f"{where:26} {what:24} {times[0]:6.0%}", flush=True)
    elif len(times) < 2:
        print(f"{where:26} {what:24} not seen within {PATIENCE:.0f} s", flush=True)
    else:
        ninety_fifth = statistics.quantiles(times, n=20, method="inclusive")[18]
        print(f"{where:26} {what:24} {statistics.median(times):8.1f} {ninety_fifth:8.1f}  {len(times)}", flush=True)


if __name__ == "__main__":
    main()
