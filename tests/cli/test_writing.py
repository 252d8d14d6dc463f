"""generate, eval and export: what a model writes and how well it predicts, in every way out."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.store.checkpoint import STATE, load_tensors, save_tensors

ROOT = Path(__file__).parents[2]


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_prompt_and_continuation_are_one_text(gpt_tui: Callable, novel: Path) -> None:
    echoed = gpt_tui("generate", "novel", "On day", "--seed", "1", "--max-new-tokens", "20")
    alone = gpt_tui("generate", "novel", "On day", "--seed", "1", "--max-new-tokens", "20", "--no-echo")
    assert echoed.status == alone.status == 0 and echoed.err == alone.err == ""
    assert alone.out and echoed.out == "On day" + alone.out


def test_json_tells_each_token_and_the_end(gpt_tui: Callable, novel: Path) -> None:
    arguments = ["generate", "novel", "On day", "--seed", "5", "--max-new-tokens", "12"]
    events = objects(gpt_tui(*arguments, "--json").out)
    tokens, end = events[:-1], events[-1]
    assert all(token["event"] == "token" and 0 < token["probability"] <= 1 for token in tokens)
    assert {"sample", "id", "text", "alternatives"} <= set(tokens[0])
    assert end["event"] == "end" and end["seed"] == 5 and end["tokens"] == 12 and end["stop_reason"] == "length"
    assert end["text"] == "".join(token["text"] for token in tokens) == gpt_tui(*arguments, "--no-echo").out


def test_samples_are_shown_one_after_the_other(gpt_tui: Callable, novel: Path) -> None:
    arguments = ["generate", "novel", "On day", "--max-new-tokens", "9"]
    out = gpt_tui(*arguments, "--samples", "3", "--seed", "4").out
    parts = out.split("\n---\n")
    assert len(parts) == 3
    for number, part in enumerate(parts):  # each is what its own seed writes alone
        assert part.rstrip("\n") == gpt_tui(*arguments, "--seed", str(4 + number)).out.rstrip("\n")


def test_a_prompt_from_standard_input_is_not_stripped(
    gpt_tui: Callable, novel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n On day\r\n é ".encode())))
    out = gpt_tui("generate", "novel", "-", "--max-new-tokens", "3").out
    assert out.startswith("\n On day\n é ")


def test_a_prompt_that_is_no_text_is_refused(gpt_tui: Callable, novel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
    for prompt in ("-", "caf\udce9"):
        outcome = gpt_tui("generate", "novel", prompt)
        assert outcome.status == 2 and "UTF-8" in outcome.err and outcome.out == ""


def test_output_goes_to_a_file_whole(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    arguments = ["generate", "novel", "On day", "--samples", "2", "--seed", "4", "--max-new-tokens", "9"]
    path = tmp_path / "next.txt"
    outcome = gpt_tui(*arguments, "--output", str(path))
    assert outcome.status == 0 and outcome.out == ""
    assert path.read_text("utf-8") == gpt_tui(*arguments).out
    assert gpt_tui(*arguments, "--output", str(path)).status == 2


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_text_that_cannot_be_stored_is_not_lost(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    outcome = gpt_tui("generate", "novel", "On day", "--output", str(tmp_path / "closed" / "next.txt"))
    assert outcome.status == 1 and outcome.out.startswith("On day")


def test_earlier_moments_write_too(gpt_tui: Callable, novel: Path) -> None:
    steps = sorted(int(path.stem) for path in (novel / "checkpoints").glob("*.safetensors"))
    assert steps
    for checkpoint in ("best", "last", str(steps[0])):
        assert gpt_tui("generate", "novel", "--checkpoint", checkpoint, "--max-new-tokens", "3").status == 0
    outcome = gpt_tui("generate", "novel", "--checkpoint", "99999")
    assert outcome.status == 2 and str(steps[0]) in outcome.err


def test_weights_that_are_cut_off_are_refused(gpt_tui: Callable, novel: Path) -> None:
    weights = novel / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    for command in (["generate", "novel"], ["eval", "novel"], ["export", "novel", "--format", "hf", str(novel / "x")]):
        outcome = gpt_tui(*command)
        assert outcome.status == 2 and outcome.err.count("\n") == 1 and "damaged" in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send there")
def test_interrupted_writing_keeps_what_there_is(novel: Path, tmp_path: Path) -> None:
    path = tmp_path / "next.txt"
    command = ["generate", "novel", "On day", "--max-new-tokens", "9000000", "--json", "--output", str(path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gpt_tui", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.read(20_000)  # it writes
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err == b"" and out.endswith(b"\n")
    text = path.read_text("utf-8")
    assert text.startswith("On day") and len(text) > 20


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_a_terminal_is_shown_control_characters_and_a_thin_rule(novel: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = ["generate", "novel", "\x1b]0;x\x07", "--max-new-tokens", "3", "--samples", "2"]
    process = subprocess.Popen([sys.executable, "-m", "gpt_tui", *command], stdout=theirs, cwd=ROOT)
    os.close(theirs)
    seen = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:
            break
        if not block:
            break
        seen += block
    os.close(ours)
    assert process.wait(30) == 0
    text = seen.decode("utf-8")
    assert text.count("␛]0;x␇") == 2 and "\x1b" not in text and "─────" in text and text.endswith("\n")


def test_eval_measures_the_held_out_text(gpt_tui: Callable, novel: Path) -> None:
    (found,) = objects(gpt_tui("eval", "novel", "--json").out)
    (shown,) = objects(gpt_tui("show", "novel", "--json").out)
    assert set(found) == {"bits_per_byte", "loss", "perplexity", "tokens", "bytes"}
    assert found["bits_per_byte"] == pytest.approx(
        shown["summary"]["bits_per_byte"], rel=0.02
    )  # measured quickly there
    assert f"{found['bits_per_byte']:.4f} bits per byte" in gpt_tui("eval", str(novel)).out


def test_eval_counts_every_byte_of_a_text_once(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(
            "On day 3 the dog ran to the old gate — and back.\n" * 20, encoding="utf-8"
        )
    (found,) = objects(gpt_tui("eval", "novel", str(folder), "--json").out)
    assert found["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert gpt_tui("eval", "novel", str(tmp_path / "nothing.txt")).status == 2


def test_export_makes_a_folder_and_overwrites_none(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    target = tmp_path / "hf"
    assert gpt_tui("export", "novel", "--format", "hf", str(target)).status == 0
    assert (target / "config.json").is_file() and (target / "model.safetensors").is_file()
    outcome = gpt_tui("export", "novel", "--format", "hf", str(target))
    assert outcome.status == 2 and "not empty" in outcome.err


def test_eval_takes_a_text_of_one_word(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    text = tmp_path / "short.txt"
    text.write_text("road.", encoding="utf-8")
    assert objects(gpt_tui("eval", "novel", str(text), "--json").out)[0]["bytes"] == 5


def test_held_out_text_of_another_model_is_refused(gpt_tui: Callable, novel: Path) -> None:
    (novel / "run" / "heldout.safetensors").unlink()
    save_file({"tokens": np.array([99_999], np.uint32), "bytes": np.array([3])}, novel / "run" / "heldout.safetensors")
    outcome = gpt_tui("eval", "novel")
    assert outcome.status == 2 and "another model's" in outcome.err


def test_a_checkpoint_with_a_number_of_any_length_is_refused(gpt_tui: Callable, novel: Path) -> None:
    outcome = gpt_tui("generate", "novel", "--checkpoint", "9" * 5000)
    assert outcome.status == 2 and outcome.err.count("\n") == 1


def test_a_state_that_is_no_table_is_damage(gpt_tui: Callable, novel: Path) -> None:
    tensors, _ = load_tensors(novel / STATE)
    save_tensors(novel / STATE, tensors, ["no", "table"])  # type: ignore[arg-type]
    outcome = gpt_tui("generate", "novel", "--checkpoint", "last")
    assert outcome.status == 2 and "damaged" in outcome.err
