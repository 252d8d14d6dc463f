"""A home, a clock and a generator that are the same on every machine and on every day: what snapshots are taken of."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tomli_w
from fake_run import FakeRun
from scripted import ScriptedClient, ScriptedGenerator

from engine import locations
from engine.config import ModelConfig, TrainConfig, to_table
from engine.events import Alternative, End, Eval, Event, Sample, Start, Step, to_json
from engine.generation.messages import Loaded, Prediction, Tokenized
from engine.store import models
from engine.store.models import ModelRecord
from engine.training.log import LOG
from engine.training.planner import Plan
from gpt_tui import conversations, drafts
from gpt_tui.conversations import MODEL, YOU, Conversation

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
"""When it is."""

SHAPE = ModelConfig(vocab_size=2048, block_size=256, n_layer=4, n_head=2, n_embd=128, n_ff=384)
TRAIN = TrainConfig(minutes=2.0, learning_rate=0.006, matrix_learning_rate=0.02, warmup_steps=20, device="cpu")


class Clock:
    """The module `time`, standing still where it tells the time of day."""

    def time(self) -> float:
        return NOW.timestamp()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


# What was trained

PROMPT = "The old boat"
GROWN = (
    (0.02, "e tonag, ri the hen sthe wal\nandoo. Ther er, hit."),
    (0.12, " was the sea and the hen and the said. He was the door of it and they was the tree."),
    (0.4, " went to the harbour, and the boy said that it was a good wind. She looked at the water and the bread."),
    (0.7, " had a hole in it, so the fox put his tail there. “Row,” said the hen, and nobody asked her why."),
    (
        1.0,
        " lay on the stones behind the mill, and every spring the boy painted it blue. “It will never float,” said "
        "his sister.\n\n“It does not have to,” said the boy. “The hens like it.” And so they did: there were "
        "eleven of them in it when the rain came.",
    ),
)
"""What a model wrote at each share of its training."""


def learned(name: str, *, steps: int, seconds: float, first: float, best: float) -> list[Event]:
    """The events of a training whose quality falls from `first` to `best` bits per byte. Its numbers are quotients:
    they are the same in all arithmetic."""
    record: dict[str, Any] = {"corpus": {"name": "tales"}, "model": to_table(SHAPE), "train": to_table(TRAIN)}
    found: list[Event] = [
        Start(
            elapsed=3.0,
            name=name,
            path=name,
            parameters=SHAPE.parameter_counts(),
            device="cpu",
            plan={"bits_per_byte": best + 0.06},
            **record,
        )
    ]

    def bits(share: float) -> float:
        return best + (first - best) * (1 - share) / (1 + 12 * share)

    samples = {max(1, round(share * steps)): text for share, text in GROWN}
    for step in range(1, steps + 1):
        share, noise = step / steps, (step * 7919 % 101 - 50) / 50
        at = 3.0 + (seconds - 5.0) * share
        found.append(
            Step(
                elapsed=at,
                step=step,
                tokens=2048 * step,
                loss=2.4 * bits(share) - 0.1 + 0.25 * noise,
                lr=0.006 * (1 - share),
                grad_norm=0.8 + 0.1 * noise,
                tokens_per_second=19_400.0,
                memory=310_000_000,
                eta=(seconds - 5.0) * (1 - share),
                progress=share,
                epoch=7.5 * share,
            )
        )
        if step % (steps // 12) == 0 or step == steps:
            found.append(
                Eval(
                    elapsed=at,
                    step=step,
                    tokens=2048 * step,
                    val_loss=2.4 * bits(share),
                    perplexity=30.0,
                    bits_per_byte=bits(share),
                    train_loss=2.4 * bits(share) - 0.1,
                    best=True,
                )
            )
        if step in samples:
            found.append(Sample(elapsed=at, step=step, prompt=PROMPT, text=samples[step]))
    return found


def model(
    name: str,
    corpus: str,
    *,
    ago: timedelta,
    steps: int = 1080,
    minutes: float = 2.0,
    first: float = 4.1,
    best: float = 1.46,
    texts: tuple[str, ...] = (),
    n_bytes: int = 1_220_556,
) -> Path:
    """A model in the store, trained so long ago. Of its weights there are as many bytes as there would be."""
    folder, seconds = locations.models_dir() / name, 60 * minutes - 0.3
    events = learned(name, steps=steps, seconds=seconds, first=first, best=best)
    events.append(
        End(
            elapsed=seconds,
            reason="budget",
            name=name,
            path=name,
            step=steps,
            tokens=2048 * steps,
            val_loss=2.4 * best,
            perplexity=30.0,
            bits_per_byte=best,
            best_step=steps,
            seconds=seconds,
        )
    )
    log = folder / LOG
    log.parent.mkdir(parents=True)
    log.write_bytes("".join(to_json(event) + "\n" for event in events).encode())
    then = (NOW - ago).timestamp()
    os.utime(log, (then, then))
    learned_in: dict[str, Any] = {
        "steps": steps,
        "tokens": 2048 * steps,
        "seconds": seconds,
        "epochs": 7.5,
        "best_step": steps,
    }
    learned_in |= {"bits_per_byte": best, "val_loss": 2.4 * best, "device": "cpu", "sample": GROWN[-1][1]}
    record(folder, corpus, ago=ago, minutes=minutes, texts=texts, n_bytes=n_bytes, summary=learned_in)
    with (folder / "weights.safetensors").open("wb") as weights:
        weights.truncate(4 * SHAPE.parameter_counts()["total"])
    return folder


def record(
    folder: Path,
    corpus: str,
    *,
    ago: timedelta,
    minutes: float,
    texts: tuple[str, ...] = (),
    n_bytes: int = 1_220_556,
    summary: dict[str, Any] | None = None,
) -> None:
    """What is written of a model."""
    created = (NOW - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = {"name": corpus, "sources": list(texts or (corpus,)), "checksum": corpus, "bytes": n_bytes, "documents": 673}
    train = replace(TRAIN, minutes=minutes)
    models.write_record(folder, ModelRecord(folder.name, created, models.FORMAT, text, summary or {}, SHAPE, train))


def library() -> None:
    """Four models."""
    model("tales", "tales", ago=timedelta(hours=3))
    model("dialogues", "dialogues", ago=timedelta(days=1, hours=4), minutes=5.0, first=3.8, best=1.71, n_bytes=402_118)
    gone = ("/home/anna/lamplight.txt",)
    model("lamplight", "lamplight", ago=timedelta(days=4), best=1.93, texts=gone, n_bytes=96_400)
    model("lamplight-first", "lamplight", ago=timedelta(days=170), first=4.6, best=2.38, texts=gone, n_bytes=41_200)


def training() -> FakeRun:
    """A training that goes on; its `lock` is to be released."""
    run = FakeRun("island")
    events = learned("island", steps=600, seconds=300.0, first=4.0, best=1.8)
    shown = [event for event in events if event.elapsed < 130.0]
    run.log(*shown)
    record(run.folder, "tales", ago=timedelta(minutes=2), minutes=5.0)
    run.tell(state="training", message="", folder=str(run.folder))
    return run


# What comes with the app

DIALOGUES = (
    "Wren: Why does the fog come in the morning?\nBram: Because the water is colder than the air. It is in the log.\n"
    "Wren: And why is it in the log?\nBram: So that somebody knows.\n",
    "Gus: Fresh herring! For you, half the price!\nFelix: I want the other half as well.\nGus: And what do you pay?\n"
    "Felix: I let you look at me.\n",
    "Pip: There is a chance of rain of forty per cent.\nTomas: Then take a roll. They are still warm.\n"
    "Pip: Does that help against rain?\nTomas: It helps against most things.\n",
)


CATALOGUE: dict[str, dict[str, Any]] = {
    "tales": {
        "title": "Tales",
        "description": "Short tales in simple words.",
        "words": 245_000,
        "advice": "The best one to begin with.",
    },
    "dialogues": {
        "title": "Dialogues",
        "description": "Conversations between the people of a small harbour town, a line for each turn.",
        "words": 76_000,
        "advice": "Made for chatting: the model learns to answer a line with a line. Train for five minutes or more.",
        "voices": {
            "Bram": "the lighthouse keeper: slow and dry; it is all in his log",
            "Wren": "a girl of nine: asks why, and why again",
            "Tomas": "the baker: up since three, and warm",
            "Pip": "the nervous robot: worries about rain, in percentages",
        },
    },
    "letters": {
        "title": "Letters",
        "description": "Thirty years of letters.",
        "words": 19_200,
        "advice": "One voice, and not much of it.",
    },
}


def catalogue(folder: Path) -> None:
    """Texts as they might come with the app, in that folder."""
    folder.mkdir(parents=True)
    whole = {
        "tales": ("A small brown hen lived behind the mill. Every day she laid one egg, and hid it.\n",) * 300,
        "dialogues": DIALOGUES * 80,
        "letters": ("Dear Dora,\n\nThe clock in the tower strikes again.\n",) * 200,
    }
    rest = {"separator": "\n\n\n", "licence": "CC0-1.0", "prompts": []}
    for name, texts in whole.items():
        (folder / f"{name}.txt").write_bytes("\n\n\n".join(texts).encode())
    tables = {name: {"file": f"{name}.txt", **rest, **table} for name, table in CATALOGUE.items()}
    (folder / "catalog.toml").write_bytes(tomli_w.dumps(tables).encode())


def own_texts(folder: Path) -> None:
    """A folder in which the app is started."""
    (folder / "notebooks").mkdir(parents=True)
    for name in ("chapters.md", "lamplight.txt", "letters to Dora.txt", "cover.png"):
        (folder / name).write_bytes(b"It was late, and the lamp was low.\n" * 60)


PLAN = Plan(
    model=SHAPE, train=TRAIN, tokens_per_second=19_400.0, steps=1100, tokens=2_252_800, epochs=7.5, bits_per_byte=1.7,
    seconds=118.0,
)  # fmt: skip

# What was written

BEFORE = """\
The lamp in the harbour was lit at six, as it had been for as long as anybody could remember, and Anna set her own in \
the window to answer it. It was a small lamp, and the sea was large. Still, one does what one can.

