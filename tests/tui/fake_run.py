"""A training that a test plays: its ticket, its lock and its log, without a process."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from engine import locations
from engine.events import Eval as Evaluation
from engine.events import Event, Prepare, Sample, Start, Step, to_json
from engine.training.log import LOG
from engine.training.runs import Run
from engine.training.tickets import State, Ticket

MODEL = {"vocab_size": 400, "block_size": 64, "n_layer": 1, "n_head": 1, "n_embd": 32}
PARAMETERS = {
    "embedding": 12_800,
    "attention": 4096,
    "feed_forward": 9216,
    "norms": 96,
    "head": 12_800,
    "total": 39_008,
}


class FakeRun:
    """A run of that name, alive until it is told to `end` or to `die`."""

    def __init__(self, name: str) -> None:
        self.name, self.folder = name, locations.models_dir() / name
        self.ticket = Ticket.new({"texts": [], "options": {}, "named": True}, {"name": name, "message": "Starting"})
        self.run = Run(name, self.ticket)
        self.lock = self.ticket.lock()
        self.lock.acquire()
        self.status = self.ticket.status()
        self.step = 0

    def tell(self, **changes: Any) -> None:
        self.status |= changes
        self.ticket.tell(self.status)

    def prepare(self, stage: str, message: str, progress: float | None = None) -> None:
        self.tell(state=State.PREPARING, message=message)
        with self.ticket.early.open("a", encoding="utf-8") as early:
            early.write(to_json(Prepare(stage=stage, message=message, progress=progress)) + "\n")

    def log(self, *events: Event) -> None:
        path = self.folder / LOG
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write("".join(to_json(event) + "\n" for event in events))

    def start(self, minutes: float = 2.0, **plan: Any) -> None:
        self.log(
            Start(
                elapsed=2.0,
                name=self.name,
                path=str(self.folder),
                corpus={"name": "tales"},
                model=MODEL,
                train={"minutes": minutes, "batch_size": 8, "tokenizer": "bpe"},
                parameters=PARAMETERS,
                device="cpu",
                plan=plan,
            )
        )
        self.tell(state=State.TRAINING, message="", folder=str(self.folder))

    def learn(self, steps: int, *, of: int = 100) -> None:
        """Go on for so many steps, of a run of so many: the loss falls from 6 towards 2."""
        found: list[Event] = []
        for _ in range(steps):
            self.step += 1
            share = self.step / of
            found.append(
                Step(
                    elapsed=2.0 + self.step,
                    step=self.step,
                    tokens=512 * self.step,
                    loss=2.0 + 4.0 * math.exp(-4 * share),
                    lr=0.004,
                    grad_norm=0.8,
                    tokens_per_second=12_400.0,
                    memory=310_000_000,
                    eta=float(of - self.step),
                    progress=share,
                    epoch=share,
                )
            )
        self.log(*found)

    def evaluate(self, bits: float) -> None:
        self.log(
            Evaluation(
                elapsed=2.0 + self.step,
                step=self.step,
                tokens=512 * self.step,
                val_loss=2 * bits,
                perplexity=9.0,
                bits_per_byte=bits,
                train_loss=2.5,
                best=True,
            )
        )

    def write(self, text: str, prompt: str = "Once upon a time") -> None:
        self.log(Sample(elapsed=2.0 + self.step, step=self.step, prompt=prompt, text=text))

    def die(self) -> None:
        """Its process is gone without a word."""
        self.lock.release()

    def end(self, reason: str = "budget", **status: Any) -> None:
        self.tell(**{"state": State.ENDED, "reason": reason, "message": "", **status})
        self.lock.release()

    def save(self) -> None:
        """As if something were saved that one can go on from."""
        head = {"__metadata__": {"state": json.dumps({"finished": False})}}
        packed = json.dumps(head).encode()
        path: Path = self.folder / "run/state.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(len(packed).to_bytes(8, "little") + packed)
