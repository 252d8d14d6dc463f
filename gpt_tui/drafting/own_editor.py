"""The user's own editor on a file, while the app waits beneath."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported


def command() -> list[str]:
    """The editor as $VISUAL or $EDITOR say, else one that is here; empty when there is none."""
    told = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if told:
        return shlex.split(told, posix=os.name != "nt")
    usual = ("notepad",) if sys.platform == "win32" else ("nano", "vim", "vi")
    return next(([name] for name in usual if shutil.which(name)), [])


def edit(app: App[Any], path: Path) -> str:
    """Show the file in the editor until that ends; returns what went wrong, in one line."""
    editor = command()
    if not editor:
        return "There is no editor here: set the environment variable EDITOR to the one you like."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with app.suspend():
            done = subprocess.run([*editor, str(path)], check=False)
    except SuspendNotSupported:
        return "The editor cannot be shown here; edit the file in another window."
    except OSError as error:
        return f"{editor[0]} cannot be started ({error.strerror or error}): set EDITOR to another editor."
    return f"{editor[0]} ended with status {done.returncode}." if done.returncode else ""
