"""Which model a training goes on from: one of the store, or one that ships: *english*, which has read novels and the
texts that ship, or, for one of those, *novels*, which has not."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

from engine.data.corpus import catalog
from engine.errors import DamagedModelError
from engine.store import models

AUTO, SCRATCH = "auto", "scratch"
"""What `--from` is given to have it weighed, and to begin knowing nothing. A model of that name is given by its
folder."""

ENGLISH = "english"
"""The model that ships for any text."""


def unasked(texts: Sequence[str]) -> Path | None:
    """The model that ships to weigh for these texts; None where it is missing."""
    known = {entry.name: entry.base for entry in catalog()}
    own = models.shipped(known.get(texts[0], "")) if len(texts) == 1 else None
    return own or models.shipped(ENGLISH)


def likeliest(texts: Sequence[str]) -> Path | None:
    """The model that has read most, of the store and the one that ships for these texts, and so is the likeliest to be
    worth going on from; None when there is none."""
    read = [
        (stored.record.summary.get("tokens") or 0, stored.folder)
        for stored in models.models()
        if stored.record is not None and stored.record.summary and not stored.running
    ]
    if (ours := unasked(texts)) is not None:
        with contextlib.suppress(DamagedModelError):
            read.append((models.read_record(ours).summary.get("tokens") or 0, ours))
    return max(read)[1] if read else None


def left_open(*, preset: str, tokenizer: str | None, in_minutes: bool, model_settings: Collection[str]) -> bool:
    """Whether it is the plan's to choose between scratch and a model that ships: for a budget of minutes, where
    neither a shape nor tokens were asked for."""
    return preset == "auto" and tokenizer is None and in_minutes and set(model_settings) <= {"dropout"}
