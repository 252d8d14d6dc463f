"""Large files in the real app, through a pseudo-terminal: a text of 1 GB until it is previewed, and a training's log of
100,000 lines until its curve is on the screen.

    python tests/benchmarks/large.py [--megabytes 1000] [--lines 100000] [--rounds 5]

The text is dropped on the New model screen as a terminal does that, and the clock stops when its first words are seen;
each round has an app of its own. Milliseconds, median, least and most. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from busy import AXES
from latency import Driven
from library import fill

from engine.data.corpus import catalog
from engine.events import Step, to_json

FIRST_WORDS = "Lamplight on the water."


def write_text(path: Path, megabytes: int) -> None:
    """Tales over and over, after words by which the preview is known."""
    (tales,) = (entry.path.read_bytes() for entry in catalog() if entry.name == "tales")
    with path.open("wb") as file:
        file.write(f"{FIRST_WORDS}\n\n".encode())
        while file.tell() < megabytes * 1_000_000:
            file.write(tales)


def lengthen(home: Path, lines: int) -> None:
    """Give the one model there a log of so many lines."""
    (log,) = home.glob("models/*/run/events.jsonl")
    with log.open("w", encoding="utf-8") as file:
        for step in range(lines):
            event = Step(
                elapsed=step * 0.1,
                step=step,
                tokens=step * 2048,
                loss=3 + 4 / (step + 1),
                lr=0.01,
                grad_norm=0.4,
                tokens_per_second=14_000.0,
                memory=500_000_000,
                eta=0.1 * (lines - step),
                progress=step / lines,
                epoch=step / 90,
            )
            file.write(to_json(event) + "\n")


def seen_after(place: str, keys: str, words: str) -> float:
    """Milliseconds from keys to words that show what they did, in a new app that shows `place` when F3 was pressed,
    or that is in the Library."""
    driven = Driven("-m", "gpt_tui")
    try:
        driven.wait(lambda: driven.terminal.says("model-00000"), 30)
        if place:
            os.write(driven.fd, b"\x1bOR")  # F3
            driven.wait(lambda: driven.terminal.says(place), 30)
        driven.rest(2.0)
        taken = driven.time_key(keys, lambda: driven.terminal.says(words))
        return taken if taken is not None else float("nan")
    finally:
        driven.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home, text = Path(scratch) / "home", Path(scratch) / "large.txt"
        os.environ["GPT_TUI_HOME"] = str(home)
        fill(home, 1)
        lengthen(home, arguments.lines)
        write_text(text, arguments.megabytes)
        dropped = f"\x1b[200~{text}\x1b[201~"
        for what, place, keys, words in (
            (f"preview of {arguments.megabytes:,} MB", "Path", dropped, FIRST_WORDS),
            (f"a log of {arguments.lines:,} lines", "", "\x1bOS", AXES[0]),  # F4
        ):
            times = [seen_after(place, keys, words) for _ in range(arguments.rounds)]
            print(f"{what:28} {statistics.median(times):6.0f} ({min(times):.0f} to {max(times):.0f})")


if __name__ == "__main__":
    main()
