"""From a token to the terminal: how far Compose is behind the model that writes, and what it costs.

    python tests/benchmarks/stream.py [--seconds 8] [--training]

A model is trained for a quarter of a minute; then the real app writes with it in a pseudo-terminal, with `--training`
beside a training that uses all cores. The generator notes when each token is there, the app when it has come and when
it has handed the terminal what shows it. Milliseconds, median and 95th percentile; and the app's share of a core.
Nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from pathlib import Path
from typing import Any, TextIO

from busy import ready
from latency import Driven

from gpt_tui import __main__ as command  # first, as it tells Textual how often to paint

A_PAINTED_ROW = 60
"""Characters, fewer than what paints one row: what is shorter only moves the cursor."""


def notes(home: Path, name: str) -> TextIO:
    return (home / name).open("w", buffering=1)


def traced_generator(home: Path) -> None:
    """The app's generator, which notes how many tokens there are, and when."""
    from engine.generation import generator

    kept, tokens, put = notes(home, "generated"), 0, generator.Outbox.put

    def noted(outbox: generator.Outbox, number: int, message: Any) -> None:
        nonlocal tokens
        if new := len(getattr(message, "tokens", ())):
            tokens += new
            kept.write(f"{tokens} {time.perf_counter()}\n")
        put(outbox, number, message)

    generator.Outbox.put = noted  # type: ignore[method-assign]
    generator.main()


def traced_app(home: Path) -> None:
    """The app in Compose, which notes what comes and what it hands to the terminal."""
    from textual.drivers.linux_driver import LinuxDriver

    from engine.generation.protocol import Writing

    come, shown, tokens = notes(home, "come"), notes(home, "shown"), 0
    start, put, write = asyncio.create_subprocess_exec, Writing._put, LinuxDriver.write

    def started(*command: str, **options: Any) -> Any:
        if "engine.generation.generator" in command:
            command = (sys.executable, __file__, "--generator", str(home))
        return start(*command, **options)

    def arrived(writing: Writing, message: Any) -> None:
        nonlocal tokens
        tokens += len(getattr(message, "tokens", ()))
        come.write(f"{tokens} {time.perf_counter()}\n")
        put(writing, message)

    def written(driver: LinuxDriver, data: str) -> None:
        if len(data) > A_PAINTED_ROW:
            shown.write(f"{len(data)} {time.perf_counter()}\n")
        write(driver, data)

    asyncio.create_subprocess_exec = started  # type: ignore[assignment]
    Writing._put = arrived  # type: ignore[method-assign]
    LinuxDriver.write = written  # type: ignore[method-assign]
    sys.argv = ["gpt-tui", "write", "--model", "writer"]
    command.main()


def write_on(driven: Driven, seconds: float) -> float:
    """Have it write for so long, again where the model ends its text; the app's share of a core."""
    began, used = time.perf_counter(), driven.processor_seconds()
    asked = 0.0
    while (now := time.perf_counter()) < began + seconds:
        if now - asked > 1.0:  # nothing has come for a second
            os.write(driven.fd, b"\x07")  # Ctrl+G
            asked = now
        if select.select([driven.fd], [], [], 0.2)[0] and len(os.read(driven.fd, 1 << 16)) > A_PAINTED_ROW:
            asked = time.perf_counter()
    return (driven.processor_seconds() - used) / (time.perf_counter() - began)


def read(home: Path, name: str) -> list[tuple[int, float]]:
    lines = (line.split() for line in (home / name).read_text().splitlines())
    return [(int(number), float(at)) for number, at in lines]


def report(home: Path) -> None:
    generated, come = read(home, "generated"), read(home, "come")
    paints = [at for _, at in read(home, "shown")]
    to_app, to_terminal, between = [], [], []
    for number, at in generated:
        batch = bisect_left(come, number, key=lambda entry: entry[0])
        paint = bisect_left(paints, come[batch][1]) if batch < len(come) else len(paints)
        if paint < len(paints):
            to_app.append(1000 * (come[batch][1] - at))
            to_terminal.append(1000 * (paints[paint] - at))
            between.append(to_terminal[-1] - to_app[-1])
    print(f"{len(to_terminal):,} tokens, {len(generated) / (generated[-1][1] - generated[0][1]):.0f} a second")
    for what, times in (
        ("until the app has it", to_app),
        ("from there to the terminal", between),
        ("all", to_terminal),
    ):
        tail = sorted(times)[int(0.95 * len(times))]
        print(f"{what:30} {statistics.median(times):6.1f} {tail:6.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--training", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        os.environ["GPT_TUI_HOME"] = str(home)
        ready(home)
        from engine.training import runs

        run = runs.start("tales", name="learner", minutes=10) if arguments.training else None
        driven = Driven(__file__, "--app", str(home))
        try:
            driven.wait(lambda: driven.terminal.says("writer"), 60)
            driven.rest(8.0)
            os.write(driven.fd, b"The hen ")
            driven.rest(1.0)
            share = write_on(driven, arguments.seconds)
        finally:
            driven.close()
            if run is not None:
                run.discard()
                while run.report().alive:
                    time.sleep(0.1)
        report(home)
        print(f"{share:.0%} of a core")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--generator"]:
        traced_generator(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--app"]:
        traced_app(Path(sys.argv[2]))
    else:
        main()
