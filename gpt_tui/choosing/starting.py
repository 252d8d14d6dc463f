"""Starting a training as the user wants it: what is asked on the way, and what the engine is told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from textual.app import App

from engine.store import models
from engine.store.models import ModelRecord
from engine.training.bases import SCRATCH
from gpt_tui.background import in_background
from gpt_tui.choosing import listing, planning


async def settled(app: App[Any], choices: planning.Choices) -> dict[str, Any] | None:
    """The options of `engine.training.runs.start`; a name that is taken is asked about. None when the user thinks
    better of it. Called in a worker. Raises `EngineError`."""
    options = planning.options(choices)
    name = choices.name.strip()
    if not await in_background(partial(planning.is_taken, name)):
        return options
    from gpt_tui.widgets.dialogs import Choose

    free = await in_background(partial(models.free_name, name))
    ways = [(free, f"Call it {free}"), (name, f"Replace {name}: the old one goes to the trash")]
    answer = await app.push_screen_wait(Choose(f"There is a model named {name} already", ways))
    if answer is None:
        return None
    return options | ({"replace": True} if answer == name else {"name": answer})


async def start(texts: tuple[str, ...], options: Mapping[str, Any]) -> str:
    """Begin the training in a process of its own; returns its name. Raises what `engine.training.runs.start` raises."""
    from engine.training import runs

    return (await in_background(lambda: runs.start(*texts, **options))).name


async def chosen_base(app: App[Any], bases: Mapping[str, ModelRecord], chosen: str) -> str | None:
    """What to go on from, out of a list, as `Choices.from_model` has it; None when the list is left. Called in a
    worker."""
    from gpt_tui.widgets.dialogs import Choose

    ways = [("", "what is expected to come out better"), (SCRATCH, "nothing")]
    options = [*ways, *((name, listing.described(record)) for name, record in bases.items())]
    return await app.push_screen_wait(Choose("Go on from", options, chosen=chosen))
