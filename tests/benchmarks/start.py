"""How long gpt-tui takes to its first frame, and a bare Textual app beside it, in a real pseudo-terminal.

python tests/benchmarks/start.py [--rounds 5] [--models 3]

The clock runs from the process's start to the moment when its screen holds what it shall: the word on a bare app's
screen, the names of the places and the models in ours. Both are run in turn, after one run each that is not counted, in
a home with a few models.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

SIZE = (36, 120)
LIMIT = 30.0
BARE = """
from textual.app import App
from textual.widgets import Static


class Bare(App):
    def compose(self):
        yield Static("here it is")


Bare().run()
"""


def first_frame(command: list[str], marks: list[bytes], environment: dict[str, str]) -> float:
    """Seconds from the start of a command to the moment when all marks have been written to its terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True, close_fds=True
    )
    os.close(slave)
    seen = b""
    try:
        while not all(mark in seen for mark in marks):
            left = LIMIT - (time.perf_counter() - began)
            ready = select.select([master], [], [], max(0.0, left))[0]
            if not ready:
                raise SystemExit(f"{' '.join(command)}: no first frame within {LIMIT:.0f} s; its screen:\n{seen!r}")
            seen += os.read(master, 1 << 16)
        return time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


def make_models(home: Path, number: int) -> None:
    """Models as the library lists them: their records, with no weights."""
    os.environ["GPT_TUI_HOME"] = str(home)
    from engine.config import ModelConfig, TrainConfig
    from engine.store.models import ModelRecord, write_record

    for index in range(number):
        folder = home / "models" / f"model{index}"
        folder.mkdir(parents=True)
        record = ModelRecord(
            name=folder.name,
            created="2026-11-25T03:00:00+00:00",
            format=1,
            corpus={"name": "tales", "documents": 1, "bytes": 1_000_000},
            summary={"bits_per_byte": 1.5, "steps": 1000, "parameters": 1_000_000},
            model=ModelConfig(),
            train=TrainConfig(minutes=2.0),
        )
        write_record(folder, record)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", type=int, default=3)
    options = parser.parse_args()
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        make_models(Path(folder), options.models)
        environment = {
            **os.environ,
            "GPT_TUI_HOME": folder,
            "PYTHONPATH": str(root),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        environment.pop("NO_COLOR", None)
        names = [f"model{index}".encode() for index in range(min(1, options.models))]
        runs = {
            "a bare Textual app": ([sys.executable, "-c", BARE], [b"here it is"]),
            "gpt-tui, its frame": ([sys.executable, "-m", "gpt_tui"], [b"Library", b"Compose"]),
            "gpt-tui, with models": ([sys.executable, "-m", "gpt_tui"], [b"Library", b"Compose", *names]),
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(options.rounds + 1):
            for name, (command, marks) in runs.items():
                took = first_frame(command, marks, environment)
                if number:  # the first fills the disk's cache and compiles
                    times[name].append(took)
    bare = statistics.median(times["a bare Textual app"])
    for name, taken in times.items():
        middle = statistics.median(taken)
        spread = f"{min(taken):.3f} to {max(taken):.3f}"
        print(f"{name:22} {middle:.3f} s (of {len(taken)}: {spread})   {middle / bare:.2f} × bare")


if __name__ == "__main__":
    main()
