"""What can be done with the chosen model: write, talk, train on, rename, duplicate, delete, bring back, export.

The library screen inherits it; what takes time runs in threads, and what fails is said in one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work

from engine.errors import ConfigError, EngineError, ModelNotFoundError
from engine.training.tickets import State
from gpt_tui import navigation, shelf
from gpt_tui.late import Late
from gpt_tui.screens.base import Place
from gpt_tui.shelf import Item, Shelf
from gpt_tui.terminal import visible

if TYPE_CHECKING:
    from engine.store import models
    from engine.training import runs
    from gpt_tui.app import Services
    from gpt_tui.widgets import dialogs
else:  # not before they are used
    models, runs = Late("engine.store.models"), Late("engine.training.runs")
    dialogs = Late("gpt_tui.widgets.dialogs")


class ModelActions(Place):
    """A place with a chosen model. A subclass says which (`item`), and looks anew when asked to (`refresh_soon`)."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.shelf = Shelf()
        self._deleted: list[str] = []
        """What was deleted here and can be brought back, the last one last."""

    @property
    def item(self) -> Item | None:
        """What is under the cursor."""
        raise NotImplementedError

    def refresh_soon(self, choose: str | None = None) -> None:
        """Look anew at what there is, and put the cursor on the model of that name once it is there."""
        raise NotImplementedError

    def working(self, words: str = "") -> None:
        """Say what is being done that takes a while; without words: nothing any more."""
        raise NotImplementedError

    # Elsewhere

    def action_enter(self) -> None:
        """What one most likely wants with it: to write, to watch, or to go on."""
        item = self.item
        if item is None:
            return
        if item.run is not None and item.run.alive:
            self.action_watch()
        elif item.run is not None:
            self._offer_to_go_on(item)
        else:
            self.action_compose()

    def action_compose(self) -> None:
        if (name := self._writer()) is not None:
            self.post_message(navigation.OpenCompose(model=name))

    def action_chat(self) -> None:
        if (name := self._writer()) is not None:
            self.post_message(navigation.OpenChat(model=name))

    def action_watch(self) -> None:
        if self.item is not None:
            self.post_message(navigation.OpenTraining(self.item.name))

    def action_new(self) -> None:
        self.post_message(navigation.OpenCorpora())

    def _writer(self) -> str | None:
        """The chosen model, if there are weights to write with; else it is said why not."""
        item = self.item
        if item is None:
            return None
        if item.problem:
            self._complain(f"{item.name} is damaged and cannot write: {item.problem}")
        elif not shelf.has_weights(item.folder):
            soon = item.run is not None and item.run.alive
            wait = "it has learned nothing yet. In a moment it will." if soon else "it has no weights."
            self._complain(f"{item.name} cannot write: {wait}", severity="warning" if soon else "error")
        else:
            return item.name
        return None

    # Training

    @work
    async def action_further(self) -> None:
        """Go on with its training, or train it on another text."""
        item = self._healthy()
        if item is None:
            return
        if item.run is not None and item.run.alive:
            self.action_watch()
            return
        options = [("other", "Train it on another text: it keeps what it knows, and learns that too")]
        source = _source(item)
        if source is not None:
            options.insert(0, ("same", f"Train it longer on {item.corpus or 'the same text'}"))
        if await asyncio.to_thread(runs.is_resumable, item.folder):
            options.insert(0, ("resume", "Go on where its training was stopped"))
        chosen = await self.app.push_screen_wait(dialogs.Choose(f"Train {item.name} further", options))
        if chosen == "resume":
            await self._resume(item.name)
        elif chosen == "same":
            self.post_message(navigation.OpenCorpora(source, from_model=item.name))
        elif chosen == "other":
            self.post_message(navigation.OpenCorpora(from_model=item.name))

    @work
    async def _offer_to_go_on(self, item: Item) -> None:
        """A training was broken off or failed: what now?"""
        assert item.run is not None
        options = [("resume", "Go on from what was saved last")] if item.run.resumable else []
        if shelf.has_weights(item.folder):
            options.append(("write", "Write with what it has learned so far"))
        options += [("look", "Look at how far it came"), ("dismiss", "Dismiss this notice")]
        how = "was broken off" if item.run.state == State.DIED else "failed"
        title = f"The training of {item.name} {how}"
        chosen = await self.app.push_screen_wait(dialogs.Choose(title, options))
        if chosen == "resume":
            await self._resume(item.name)
        elif chosen == "look":
            self.post_message(navigation.OpenTraining(item.name))
        elif chosen == "write":
            self.post_message(navigation.OpenCompose(model=item.name))
        elif chosen == "dismiss":
            await self._dismiss(item)

    async def _resume(self, name: str) -> None:
        if await self._try(runs.resume_run, name) is not None:
            self.post_message(navigation.OpenTraining(name))

    async def _dismiss(self, item: Item) -> None:
        assert item.run is not None
        await asyncio.to_thread(item.run.run.forget)
        self.refresh_soon(item.name)

    # The folder

    @work
    async def action_rename(self) -> None:
        item = self._healthy("renamed")
        if item is None:
            return
        question = dialogs.Ask(
            f"A new name for {item.name}",
            item.name,
            title="Rename",
            check=lambda new: None if new == item.name else _wrong_name(new, item.folder),
        )
        new = await self.app.push_screen_wait(question)
        if new is None or new == item.name:
            return
        if (folder := await self._changing(item.name, models.rename, item.name, new)) is not None:
            self.notify(visible(f"{item.name} is {folder.name} now."), markup=False)
            self.refresh_soon(folder.name)

    @work
    async def action_duplicate(self) -> None:
        item = self._healthy("duplicated")
        if item is None:
            return
        free = await asyncio.to_thread(models.free_name, item.name)
        question = dialogs.Ask(f"A name for the copy of {item.name}", free, title="Duplicate", check=_wrong_name)
        new = await self.app.push_screen_wait(question)
        if new is None:
            return
        self.working(f"copying {item.name} …")
        folder = await self._changing(item.name, models.duplicate, item.name, new)
        self.working()
        if folder is not None:
            self.notify(visible(f"{folder.name} is a copy of {item.name}."), markup=False)
            self.refresh_soon(folder.name)

    @work
    async def action_delete(self) -> None:
        """To the trash; of a training that came to nothing, the notice alone."""
        item = self.item
        if item is None:
            return
        if item.run is not None and item.run.alive:
            self._complain(f"{item.name} is being trained: w shows its training, where it can be stopped.", "warning")
        elif item.run is not None:
            await self._dismiss(item)
        elif await self._changing(item.name, models.delete, item.name) is not None:
            self._deleted.append(item.name)
            self.notify(visible(f"{item.name} is in the trash. u brings it back."), markup=False, timeout=8)
            self.refresh_bindings()
            self.refresh_soon()

    @work
    async def action_undo(self) -> None:
        """Bring back what was deleted last; in a new session ask what of the trash."""
        if self._deleted:
            name: str | None = self._deleted.pop()
        else:
            there = await asyncio.to_thread(shelf.trashed)
            if not there:
                self.notify("Nothing is in the trash.")
                return
            name = await self.app.push_screen_wait(
                dialogs.Choose("Bring back from the trash", [(one, visible(one)) for one in there])
            )
        if name is not None and await self._try(models.restore, name) is not None:
            self.notify(visible(f"{name} is back."), markup=False)
            self.refresh_soon(name)

    @work
    async def action_export(self) -> None:
        """Take it to other programs."""
        item = self._healthy("exported")
        if item is None or self._writer() is None:
            return
        from engine import locations
        from gpt_tui import model_export
        from gpt_tui.exporting import shown
        from gpt_tui.widgets.export_dialog import ExportDialog

        known = self.services.settings.app_exports or str(self.services.state.memory.get("exports.folder") or "")
        choice = await self.app.push_screen_wait(
            ExportDialog(
                item.name,
                shown(Path(known) if known else locations.exports_dir()),
                model_export.formats(),
                title=f"Export {item.name}",
                goes_to=model_export.goes_to,
            )
        )
        if choice is None:
            return
        path = model_export.destination(choice)
        self.working(f"exporting {item.name} …")
        try:
            await model_export.export(item.name, choice.format, path)
        except EngineError as error:
            self._complain(str(error), title="Not exported")
        else:
            self.notify(visible(shown(path)), title="Exported", markup=False, timeout=10)
        finally:
            self.working()

    # What they have in common

    def _healthy(self, what: str = "") -> Item | None:
        """The chosen model, if it is no damaged one and not only a training's remains; else it is said why not.

        `what`: what cannot be done to a model while it is trained."""
        item = self.item
        if item is None:
            return None
        if item.problem:
            self._complain(f"{item.name} is damaged: {item.problem} x moves it to the trash.")
        elif item.record is None and item.read:
            self._complain(f"{item.name} has not begun to learn yet.", "warning")
        elif what and item.run is not None and item.run.alive:
            self._complain(f"{item.name} is being trained and cannot be {what} until that is over.", "warning")
        else:
            return item
        return None

    async def _changing(self, name: str, do: Callable[..., Path], *arguments: str) -> Path | None:
        """Do something to a model's folder in a thread: its lock, which that takes, is no training's."""
        self.shelf.busy.add(name)
        try:
            folder: Path | None = await self._try(do, *arguments)
            return folder
        finally:
            self.shelf.busy.discard(name)

    async def _try(self, do: Callable[..., Any], *arguments: str) -> Any:
        """What it returns, from a thread; None when it is refused, and then it is said why."""
        try:
            return await asyncio.to_thread(do, *arguments)
        except EngineError as error:
            self._complain(str(error))
            self.refresh_soon()
            return None

    def _complain(self, message: str, severity: Any = "error", title: str = "") -> None:
        self.notify(visible(" ".join(message.split())), title=title, severity=severity, markup=False, timeout=8)


def _wrong_name(new: str, own: Path | None = None) -> str | None:
    """What is wrong with a name for a model; `own`: the folder of the model that is to be called so."""
    try:
        name = models.check_name(new)
        folder = models.find(name)
    except ModelNotFoundError:
        return None
    except ConfigError as error:
        words = str(error).partition(": ")[2].rpartition(", so not ")[0]
        return f"{words[:1].upper()}{words[1:]}."
    if own is not None and folder.samefile(own):
        return None
    return f"A model is called {name} already."


def _source(item: Item) -> str | None:
    """The one text that it learned from, as the catalogue or the disk has it; None where it cannot be read again."""
    sources = item.record.corpus.get("sources") if item.record is not None else None
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], str) or sources[0] == "-":
        return None
    return sources[0]
