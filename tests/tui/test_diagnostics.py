"""Diagnostics: what runs here, read without disturbing anything."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from gpt_tui import diagnostics
from gpt_tui.app import GptTui
from gpt_tui.screens.diagnostics import DiagnosticsScreen
from gpt_tui.widgets.help_text import HelpText


async def until(pilot: Pilot[None], condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await pilot.pause(0.02)


def facts(part: diagnostics.Part) -> dict[str, str]:
    return dict(part.facts)


def test_versions_and_machine_are_told(home: Path) -> None:
    versions = facts(diagnostics.versions())
    assert versions["textual"].startswith("8.") and versions["torch"] and versions["Python"].startswith("3.")
    assert "not measured yet" in facts(diagnostics.device())["Speed"]


def test_what_was_measured_is_remembered(home: Path) -> None:
    from engine.training.machine import remember
    from engine.training.planner import Machine

    remember(Machine(device="cpu", name="Abacus", threads=2, float32=1e11, bfloat16=1e10, step_efficiency=0.5))
    assert "Abacus, 2 threads, 50 GFLOP/s in training, float32" in facts(diagnostics.device())["cpu"]


def test_folders_are_measured(home: Path) -> None:
    (home / "models" / "novel").mkdir(parents=True)
    (home / "models" / "novel" / "weights.safetensors").write_bytes(bytes(2_000_000))
    found = facts(diagnostics.folders())
    assert found["Models"].startswith("2 MB, ") and found["Drafts"].startswith("none yet") and found["Free"]


def test_the_last_lines_of_the_logs_are_shown_with_nothing_that_commands_a_terminal(home: Path) -> None:
    logs = home / "logs"
    logs.mkdir(parents=True)
    (logs / "gpt-tui.log").write_text("".join(f"line {n}\n" for n in range(100)) + "\x1b[31mred\n", encoding="utf-8")
    (logs / "raw.log").write_bytes(b"\xff\xfe\x00broken\n")
    parts = {part.title: part.lines for part in diagnostics.logs()}
    assert len(parts["gpt-tui.log"]) == diagnostics.LOG_LINES
    assert parts["gpt-tui.log"][-1] == "␛[31mred" and parts["gpt-tui.log"][-2] == "line 99"
    assert "broken" in parts["raw.log"][-1]


def test_as_text_it_can_be_sent(home: Path) -> None:
    text = diagnostics.as_text([diagnostics.versions(), diagnostics.Part("Logs", lines=("a", "b"))])
    assert text.startswith("Versions\n  Python") and text.endswith("\n\nLogs\n  a\n  b\n")


@pytest.mark.asyncio
async def test_the_screen_shows_all_and_copies_it(home: Path) -> None:
    app = GptTui()
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("f12")
        await until(pilot, lambda: isinstance(app.screen, DiagnosticsScreen))
        page = app.screen.query_one(HelpText)
        await until(pilot, lambda: {s.title for s in page.sections} >= {"Versions", "Machine", "Terminal", "Folders"})
        shown = "\n".join(line.plain for line in page._lines(96))
        assert "100 × 40" in shown and "not running: it starts with the first continuation" in shown
        await pilot.press("c")
        await until(pilot, lambda: "Versions" in app.clipboard and "Folders" in app.clipboard)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, DiagnosticsScreen))


def test_nothing_heavy_is_imported(home: Path) -> None:
    import subprocess

    code = (
        "import sys; from gpt_tui import diagnostics as d; d.versions(); d.device(); d.folders(); d.logs();"
        "import gpt_tui.app, gpt_tui.screens.library, gpt_tui.screens.settings, gpt_tui.screens.help;"
        "print(sorted({'torch', 'tokenizers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
