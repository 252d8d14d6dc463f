"""Training as a process of its own: started, followed, paused, stopped, gone on with; killed, and found again."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BusyError, ConfigError, CorpusError, ModelNotFoundError, NameTakenError, RequestError
from engine.events import Checkpoint, End, Eval, Event, Pause, Prepare, Resume, Round, Sample, Start, Step, to_json
from engine.store import models
from engine.training import runs
from engine.training.log import History, LogReader
from engine.training.runs import Run, State
from engine.training.trainer import train

TINY = ["n_layer=1", "n_embd=32", "n_head=2", "block_size=32", "batch_size=4", "patience=0", "moments=0"]
ENDLESS: dict[str, Any] = {"steps": 10_000_000, "device": "cpu", "settings": TINY}
WAIT = 60.0


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this machine was measured to do, so that no run has to measure it again."""
    from engine.training.machine import machine, remember

    home = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPT_TUI_HOME", str(home))
        remember(machine("cpu"))
    return home / "cache/machine.json"


@pytest.fixture(autouse=True)
def clean(home: Path, measured: Path) -> Iterator[None]:
    """A home that knows its machine; afterwards nothing runs in it any more."""
    (home / "cache").mkdir(parents=True)
    (home / "cache/machine.json").write_bytes(measured.read_bytes())
    yield
    for run in runs.running():
        with contextlib.suppress(RequestError):
            run.discard()
            wait_for(lambda run=run: not run.report().alive)


def wait_for(happened: Callable[[], Any]) -> Any:
    """What it returns once that is true."""
    until = time.monotonic() + WAIT
    while not (found := happened()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


def events_until(run: Run, kind: type[Event]) -> list[Event]:
    """The run's events up to the first of this kind."""
    seen: list[Event] = []
    for event in run.follow(every=0.02):
        seen.append(event)
        if isinstance(event, kind):
            return seen
    raise AssertionError(f"no {kind.event}; {run.report()}")


def kill(run: Run) -> None:
    assert run.ticket is not None
    os.kill(json.loads((run.ticket.folder / "lock.json").read_text())["pid"], getattr(signal, "SIGKILL", 9))


def test_from_start_over_pause_and_stop_to_resume(prose: Path, home: Path) -> None:
    run = runs.start(prose, **ENDLESS)
    assert run.name == "prose"
    first = run.report()
    assert (first.state, first.name, first.alive) == (State.PREPARING, "prose", True)
    assert [found.name for found in runs.running()] == ["prose"]

    follower = run.follower()
    seen = follower.poll()
    assert isinstance(seen[0], Prepare)  # at once, whatever the process is doing yet

    def poll(kind: type[Event]) -> bool:
        seen.extend(follower.poll())
        return any(isinstance(event, kind) for event in seen)

    wait_for(lambda: poll(Step))
    assert run.report().state == State.TRAINING
    kinds = [event.event for event in seen]
    assert kinds.count("start") == 1
    assert len({to_json(event) for event in seen if isinstance(event, Prepare)}) == kinds.count("prepare")  # each once

    run.pause()
    wait_for(lambda: poll(Pause))
    wait_for(lambda: run.report().state == State.PAUSED)
    assert runs.is_resumable(home / "models/prose")  # a pause saves
    standing = len(seen)
    time.sleep(0.3)
    assert len(seen) + len(follower.poll()) == standing

    run.resume()
    wait_for(lambda: poll(Resume))
    wait_for(lambda: seen.extend(follower.poll()) or isinstance(seen[-1], Step))
    began = time.monotonic()
    run.stop()
    end = events_until(run, End)[-1]
    wait_for(lambda: not run.report().alive)
    assert time.monotonic() - began < 10
    assert isinstance(end, End)
    assert end.reason == "stopped"
    report = run.report()
    assert (report.state, report.reason, report.resumable) == (State.ENDED, "stopped", True)
    assert not runs.running()
    with pytest.raises(RequestError, match="not being trained"):
        run.pause()

    again = runs.resume_run("prose")
    history = again.follower().catch_up()
    assert history.step[-1] >= end.step - 10  # what the first process wrote is there at once
    assert history.end == end
    start = next(e for e in again.follow(every=0.02) if isinstance(e, Start) and e.resumed_from)
    assert start.resumed_from == end.step
    again.discard()
    wait_for(lambda: not again.report().alive)
    assert again.report().reason == "discarded"
    assert not (home / "models/prose").exists()
    assert models.restore("prose").exists()  # it went to the trash


def test_a_killed_training_says_so_and_goes_on(prose: Path, home: Path) -> None:
    run = runs.start(prose, name="mine", **ENDLESS)
    events_until(run, Step)
    run.pause()
    events_until(run, Pause)
    kill(run)
    report = wait_for(lambda: (found := run.report()) and not found.alive and found)
    assert report.state == State.DIED
    assert report.message.startswith("mine: its process ")
    assert "killed" in report.message or os.name == "nt"
    assert "\n" not in report.message
    assert report.resumable
    assert not runs.running()
    assert not models.models()[0].running
    with pytest.raises(RequestError):
        run.stop()

    other = runs.find("mine")  # as another app sees it
    assert other == run
    again = runs.resume_run("mine")
    assert [event.resumed_from for event in events_until(again, Resume) if isinstance(event, Start)][-1] > 0
    assert [found.name for found in runs.running()] == ["mine"]
    assert not run.ticket.folder.exists()  # its place is taken
    again.stop()
    wait_for(lambda: not again.report().alive)
    assert again.report().resumable


def test_it_outlives_whoever_started_it(prose: Path) -> None:
    script = (
        "import os, signal, sys; from engine.training import runs;"
        f"runs.start({str(prose)!r}, **{ENDLESS!r});"
        "os.kill(os.getpid(), getattr(signal, 'SIGKILL', 9))"
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], timeout=WAIT)
    assert killed.returncode != 0
    (run,) = runs.running()
    assert run.name == "prose"
    events_until(run, Step)
    run.stop()
    wait_for(lambda: not run.report().alive)
    assert run.report().reason == "stopped"


