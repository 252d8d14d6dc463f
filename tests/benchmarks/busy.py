"""From a key to the screen while a training uses all cores, in the real app, through a pseudo-terminal.

    python tests/benchmarks/busy.py [--keys 60] [--size 500000]

A model is trained for a quarter of a minute; then another training is on its way in the background while keys are
sent: in Compose, on a new draft or a file of `--size` characters; there again while the model writes at full speed;
and on the Training screen, which draws that training. The table gives median and 95th percentile in milliseconds.
Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

from latency import Driven, pauses, report, type_letters

PROSE = "The hen went to the mill, and the boy looked at the water. " * 6 + "\n\n"
AXES = ("time →", "steps →", "tokens read →")


def ready(home: Path) -> None:
    """A model to write with, and continuations that do not end before the keys do."""
    import engine

    home.mkdir()
    (home / "settings.toml").write_text("[writing]\nmax_new_tokens = 100000\n")
    for _ in engine.train("tales", name="writer", minutes=0.25):
        pass


def gone(driven: Driven, words: str) -> bool:
    return not driven.terminal.says(words)


def change_axis(driven: Driven, keys: int) -> list[float]:
    """Times of the key that changes what lies along the plot."""
    times = []
    for _, pause in zip(range(keys), pauses(), strict=False):
        before = next((axis for axis in AXES if driven.terminal.says(axis)), "")
        taken = driven.time_key("x", partial(gone, driven, before))
        times += [taken] if taken is not None else []
        driven.rest(5 * pause)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=60)
    parser.add_argument("--size", type=int, default=0)
    arguments = parser.parse_args()
    keys = arguments.keys
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        os.environ["GPT_TUI_HOME"] = str(home)
        ready(home)
        from engine.training import runs

        run = runs.start("tales", name="learner", minutes=10)
        file = Path(scratch) / "text.md"
        file.write_text((PROSE * (arguments.size // len(PROSE) + 1))[: arguments.size], "utf-8")
        opened = [str(file)] if arguments.size else []
        driven = Driven("-m", "gpt_tui", "write", *opened, "--model", "writer")
        try:
            driven.wait(lambda: driven.terminal.says("writer"), 60)
            driven.rest(8.0)
            report("a training beside it", "typing in Compose", type_letters(driven, keys))
            os.write(driven.fd, b"\x07")  # Ctrl+G
            driven.rest(1.0)
            os.write(driven.fd, b"\x1b[1;5H")  # Ctrl+Home
            driven.rest(1.0)
            report("and a model that writes", "typing in Compose", type_letters(driven, keys))
            os.write(driven.fd, b"\x07")
            driven.rest(1.0)
            os.write(driven.fd, b"\x1bOS")  # F4
            driven.wait(lambda: driven.terminal.says(AXES[0]), 30)
            driven.rest(3.0)
            report("a training beside it", "the plot's axis", change_axis(driven, keys))
        finally:
            driven.close()
            run.discard()
            while run.report().alive:  # it hears of it through the folder that goes next
                time.sleep(0.1)


if __name__ == "__main__":
    main()
