"""Make of a trained model the one that ships, from which new trainings go on (`engine/base/english`).

    gpt-tui train BOOKS --name english --minutes 50 --vocab-size 4096 --set n_embd=192 --set n_layer=6 --set n_head=3 --set n_ff=512
    python tests/benchmarks/base.py english [--books BOOKS.tsv]

The weights are stored in bfloat16: half the bytes, and no difference that a training would notice. BOOKS.tsv, a line
for each book with file, title, author and year in front, is the list that is kept beside them, of those that were read.
How much a text gains is told by `python tests/benchmarks/train.py TEXT --option=--from=english`.
"""  # noqa: E501

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from engine import locations
from engine.store import checkpoint as store
from engine.store import models

KEPT = ("steps", "tokens", "seconds", "epochs", "bits_per_byte", "val_loss", "perplexity", "parameters", "device")
BOOKS = "books.tsv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--books", type=Path, help="the list of the books, as tab-separated values")
    arguments = parser.parse_args()
    source, folder = models.find(arguments.model), locations.base_dir()
    record, weights = models.read_record(source), store.weights_of(store.load_model(source))
    folder.mkdir(parents=True, exist_ok=True)
    store.save_tensors(folder / store.WEIGHTS, {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()})
    (folder / store.WEIGHTS).chmod(0o644)
    shutil.copyfile(source / store.TOKENIZER, folder / store.TOKENIZER)
    corpus = {key: record.corpus[key] for key in ("bytes", "characters", "documents")}
    summary = {key: record.summary[key] for key in KEPT}
    models.write_record(folder, replace(record, name=folder.name, corpus={"name": "novels", **corpus}, summary=summary))
    if arguments.books:
        read = {Path(file).name for text in record.corpus["sources"] for file in Path(text).rglob("*.txt")}
        lines = arguments.books.read_text("utf-8").splitlines()
        rows = [line.split("\t")[:4] for line in lines]
        listed = ["\t".join(row[1:]) for row in rows[:1] + [row for row in rows if row[0] in read]]
        (folder / BOOKS).write_text("\n".join([*listed, ""]), "utf-8")
    print(f"{folder}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
