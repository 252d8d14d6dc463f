"""Compose, the tools beside writing: find and replace, the model that is written with, `$EDITOR`, exports, the menu."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from textual import on, work
from textual.app import SuspendNotSupported
from textual.content import Content

from engine.errors import EngineError
from gpt_tui import drafts, navigation
from gpt_tui.drafting.composing import placed
from gpt_tui.screens.compose_drafts import LAST_MODEL
from gpt_tui.screens.compose_house import KeepsHouse
from gpt_tui.terminal import visible
from gpt_tui.widgets.dialogs import Choose
from gpt_tui.widgets.find_bar import FindBar

NO_MODEL = "No model to write with yet: F3 trains one on your own text, in two minutes."

_NARROWEST, _WIDEST, _BY = 20, 200, 4


class HasTools(KeepsHouse):
    """What one reaches for now and then."""

    # Find and replace

    def action_find(self) -> None:
        chosen = self.editor.selected_text
        self.find_bar.open(chosen if chosen and "\n" not in chosen and len(chosen) < 200 else "")

    @on(FindBar.Wanted)
    def _find_wanted(self, event: FindBar.Wanted) -> None:
        event.stop()
        if not event.query:
            self.editor.end_find()
            self.find_bar.tell(0, 0)
            return
        try:
            self.editor.find(event.query, regex=event.regex, case=event.case, words=event.words)
        except ValueError as error:  # of which re.error is one
            self.find_bar.tell(0, 0, f"no expression: {str(error)[:30]}")
            return
        self._tell_matches()

    def _tell_matches(self) -> None:
        self.find_bar.tell(self.editor.match_index or 0, len(self.editor.matches))

    @on(FindBar.Step)
    def _find_step(self, event: FindBar.Step) -> None:
        event.stop()
        if event.by > 0:
            self.editor.find_next()
        else:
            self.editor.find_previous()
        self._tell_matches()

    @on(FindBar.Replace)
    def _replace(self, event: FindBar.Replace) -> None:
        event.stop()
        if self.draft_is_read_only:
            self.tell("This draft may only be read here")
        elif event.every:
            count = self.editor.replace_all(event.text)
            self.tell(f"{count:,} replaced · Ctrl+Z brings them back" if count else "Nothing to replace")
        elif self.editor.matches:
            self.editor.replace_match(event.text)
        self._tell_matches()

    @on(FindBar.Left)
    def _find_left(self, event: FindBar.Left) -> None:
        event.stop()
        self.find_bar.close()
        self.editor.end_find()
        self.editor.focus()

    # The model

    def say_no_model(self) -> None:
        if self.draft.model and self.models:
            name = visible(Path(self.draft.model).name)
            self.notice.say(
                f"The model {name} is not here any more. Your text is safe: F10 M chooses another.", wrong=True
            )
        elif not self.models:
            self.notice.say(NO_MODEL)
        else:
            self.notice.say("No model is chosen for this draft: F10 M chooses one.")

    @work(group="model", exclusive=True)
    async def action_model(self) -> None:
        """Choose another model, or an earlier moment of one. The text stays."""
        await self.find_models()
        if not self.models:
            self.say_no_model()
            return
        options = [
            (f"{name}\n{checkpoint}", _shown(name, checkpoint))
            for name, checkpoints in self.models.items()
            for checkpoint in checkpoints
        ]
        here = f"{self.draft.model}\n{self.draft.checkpoint}"
        answer = await self.app.push_screen_wait(Choose("Write with", options, chosen=here))
        if answer is not None:
            name, _, checkpoint = answer.partition("\n")
            self.use_model(name, checkpoint)

    def use_model(self, name: str, checkpoint: str = "best") -> None:
        if self.desk is None:
            return
        if (name, checkpoint) == (self.draft.model, self.draft.checkpoint):
            self._read_anew(name, checkpoint)
            return
        self.stop_writing()
        self.editor.dismiss()
        self.desk.note(model=name, checkpoint=checkpoint)
        self.services.state.remember(LAST_MODEL, name)
        self.notice.clear()
        self.show_draft()
        self.look_soon(0.0)

    @work(group="model", exclusive=True)
    async def _read_anew(self, name: str, checkpoint: str) -> None:
        """The same model once more: a training may have saved better weights meanwhile."""
        try:
            await self.services.generator.ready(name, checkpoint, anew=True, progress=self._progress)
        except EngineError as error:
            self.complain(error, self._advice(error))
            return
        self.tell(f"{Path(name).name} as it is now")
        self.look_soon(0.0)

    # Another editor

    @work(group="editor", exclusive=True)
    async def action_edit_elsewhere(self) -> None:
        """Hand the text to `$EDITOR`, and take back what it made of it, as one step."""
        if self.desk is None or self.desk.read_only:
            self.tell("This draft may only be read here")
            return
        command = editor_command()
        if command is None:
            self.complain("No editor is known.", "Set the environment variable EDITOR to its command.")
            return
        self.stop_writing()
        await self.desk.keep()
        draft = self.draft
        name = draft.file.name if draft.file is not None else "draft.txt"
        path = draft.folder / "edited" / name
        try:
            text = await asyncio.to_thread(_hand_over, path, self.editor.text)
            with self.app.suspend():
                status = subprocess.run([*command, str(path)], check=False).returncode
            edited = await asyncio.to_thread(_take_back, path)
        except SuspendNotSupported:
            self.complain("Another editor can only be called from a terminal.")
            return
        except (OSError, UnicodeDecodeError) as error:
            self.complain(f"{command[0]}: {getattr(error, 'strerror', None) or error}.", "Your text is as it was.")
            return
        if status:
            self.complain(f"{command[0]} ended with status {status}.", "Your text is as it was.")
        elif edited != text:
            self.replace_text(edited)
            self.tell(f"Back from {Path(command[0]).name} · Ctrl+Z undoes it all")
        self.editor.focus()

    # What leaves

    @work(group="export", exclusive=True)
    async def action_export(self) -> None:
        """The selection, else the whole draft, to a file."""
        from gpt_tui.exporting import export
        from gpt_tui.exports import Passage

        text, spans, *_ = self._held()
        start, end = self.editor.selection
        part = start < end
        if part:
            text = text[start:end]
            spans = [(max(s, start) - start, min(e, end) - start, a) for s, e, a in spans if s < end and e > start]
        draft = self.draft
        stands = self.tries is not None and self.tries.stands(self.editor.text)
        standing = self.tries.standing if self.tries is not None and stands else None
        tries = await asyncio.to_thread(self.desk.tries) if self.desk is not None else []
        passage = Passage(
            text,
            spans,
            model=draft.model,
            checkpoint=draft.checkpoint,
            settings={name: value for name, value in self.values.items() if name != "seed"},
            seed=standing.seed if standing is not None else None,
            title=drafts.title_of(text, draft.name, draft.file),
            tokens=placed(tries, text),
        )
        await export(self, passage, "Export the selection" if part else "Export the draft")

    @work(group="train", exclusive=True)
    async def action_train(self) -> None:
        """A new model, from this very text."""
        if self.desk is not None and self.editor.text and await self.desk.keep():
            file = self.draft.file if self.draft.file is not None and not self.desk.unsaved else None
            text = str(file or self.draft.folder / drafts.TEXT)
            self.post_message(navigation.OpenCorpora(text=text))

    # How it is shown

    def action_focus_mode(self) -> None:
        self.editor.focus_mode = not self.editor.focus_mode
        self.tell("All but this paragraph is dimmed" if self.editor.focus_mode else "")

    def action_reading(self) -> None:
        self.editor.reading = not self.editor.reading
        self.editor.focus()
        self.tell("Reading: the keys scroll · Esc writes on" if self.editor.reading else "", stays=self.editor.reading)

    def action_authors(self) -> None:
        self.editor.show_authors = not self.editor.show_authors
        self.tell("The model's words are coloured" if self.editor.show_authors else "All words look alike")

    def action_wider(self, by: int) -> None:
        """A wider or narrower column, kept among the settings."""
        width = self.editor.column_width or self.editor.size.width
        width = min(max(width + _BY * by, _NARROWEST), _WIDEST)
        self.editor.column_width = width
        self.tell(f"{width} columns")
        self.post_message(navigation.ChangeSetting("writing_width", width))

    def action_adopt(self) -> None:
        """The selection, else the passage under the cursor, counts as the writer's own from now on."""
        start, end = self.editor.selection
        if start == end:
            at = self.editor.cursor
            start, end = next(((s.start, s.end) for s in self.editor.spans() if s.start <= at <= s.end), (at, at))
        if start == end:
            self.tell("Those are your words already")
            return
        self.editor.adopt(start, end)
        self.tell("Yours now · Ctrl+Z takes it back")


def _shown(name: str, checkpoint: str) -> Content:
    """A model at its best, or, in less weight, at another moment."""
    name = visible(name)
    if checkpoint == "best":
        return Content.styled(name, "bold")
    moment = "as training left it" if checkpoint == "last" else f"as it was after {int(checkpoint):,} steps"
    return Content.styled(f"{name}   {moment}", "$faint")


def editor_command() -> list[str] | None:
    """`$VISUAL`, `$EDITOR`, or an editor that is there anyway."""
    for name in ("VISUAL", "EDITOR"):
        if value := os.environ.get(name, "").strip():
            try:
                return shlex.split(value, posix=os.name != "nt")
            except ValueError:
                return [value]
    usual = ["notepad"] if sys.platform == "win32" else ["nano", "vim", "vi"]
    return next(([found] for each in usual if (found := shutil.which(each))), None)


def _hand_over(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "replace"))
    return text


def _take_back(path: Path) -> str:
    """The text as the other editor left it; the copy goes."""
    text = path.read_bytes().decode("utf-8")
    shutil.rmtree(path.parent, ignore_errors=True)
    return text
