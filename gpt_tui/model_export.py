"""Taking a model to other programs: the command line's `export`, in a process of its own, since it needs torch."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from pathlib import Path

from engine import locations
from engine.errors import EngineError
from gpt_tui.widgets.choice_list import Choice
from gpt_tui.widgets.export_dialog import ExportChoice

_FORMATS = (
    Choice("hf", "Hugging Face", "a folder that transformers and others load"),
    Choice("gguf", "GGUF", "one file for llama.cpp, Ollama and LM Studio"),
)


def formats() -> list[Choice]:
    """The formats that this installation writes."""
    return [
        choice
        for choice in _FORMATS
        if choice.key == "hf" or importlib.util.find_spec(f"engine.store.formats.{choice.key}") is not None
    ]


def destination(choice: ExportChoice) -> Path:
    """Where an export lies afterwards."""
    name = choice.name if choice.format == "hf" else f"{choice.name.removesuffix('.gguf')}.gguf"
    return locations.expanded(choice.folder).absolute() / name


def goes_to(choice: ExportChoice) -> str:
    """Where that choice leads, in a line; with `!` before it when it cannot be."""
    if any(character in choice.name for character in "/\\\0") or choice.name in (".", ".."):
        return "!A name cannot hold a path; the folder stands below it."
    path = destination(choice)
    try:
        if path.is_dir() and not (choice.format == "hf" and not any(path.iterdir())):
            return f"!{path.name} is there already; choose another name."
        if path.exists() and not path.is_dir():
            return f"!{path.name} is there already; choose another name."
        if path.parent.exists() and not path.parent.is_dir():
            return f"!{path.parent} is a file, not a folder."
    except (OSError, ValueError):
        return "!Nothing can be written there."
    return f"→ {path}"


async def export(name: str, format: str, path: Path) -> None:
    """Export a model of the store. Raises `EngineError` with what the command said."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gpt_tui", "export", name, str(path), "--format", format),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise EngineError(f"{path}: {error.strerror or error}.") from error
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        last = lines[-1].removeprefix("gpt-tui: ") if lines else f"it ended with status {process.returncode}."
        raise EngineError(last)
