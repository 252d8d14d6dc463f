"""Make of a trained model one that ships, from which new trainings go on (`engine/base`): *novels*, and *english*, which
has read on, in the texts that ship as well.

    gpt-tui train BOOKS --name novels --minutes 50 --vocab-size 4096 --set n_embd=192 --set n_layer=6 --set n_head=3 --set n_ff=512
    python tests/benchmarks/base.py ship novels --of novels [--books BOOKS.tsv]
    python tests/benchmarks/base.py texts FOLDER          # the texts that ship, the held-out tenths left out, twelve times
    gpt-tui train FOLDER BOOKS --from novels --name english --minutes 52 --set learning_rate=0.001 --set matrix_learning_rate=0.004
        --set momentum=0.95 --set batch_size=8 --set warmup_steps=100 --set patience=0 --set seed=2
    python tests/benchmarks/base.py ship english --of "novels and tales"

Whoever raises the rates to those of the first training, for the second, loses what that had learned: of novels it stood
at 1.66 bits per byte after half of 75 minutes where it began at 1.52, and with these rates it ended at 1.48.

The weights are stored in bfloat16: half the bytes, and no difference that a training would notice. BOOKS.tsv, a line
for each book with file, title, author and year in front, is the list that is kept beside them, of those that were read.
How much a text gains is told by `python tests/benchmarks/train.py TEXT --option=--from=english`.
"""  # noqa: E501

from __future__ import annotations

import argparse
import random
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from engine import locations
from engine.config import TrainConfig
from engine.data.corpus import open_corpus
from engine.store import checkpoint as store
from engine.store import models

KEPT = ("steps", "tokens", "seconds", "epochs", "bits_per_byte", "val_loss", "perplexity", "parameters", "device")
BOOKS = "books.tsv"
OURS = ("tales", "dialogues", "letters")
COPIES = 12
"""So many passes over the texts that ship are mixed with one over the books."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    texts = commands.add_parser("texts", help="write the texts that ship, as a training reads them, a file a document")
    texts.add_argument("folder", type=Path)
    texts.set_defaults(run=lambda given: write_texts(given.folder))
    ship = commands.add_parser("ship", help="put a model where those that ship lie, under its own name")
    ship.add_argument("model")
    ship.add_argument("--of", required=True, help="what it has read, in a few words")
    ship.add_argument("--books", type=Path, help="the list of the books, as tab-separated values")
    ship.set_defaults(run=lambda given: ship_model(given.model, given.of, given.books))
    arguments = parser.parse_args()
    arguments.run(arguments)


def write_texts(folder: Path) -> None:
    """The training part of the texts that ship, each time in another order; a model that read it has not seen what a
    training on one of them is measured by."""
    documents = [document for name in OURS for document in training_part(name)]
    for copy in range(COPIES):
        random.Random(copy).shuffle(documents)
        place = folder / f"{copy + 1:02}"
        place.mkdir(parents=True)
        for number, document in enumerate(documents):
            (place / f"{number:05}.txt").write_text(document, "utf-8")


def training_part(name: str) -> list[str]:
    """The documents of a corpus without its held-out text."""
    before, _ = open_corpus([name]).split(TrainConfig().holdout)
    documents: list[str] = []
    for piece in before():
        if piece.starts_document:
            documents.append("")
        documents[-1] += piece.text
    return documents


def ship_model(model: str, of: str, books: Path | None) -> None:
    """Store a model's weights, tokenizer and record, and the list of what it read."""
    source = models.find(model)
    folder = locations.base_dir() / source.name
    record, weights = models.read_record(source), store.weights_of(store.load_model(source))
    folder.mkdir(parents=True, exist_ok=True)
    store.save_tensors(folder / store.WEIGHTS, {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()})
    (folder / store.WEIGHTS).chmod(0o644)
    shutil.copyfile(source / store.TOKENIZER, folder / store.TOKENIZER)
    corpus = {key: record.corpus[key] for key in ("bytes", "characters", "documents")}
    summary = {key: record.summary[key] for key in KEPT}
    shipped = replace(record, name=folder.name, corpus={"name": of, **corpus}, summary=summary)
    models.write_record(folder, shipped)
    if books:
        read = {Path(file).name for text in record.corpus["sources"] for file in Path(text).rglob("*.txt")}
        rows = [line.split("\t")[:4] for line in books.read_text("utf-8").splitlines()]
        listed = ["\t".join(row[1:]) for row in rows[:1] + [row for row in rows if row[0] in read]]
        (folder / BOOKS).write_text("\n".join([*listed, ""]), "utf-8")
    print(f"{folder}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