Her brother had gone out before noon, and the wind had turned since then. """
MODELS = "The boats came in one by one, and she counted the lanterns: four, five, and after a long while the sixth. "
EDITED = "His was the seventh, and it was blue."
AFTER = """

She put the bread on the table. “You are late,” she would say, and he would say that the fish had been late too, and \
so it had been every evening since they were children"""


def draft() -> drafts.Draft:
    """A draft of which a model wrote some words, and the writer changed some of those."""
    found = drafts.new("tales", text=BEFORE + MODELS + EDITED + AFTER)
    found.name = "Lamplight, chapter one"
    first, second = len(BEFORE), len(BEFORE) + len(MODELS)
    found.spans = [(first, second, "model"), (second, second + len(EDITED), "edited")]
    found.cursor = len(found.text)
    drafts.save(found)
    return found


def conversation(you: str, them: str, *said: str, ago: timedelta, again: str = "") -> Conversation:
    """A conversation, in turns; `again`: another answer in the place of the second turn, before the one that is
    shown."""
    moment = (NOW - ago).isoformat(timespec="milliseconds")
    talk = Conversation("dialogues", you, them, style={"mark": ": ", "gap": "\n"}, id=them.lower())
    for number, text in enumerate(said):
        turn = talk.say(MODEL if number % 2 else YOU, text)
        if number == 1 and again:
            talk.beside(turn, again)
            talk.choose(turn)
    talk.created = talk.changed = moment
    conversations.save(talk)
    return talk


def talks() -> None:
    """Three conversations; the first one is the latest."""
    conversation(
        "Wren",
        "Bram",
        "Why does the sea go away every day?",
        "It goes to Denmark and comes back. Twice a day, and never late. It is all in the log.",
        "And why does it come back?",
        "Because nobody there gives it bread. I have watched it for thirty years, and it is always hungry when it "
        "comes.",
        "Can I see the log?",
        "You may read it on Sunday, with clean hands. It begins with a storm.",
        ago=timedelta(minutes=20),
        again="It does not go away. It only looks elsewhere.",
    )
    conversation("Wren", "Pip", "Will it rain?", "Forty per cent. I have oiled my knees.", ago=timedelta(hours=5))
    conversation("Gus", "Tomas", "Have you slept?", "Since nine. The bread has not.", ago=timedelta(days=2))


# What writes

NEXT = (" and", " too", ".", " again", " still", " —", " now", " once")
SUGGESTED = " and ate at this same table, under this same lamp."


class StagedClient(ScriptedClient):
    """It sees so many words, and always goes on in the same way."""

    SEES = 64

    def __init__(self) -> None:
        super().__init__()
        words = [f" {word}" for word in f"{SUGGESTED} Tonight".split()]
        self.script: Callable[[int, int], str] = lambda seed, number: words[number % len(words)]

    async def tokenize(self, text: str) -> Tokenized:
        texts = [f"{word} " for word in text.split(" ")]
        texts[-1] = texts[-1][:-1]
        first = max(0, len(texts) - self.SEES)
        begins = sum(map(len, texts[:first]))
        return Tokenized(list(range(len(texts))), texts, [], first, begins, len(texts) - first, self.SEES)

    async def predict(self, text: str, *, top: int = 20, **settings: Any) -> Prediction:
        before = [Alternative(number, word, 0.4 / 2**number) for number, word in enumerate(NEXT)]
        after = [Alternative(number, word, 0.5 / 2**number) for number, word in enumerate(NEXT[:6])]
        return Prediction(before, after, 50)


class StagedGenerator(ScriptedGenerator):
    """What brings it."""

    def __init__(self) -> None:
        super().__init__()
        self.client: StagedClient = StagedClient()

    async def ready(self, model: str, checkpoint: str = "best", **_: Any) -> StagedClient:
        self.client.model = Loaded(model, "", checkpoint, "cpu", "bpe", 1, {"block_size": self.client.SEES}, 4000)
        return self.client
