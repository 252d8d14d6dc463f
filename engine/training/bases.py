"""Which model a training goes on from: one of the store, or the one that ships, which has read novels and tales."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from engine.errors import DamagedModelError
from engine.store import models

AUTO, SCRATCH = "auto", "scratch"
"""What `--from` is given to have it weighed, and to begin knowing nothing. A model of that name is given by its
folder."""


def likeliest() -> Path | None:
    """The model that has read most, of the store and the one that ships, and so is the likeliest to be worth going on
    from; None when there is none."""
    read = [
        (stored.record.summary.get("tokens") or 0, stored.folder)
        for stored in models.models()
        if stored.record is not None and stored.record.summary and not stored.running
    ]
    if (ours := models.shipped()) is not None:
        with contextlib.suppress(DamagedModelError):
            read.append((models.read_record(ours).summary.get("tokens") or 0, ours))
    return max(read)[1] if read else None


def left_open(*, preset: str, tokenizer: str | None, in_minutes: bool, model_settings: Collection[str]) -> bool:
    """Whether it is the plan's to choose between scratch and the model that ships: for a budget of minutes, where
    neither a shape nor tokens were asked for."""
    return preset == "auto" and tokenizer is None and in_minutes and set(model_settings) <= {"dropout"}