def test_two_of_one_text_and_two_of_one_name(prose: Path, home: Path) -> None:
    first, second = runs.start(prose, **ENDLESS), runs.start(str(prose), **ENDLESS)
    assert (first.name, second.name) == ("prose", "prose-2")
    with pytest.raises(BusyError, match="prose-2: a training of that name"):
        runs.start(prose, name="prose-2", replace=True, **ENDLESS)
    first.stop()  # while they are prepared: nothing is left
    second.discard()
    for run in (first, second):
        wait_for(lambda run=run: not run.report().alive)
        assert run.report().state == State.ENDED
    assert first.report().message == "Stopped before training began."
    assert not models.models()
    for run in runs.recent():
        run.forget()
    assert not runs.recent()
    assert not list((home / "logs").iterdir())


def test_what_is_wrong_reaches_whoever_started_it(prose: Path, tmp_path: Path, home: Path) -> None:
    list(train(prose, steps=2, device="cpu", settings=TINY))
    wrong = [
        (runs.start(tmp_path / "missing.txt", **ENDLESS), CorpusError, "missing.txt: no such file"),
        (runs.start(prose, name="prose", **ENDLESS), NameTakenError, "--replace"),
        (runs.start(prose, **{**ENDLESS, "settings": {"n_haed": 2}}), ConfigError, "Did you mean n_head?"),
    ]
    for run, kind, words in wrong:
        wait_for(lambda run=run: not run.report().alive)
        report = run.report()
        assert report.state == State.FAILED
        assert type(report.error) is kind
        assert words in report.message
        assert str(report.error) == report.message
        assert "\n" not in report.message
        assert not report.resumable
        assert list(run.follow())[-1].event == "prepare"
    assert [entry.name for entry in models.models()] == ["prose"]


def test_what_can_be_refused_at_once_is(prose: Path) -> None:
    with pytest.raises(RequestError, match="standard input"):
        runs.start("-")
    with pytest.raises(ConfigError, match="path"):
        runs.start(prose, name="a/b")
    with pytest.raises(TypeError, match="mintues"):
        runs.start(prose, mintues=3)
    with pytest.raises(ModelNotFoundError):
        runs.find("nobody")
    assert not runs.recent()


def test_a_training_of_another_program_is_seen_and_followed(prose: Path) -> None:
    training = train(prose, steps=100_000, device="cpu", settings=TINY)
    for event in training:
        if isinstance(event, Step):
            break
    (run,) = runs.running()
    assert (run.name, run.ticket, run.report().state) == ("prose", None, State.TRAINING)
    assert "start" in [event.event for event in run.follower().poll()]
    with pytest.raises(BusyError):
        models.delete("prose")
    with pytest.raises(RequestError, match="hears no messages"):
        run.stop()
    training.close()
    assert not runs.running()
    report = runs.find("prose").report()
    assert (report.state, report.resumable) == (State.DIED, True)


