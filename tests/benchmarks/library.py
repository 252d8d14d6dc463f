"""How long a library takes to open: from the app's start to its first screenful, whole with numbers and curves, and
until every model is read.

    python tests/benchmarks/library.py [--models 10 1000] [--rounds 5]

The models are synthetic: a `model.toml` and a log of 400 steps each. The app runs without a terminal, 120 columns by 40
rows, in this process, imports done; a library of each size takes turns. The table gives the medians and the ranges.
Nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from pathlib import Path

from engine.config import ModelConfig, TrainConfig
from engine.events import Eval, Step, to_json
from engine.store.models import FORMAT, ModelRecord, write_record
from gpt_tui.app import GptTui
from gpt_tui.widgets.model_list import ModelList


def fill(home: Path, number: int) -> None:
    """So many models in a home."""
    lines = []
    for step in range(400):
        shared = {"elapsed": step * 0.3, "step": step, "tokens": step * 4096}
        numbers = {
            "lr": 0.01,
            "grad_norm": 0.4,
            "tokens_per_second": 14_000.0,
            "memory": 500_000_000,
            "epoch": step / 90,
        }
        loss = 3 + 4 / (step + 1)
        lines.append(to_json(Step(**shared, **numbers, loss=loss, eta=120 - step * 0.3, progress=step / 400)))
        if step % 20 == 0:
            held = {"val_loss": loss, "perplexity": 20.0, "bits_per_byte": loss / 2, "train_loss": loss}
            lines.append(to_json(Eval(**shared, **held, best=True)))
    log = "".join(line + "\n" for line in lines)
    for place in range(number):
        folder = home / "models" / f"model-{place:05}"
        (folder / "run").mkdir(parents=True)
        (folder / "run/events.jsonl").write_text(log, encoding="utf-8")
        record = ModelRecord(
            name=folder.name,
            created=f"2026-{1 + place % 12:02}-{1 + place % 28:02}T12:00:00Z",
            format=FORMAT,
            corpus={"name": "tales", "bytes": 1_220_556, "characters": 1_220_556, "documents": 673},
            summary={"steps": 400, "bits_per_byte": 1.5, "seconds": 120.0, "epochs": 4.5, "device": "cpu"},
            model=ModelConfig(vocab_size=2048, n_layer=4, n_embd=128),
            train=TrainConfig(minutes=2.0),
        )
        write_record(folder, record)


async def open_once() -> tuple[float, float]:
    """Seconds until the first screenful is whole, and until all is read."""
    gc.collect()  # a new process has nothing of the rounds before
    gc.disable()  # as `gpt_tui.app.run` does until the app stands
    begun = time.perf_counter()
    whole = None
    app = GptTui()
    async with app.run_test(size=(120, 40)) as pilot:
        while True:
            models = app.screen.query_one(ModelList)
            seen = models.shown[: models.size.height]
            drawn = seen and all(item.read and models.has_curve(item) for item in seen)
            if whole is None and drawn:
                await pilot.pause(0)
                whole = time.perf_counter() - begun
            if whole is not None and all(item.read for item in models.items):
                return whole, time.perf_counter() - begun
            await asyncio.sleep(0.002)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found: dict[int, list[tuple[float, float]]] = {number: [] for number in options.models}
    with tempfile.TemporaryDirectory() as folder:
        for number in options.models:
            fill(Path(folder) / str(number), number)
        for turn in range(options.rounds + 1):
            for number in options.models:
                os.environ["GPT_TUI_HOME"] = str(Path(folder) / str(number))
                took = asyncio.run(open_once())
                if turn:  # the first turn imports what is imported late
                    found[number].append(took)
    print("models   first screenful       all read")
    for number, times in found.items():
        cells = []
        for column in zip(*times, strict=True):
            middle, least, most = statistics.median(column), min(column), max(column)
            cells.append(f"{1000 * middle:5.0f} ms ({1000 * least:.0f} to {1000 * most:.0f})")
        print(f"{number:6,}   {'   '.join(cells)}")


if __name__ == "__main__":
    main()
