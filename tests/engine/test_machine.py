"""What the machine can do: measured once and remembered, but not while others keep it busy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.events import Warning
from engine.training import machine as measuring
from engine.training.machine import Machine, look, machine, remembered
from engine.training.trainer import train

QUICK = Machine(device="cpu", name="made up", float32=2e10)


def measured(monkeypatch: pytest.MonkeyPatch, *, others: float) -> list[str]:
    """The measurement takes a moment, in which others compute for so many seconds a processor."""
    calls: list[str] = []
    busy = iter(range(1000))

    def measure(device: str) -> Machine:
        calls.append(device)
        return QUICK

    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.setattr(measuring, "_processor_seconds", lambda: (others * next(busy), 0.0))
    return calls


def test_it_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured(monkeypatch, others=0.0)
    assert remembered("cpu") is None
    assert machine("cpu") == machine("cpu") == remembered("cpu") == QUICK
    assert look("cpu") == (QUICK, False)
    assert calls == ["cpu"]


def test_while_others_keep_it_busy_it_is_used_once_and_measured_anew(
    monkeypatch: pytest.MonkeyPatch, prose: Path
) -> None:
    calls = measured(monkeypatch, others=100.0)
    assert look("cpu") == (QUICK, True)
    assert remembered("cpu") is None
    tiny = ["n_layer=1", "n_embd=32", "n_head=2", "block_size=32", "batch_size=4"]
    events = list(train(prose, steps=2, device="cpu", settings=tiny))
    assert any(isinstance(event, Warning) and "kept the processor busy" in event.message for event in events)
    assert len(calls) == 2
    measured(monkeypatch, others=0.0)
    assert look("cpu") == (QUICK, False) and remembered("cpu") == QUICK


def test_where_the_system_tells_nothing_its_load_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, others=0.0)
    monkeypatch.setattr(measuring, "_processor_seconds", lambda: None)
    for load in (True, False):
        monkeypatch.setattr("engine.training.steps.crowded", lambda threads, load=load: load)
        assert look("cpu") == (QUICK, load)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_this_process_is_not_among_the_others() -> None:
    before = measuring._processor_seconds()
    sum(number * number for number in range(3_000_000))
    after = measuring._processor_seconds()
    assert before is not None and after is not None
    assert after[1] - before[1] > 0.05
    assert after[0] - before[0] >= after[1] - before[1] - 0.1  # counted in hundredths, on every processor