def test_the_options_are_those_of_train() -> None:
    options = set(inspect.signature(train).parameters) - {"texts", "control", "began"}
    assert set(runs.OPTIONS) == options


def test_the_app_needs_no_torch() -> None:
    script = (
        "import sys, engine.training.runs, engine.generation.protocol;"
        "print(*{'torch', 'tokenizers', 'numpy', 'safetensors'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == b""
    assert done.returncode == 0


# The log


def _step(step: int, loss: float = 2.0) -> Step:
    numbers = {"lr": 0.01, "grad_norm": 1.0, "tokens_per_second": 9.5, "eta": 1.0, "progress": 0.5, "epoch": 0.1}
    return Step(elapsed=step / 10, step=step, tokens=step * 64, loss=loss, memory=1, **numbers)


def _start(resumed_from: int = 0) -> Start:
    tables: dict[str, Any] = {"corpus": {}, "model": {}, "train": {}, "parameters": {}}
    return Start(name="x", path="/x", device="cpu", resumed_from=resumed_from, **tables)


def _lines(*events: Event) -> list[bytes]:
    return [to_json(event).encode() for event in events]


def test_a_log_is_read_line_by_line_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = LogReader(path)
    assert reader.lines() == []
    one, two = _lines(_step(1), Sample(step=1, prompt="a", text='{"event": "\u2028\n"}'))
    path.write_bytes(one + b"\n" + two[:20])
    assert reader.lines() == [one]
    assert reader.lines() == []
    with path.open("ab") as log:
        log.write(two[20:] + b"\n")
    assert reader.lines() == [two]
    path.write_bytes(two + b"\n")  # it begins anew, and is as long as it was
    assert reader.lines() == [two]


def test_a_history_keeps_columns_and_rare_events() -> None:
    history = History()
    sample = Sample(step=2, prompt="Once", text=" upon")
    found = Eval(step=2, tokens=1, val_loss=1.5, perplexity=4.5, bits_per_byte=1.1, train_loss=2.0, best=True)
    history.feed(_lines(_start(), _step(1, 3.5), _step(2, float("nan")), found, sample, _step(3, 1e-05)))
    assert list(history.step) == [1, 2, 3]
    assert history.loss[0] == 3.5
    assert history.loss[1] != history.loss[1]
    assert history.loss[2] == 1e-05
    assert (history.evals, history.samples, history.last) == ([found], [sample], _step(3, 1e-05))
    whole = History()
    for event in (_start(), _step(1, 3.5), _step(3, 1e-05)):
        whole.add(event)
    assert list(whole.tokens) == [64, 192]


def test_going_on_takes_back_what_was_not_saved() -> None:
    history = History()
    history.feed(_lines(_start(), *map(_step, range(1, 60)), Checkpoint(step=40, kind="last", path="/x")))
    history.feed(_lines(_start(40), Resume(step=40), *map(_step, range(41, 50))))
    assert list(history.step) == list(range(1, 50))
    assert len(history.elapsed) == len(history.loss) == 49
    assert history.checkpoints
    history.feed(_lines(_start()))
    assert not history.step


def test_rounds_are_told_once_though_a_resumed_run_says_again_where_it_is() -> None:
    history, second = History(), Round(step=20, number=2, count=3)
    history.feed(_lines(_start(), _step(20), second, _step(30), Round(step=40, number=3, count=3), _step(41)))
    history.feed(_lines(_start(30), Resume(step=30), second))
    assert history.rounds == [second]


def test_a_line_that_a_crash_cut_off_hides_no_other() -> None:
    history = History()
    cut, start = _lines(_step(7), _start(5))
    history.feed([*_lines(_start(), *map(_step, range(1, 7))), cut[:40] + start, *_lines(_step(6))])
    assert list(history.step) == [1, 2, 3, 4, 5, 6]
    assert history.start is not None
    assert history.start.resumed_from == 5


def test_of_a_very_long_log_a_part_of_the_steps_is_kept() -> None:
    history = History()
    history.feed(_lines(_start(), *map(_step, range(1, 25_001))))
    assert 5_000 < len(history.step) < 10_000
    assert history.step[-1] == 25_000
    history.feed(_lines(_step(25_010)))
    assert history.step[-1] == 25_010
