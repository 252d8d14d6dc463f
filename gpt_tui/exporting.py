"""Export as any screen starts it: the dialog, the writing, and a word of where the file is."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import TYPE_CHECKING

from engine import locations
from engine.errors import EngineError
from gpt_tui import exports
from gpt_tui.terminal import visible
from gpt_tui.widgets.choice_list import Choice
from gpt_tui.widgets.export_dialog import ExportChoice, ExportDialog

if TYPE_CHECKING:
    from gpt_tui.app import Services
    from gpt_tui.screens.base import Place

FOLDER, FORMAT = "exports.folder", "exports.format"
"""Under which the app remembers where exports go, and in which form."""


async def export(place: Place, document: exports.Document, title: str = "Export") -> Path | None:
    """Ask, write, and say where the file is; returns it. To be called from a worker: it waits for an answer.

    In a browser the file is handed to the browser, which has its own folder for such.
    """
    services, app = place.services, place.app
    choice = await app.push_screen_wait(dialog(services, document.title, title))
    if choice is None:
        return None
    services.state.remember(FORMAT, choice.format)
    if app.is_web:
        kind = next(kind for kind in exports.formats() if kind.key == choice.format)
        content = exports.render(document, choice.format)
        app.deliver_text(io.StringIO(content), save_filename=exports.file_name(choice.name, kind.suffix) + kind.suffix)
        return None
    services.state.remember(FOLDER, str(choice.folder))
    try:
        path = await asyncio.to_thread(exports.write, document, *choice)
    except EngineError as error:
        place.notify(visible(str(error)), title="Not exported", severity="error", markup=False, timeout=10)
        return None
    place.notify(visible(shown(path)), title="Exported", markup=False, timeout=8)
    return path


def dialog(services: Services, name: str, title: str = "Export") -> ExportDialog:
    """The question of form, folder and name, as the app remembers them."""
    memory = services.state.memory
    known = services.settings.app_exports or str(memory.get(FOLDER) or "")
    return ExportDialog(
        exports.suggested(name),
        shown(Path(known) if known else locations.exports_dir()),
        [Choice(kind.key, kind.title, kind.words) for kind in exports.formats()],
        chosen=str(memory.get(FORMAT) or ""),
        ask_folder=not known,
        title=title,
        goes_to=_goes_to,
    )


def _goes_to(choice: ExportChoice) -> str:
    kind = next(kind for kind in exports.formats() if kind.key == choice.format)
    folder = locations.expanded(choice.folder)
    try:
        if folder.exists() and not folder.is_dir():
            return f"!{shown(folder)} is a file, not a folder."
        path = exports.free_path(folder, exports.file_name(choice.name, kind.suffix), kind.suffix)
    except (OSError, ValueError):
        return "!No folder can be called so."
    numbered = path.stem != exports.file_name(choice.name, kind.suffix)
    return f"→ {path.name}" + (" (the name itself is taken)" if numbered else "")


def shown(path: Path) -> str:
    """A path with the user's home as `~`."""
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)
