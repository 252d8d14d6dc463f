"""gpt-tui train: its events, its last line, its interruption and its refusals, as a user and a script meet them."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.training import runs

ROOT = Path(__file__).parents[2]
TINY = [f"--set={setting}" for setting in ("n_layer=1", "n_embd=32", "n_head=2", "block_size=32", "batch_size=4")]
TINY += ["--device", "cpu"]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gpt_tui", "train", *arguments, *([] if "--resume" in arguments else TINY)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)


def wait_for_step(process: subprocess.Popen[bytes], step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "step" and event["step"] >= step:
            return
    raise AssertionError("the training ended before that step")


def wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_json_is_the_events_and_nothing_else(gpt_tui: Callable, novel: Path, prose: Path) -> None:
    outcome = gpt_tui("train", str(prose), "--steps", "30", "--json", *TINY)
    assert outcome.status == 0 and outcome.err == ""
    events = [json.loads(line) for line in outcome.out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "prepare" and kinds[-1] == "end" and kinds.count("start") == 1
    assert {"step", "eval", "sample", "checkpoint"} <= set(kinds)
    steps = [event for event in events if event["event"] == "step"]
    assert {"step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second", "memory", "eta"} <= set(steps[0])
    assert max(b["step"] - a["step"] for a, b in itertools.pairwise(steps)) <= 10
    assert events[-1]["reason"] == "budget" and events[-1]["bits_per_byte"] > 0
    assert all(a["elapsed"] <= b["elapsed"] for a, b in itertools.pairwise(events))


def test_the_summary_says_what_to_do_next(gpt_tui: Callable, novel: Path, prose: Path, home: Path) -> None:
    outcome = gpt_tui("train", str(prose), "--steps", "5", "--name", "my prose", *TINY)
    assert outcome.status == 0 and outcome.err == "" and "\x1b" not in outcome.out
    assert "bits per byte after 5 steps" in outcome.out
    assert str(home / "models" / "my prose") in outcome.out and "gpt-tui generate 'my prose'" in outcome.out


def test_quiet_prints_the_last_line_alone(gpt_tui: Callable, novel: Path, prose: Path) -> None:
    outcome = gpt_tui("train", str(prose), "--steps", "5", "--quiet", *TINY)
    assert outcome.out.startswith("prose: ") and outcome.out.count("\n") == 1 and outcome.err == ""
    outcome = gpt_tui("train", str(prose), "--steps", "5", "--quiet", "--json", *TINY)
    assert json.loads(outcome.out)["event"] == "end" and json.loads(outcome.out)["name"] == "prose-2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("nothing.txt", "nothing.txt"),
        ("TEXT --set n_head=3", "n_head"),
        ("TEXT --name novel", "--resume"),
        ("TEXT --from nothing", "nothing"),
        ("TEXT --tokenizer byte --vocab-size 900", "vocab_size"),
        ("--resume --name nothing", "nothing"),
        ("--resume --name novel --steps 3", "--steps"),
    ],
)
def test_refusals_leave_nothing_in_the_store(
    gpt_tui: Callable, novel: Path, prose: Path, arguments: str, said: str
) -> None:
    before = sorted(path.name for path in novel.parent.iterdir())
    outcome = gpt_tui("train", *arguments.replace("TEXT", str(prose)).split(), "--quiet")
    assert outcome.status == 2 and said in outcome.err and outcome.err.count("\n") == 1 and outcome.out == ""
    assert sorted(path.name for path in novel.parent.iterdir()) == before


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_terminated_training_is_saved_and_goes_on(novel: Path, prose: Path) -> None:
    process = start(str(prose), "--name", "mine", "--steps", "5000", "--json")
    wait_for_step(process, 20)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out.splitlines()[-1])["reason"] == "stopped"
    assert b"gpt-tui train --resume --name mine" in err and err.count(b"\n") == 1
    resumed = start("--resume", "--name", "mine", "--json")
    wait_for_step(resumed, 21)
    resumed.kill()
    resumed.communicate()


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_a_second_interrupt_gives_up_at_once(novel: Path, prose: Path) -> None:
    process = start(str(prose), "--name", "mine", "--steps", "5000", "--json")
    wait_for_step(process, 5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and b"Traceback" not in err and err.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_an_interrupt_before_the_first_step_leaves_nothing(prose: Path, home: Path) -> None:
    process = start(str(prose), "--steps", "5000", "--quiet")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and out == b"" and err.startswith(b"gpt-tui: ") and err.count(b"\n") == 1
    assert not (home / "models").exists() or not list((home / "models").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise there")
def test_a_reader_that_leaves_stops_the_training_and_it_is_saved(novel: Path, prose: Path, home: Path) -> None:
    process = start(str(prose), "--name", "mine", "--steps", "5000", "--json")
    wait_for_step(process, 5)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(30) == 130 and b"Traceback" not in err and b"--resume" in err
    process.stderr.close()
    assert (home / "models" / "mine" / "run" / "state.safetensors").is_file()


def test_others_pause_resume_and_stop_it(novel: Path, prose: Path, home: Path) -> None:
    process = start(str(prose), "--name", "mine", "--steps", "500000", "--json")
    wait_for_step(process, 5)
    (run,) = runs.running()
    assert (run.name, run.report().state) == ("mine", runs.State.TRAINING)
    history = run.follower().catch_up()
    assert history.start is not None and history.step
    run.pause()
    wait_until(lambda: run.report().state == runs.State.PAUSED)
    assert runs.is_resumable(home / "models/mine")
    run.resume()
    wait_until(lambda: run.report().state == runs.State.TRAINING)
    run.stop()
    out, err = process.communicate(timeout=30)
    kinds = [json.loads(line)["event"] for line in out.splitlines()]
    assert process.returncode == 130 and kinds.index("pause") < kinds.index("resume") < kinds.index("end")
    assert b"gpt-tui train --resume --name mine" in err and err.count(b"\n") == 1
    report = run.report()
    assert (report.state, report.reason, report.resumable) == (runs.State.ENDED, "stopped", True)
    again = start("--resume", "--name", "mine", "--json")
    wait_for_step(again, 6)
    (other,) = runs.running()
    assert other.ticket != run.ticket and not run.ticket.folder.exists()  # its place is taken
    assert other.follower().catch_up().step[0] == 1  # with what was before
    other.discard()
    _, err = again.communicate(timeout=30)
    assert again.returncode == 130 and b"gpt-tui restore mine" in err and err.count(b"\n") == 1
    assert not (home / "models/mine").exists() and other.report().reason == "discarded"


def test_one_that_ends_well_leaves_no_ticket(gpt_tui: Callable, novel: Path, prose: Path, home: Path) -> None:
    assert gpt_tui("train", str(prose), "--steps", "5", "--quiet", *TINY).status == 0
    assert not runs.recent() and not runs.running()
    assert sorted(path.name for path in (home / "models").iterdir()) == ["novel", "prose"]
    assert runs.find("prose").report().reason == "budget"


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_one_that_is_killed_is_found_dead(novel: Path, prose: Path) -> None:
    process = start(str(prose), "--steps", "500000", "--json")
    wait_for_step(process, 5)
    (run,) = runs.running()
    process.kill()
    process.communicate()
    wait_until(lambda: not run.report().alive)
    report = run.report()
    assert report.state == runs.State.DIED and report.message.startswith("prose: its process is gone")


def test_a_store_that_takes_no_ticket_hinders_no_training(
    gpt_tui: Callable, novel: Path, prose: Path, home: Path
) -> None:
    (home / "models/.runs").write_text("in the way")
    assert gpt_tui("train", str(prose), "--steps", "5", "--quiet", *TINY).status == 0
