"""What runs here and how it stands: versions, device, folders, terminal, processes, the last lines of the logs. Imports
neither torch nor tokenizers."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine import locations
from gpt_tui.terminal import byte_size, count, visible

LOG_LINES = 12
_TAIL_BYTES = 1 << 16
_MOST_FILES = 200_000
"""Files that are looked at for a folder's size; with more, it is said to be at least that."""


@dataclass(frozen=True)
class Part:
    """A few facts of one kind, by name; `lines` are shown as they are."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()


def as_text(parts: Iterable[Part]) -> str:
    """All of it as plain text, to be pasted elsewhere."""
    blocks = []
    for part in parts:
        width = max((len(name) for name, _ in part.facts), default=0) + 2
        rows = [f"  {name.ljust(width)}{value}" for name, value in part.facts]
        blocks.append("\n".join([part.title, *rows, *(f"  {line}" for line in part.lines)]))
    return "\n\n".join(blocks) + "\n"


def versions() -> Part:
    """Of ourselves and of what we stand on, as they are installed."""
    names = ("gpt-tui", "textual", "torch", "tokenizers", "safetensors", "numpy", "textual-plot")
    facts = [("Python", f"{platform.python_version()} ({sys.executable})")]
    facts += [(name, _version(name)) for name in names]
    facts.append(("System", platform.platform(terse=True)))
    return Part("Versions", tuple(facts))


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed as a package"


def device() -> Part:
    """What the machine was measured to do, as far as it is remembered."""
    from engine.training.machine import physical_memory, remembered

    facts = [("Processors", str(os.cpu_count() or "unknown")), ("Memory", byte_size(physical_memory()))]
    found = [machine for name in ("cuda", "mps", "cpu") if (machine := remembered(name)) is not None]
    for machine in found:
        speed = f"{count(machine.flops)}FLOP/s in training, {machine.dtype}"
        facts.append((machine.device, f"{machine.name or 'unnamed'}, {machine.threads} threads, {speed}"))
    if not found:
        facts.append(("Speed", "not measured yet: the first training measures it"))
    return Part("Machine", tuple(facts))


def folders() -> Part:
    """Where everything lies, how much of it there is, and what is free."""
    places = {
        "Models": locations.models_dir(),
        "Drafts": locations.drafts_dir(),
        "Conversations": locations.conversations_dir(),
        "Exports": locations.exports_dir(),
        "Cache": locations.cache_dir(),
        "Trash": locations.trash_dir(),
        "Logs": locations.logs_dir(),
        "Themes": locations.themes_dir(),
    }
    facts = [(name, f"{_size(path)}, {visible(str(path))}") for name, path in places.items()]
    there = next((path for path in (locations.data_dir(), *locations.data_dir().parents) if path.exists()), Path("/"))
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(there).free
        facts.append(("Free", byte_size(free)))
    for name, file in (("settings.toml", locations.settings_file()), ("state.toml", locations.state_file())):
        facts.append((name, visible(str(file)) if file.exists() else f"none yet, {visible(str(file))}"))
    home = os.environ.get(locations.HOME_VARIABLE)
    facts.append((locations.HOME_VARIABLE, visible(home) if home else "not set"))
    return Part("Folders", tuple(facts))


def _size(folder: Path) -> str:
    """What lies in a folder and below it."""
    if not folder.is_dir():
        return "none yet"
    total = looked = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - a hundred thousand of them
        looked += len(names)
        if looked > _MOST_FILES:
            return f"at least {byte_size(total)}"
    return byte_size(total)


def trainings() -> Part:
    """Those that are alive, and how they stand."""
    from engine.training import runs

    facts = []
    for run in runs.running():
        report = run.report()
        facts.append((visible(report.name), visible(" ".join(filter(None, (report.state.value, report.message))))))
    return Part("Trainings", tuple(facts) or (("none", "no training is going on"),))


def logs() -> list[Part]:
    """The last lines of each log, the newest log first."""
    paths: list[tuple[float, Path]] = []
    with contextlib.suppress(OSError):
        for path in locations.logs_dir().iterdir():
            with contextlib.suppress(OSError):
                paths.append((path.stat().st_mtime, path))
    parts = []
    for _, path in sorted(paths, reverse=True)[:4]:
        lines = _last_lines(path)
        if lines:
            parts.append(Part(visible(path.name), lines=tuple(visible(line) for line in lines)))
    return parts or [Part("Logs", (("none", "nothing has been written to a log"),))]


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        return [f"it cannot be read ({error.strerror or error})"]
    return [line[:500] for line in text.split("\n") if line.strip()][-LOG_LINES:]
