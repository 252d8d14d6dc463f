"""Wrong requests: exit status 2, one clear line on standard error, no traceback, nothing made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine import locations


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("nonsense", "nonsense"),
        ("train", "gpt-tui corpora"),
        ("train x --minutes", "--minutes"),
        ("train x --minutes 0", "--minutes"),
        ("train x --minutes -1", "--minutes"),
        ("train x --minutes nan", "--minutes"),
        ("train x --minutes inf", "--minutes"),
        ("train x --minutes 1e9", "--minutes"),
        ("train x --minutes soon", "--minutes"),
        ("train x --steps 0", "--steps"),
        ("train x --steps 1.5", "--steps"),
        ("train x --steps 99999999999999999999", "--steps"),
        ("train x --epochs 0", "--epochs"),
        ("train x --minutes 2 --steps 2", "--minutes and --steps"),
        ("train x --preset best", "--preset"),
        ("train x --tokenizer letters", "--tokenizer"),
        ("train x --vocab-size 0", "--vocab-size"),
        ("train x --vocab-size 99999999", "--vocab-size"),
        ("train x --device abacus", "--device"),
        ("train x --seed -1", "--seed"),
        ("train x --set n_layers=3", "n_layer?"),
        ("train x --set n_layer", "KEY=VALUE"),
        ("train x --set n_layer=many", "n_layer"),
        ("train x --name=", "--name"),
        ("train x --name ../x", "--name"),
        ("train x --name .x", "--name"),
        ("train x --name=-x", "--name"),
        ("train x --name con", "--name"),
        ("train x --name " + "x" * 65, "--name"),
        ("train --resume", "--name"),
        ("train --resume --name novel --steps 5 --seed 0", "--steps and --seed"),
        ("train --resume --name novel --preset nano", "--preset"),
        ("train --resume --name novel --from novel", "--from"),
        ("train --resume --name novel --set n_layer=2", "--set"),
        ("train --resume --name novel --replace", "--replace"),
        ("train x --verbose", "--verbose"),
        ("generate", "MODEL"),
        ("generate nothing", "nothing"),
        ("generate novel --max-new-tokens 0", "--max-new-tokens"),
        ("generate novel --temperature nan", "--temperature"),
        ("generate novel --temperature -1", "--temperature"),
        ("generate novel --top-k -1", "--top-k"),
        ("generate novel --top-p 2", "--top-p"),
        ("generate novel --top-p 0", "--top-p"),
        ("generate novel --min-p 1.5", "--min-p"),
        ("generate novel --repetition-penalty 0", "--repetition-penalty"),
        ("generate novel --seed -1", "--seed"),
        ("generate novel --stop=", "--stop"),
        ("generate novel --samples 0", "--samples"),
        ("generate novel --samples 100000", "--samples"),
        ("generate novel one two", "two"),
        ("eval nothing", "nothing"),
        ("show nothing", "nothing"),
        ("show novell", "Did you mean novel?"),
        ("show", "MODEL"),
        ("rename novel", "NAME"),
        ("rename novel a/b", "NAME"),
        ("rename nothing other", "nothing"),
        ("delete nothing", "nothing"),
        ("restore nothing", "nothing"),
        ("export novel --format onnx there", "--format"),
        ("import nothing", "nothing"),
        ("import nothing --name a/b", "--name"),
        ("export novel there", "--format"),
        ("models --yaml", "--yaml"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(gpt_tui: Callable, add_model: Callable, arguments: str, said: str) -> None:
    add_model("novel")
    outcome = gpt_tui(*arguments.split())
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("gpt-tui: ") and outcome.err.count("\n") == 1
    assert said in outcome.err and "Traceback" not in outcome.err
    assert [path.name for path in locations.models_dir().iterdir()] == ["novel"]


def test_what_goes_to_standard_error_cannot_command_the_terminal(gpt_tui: Callable) -> None:
    outcome = gpt_tui("show", "\x1b[31mred\r\nand more")
    assert outcome.status == 2
    assert "\x1b" not in outcome.err and "␛[31mred" in outcome.err and outcome.err.count("\n") == 1


def test_an_old_file_is_not_written_over(gpt_tui: Callable, add_model: Callable, tmp_path: Path) -> None:
    add_model("novel")
    old = tmp_path / "old.txt"
    old.write_text("mine")
    outcome = gpt_tui("generate", "novel", "Once", "--output", str(old))
    assert outcome.status == 2 and "--output" in outcome.err and old.read_text() == "mine"


def test_an_unexpected_failure_is_one_line_and_its_traceback_is_in_the_log(
    gpt_tui: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("the moon\nwas full")

    monkeypatch.setattr("engine.store.models.models", fail)
    outcome = gpt_tui("models")
    log = locations.logs_dir() / "gpt-tui.log"
    assert outcome.status == 1 and outcome.err.count("\n") == 1
    assert "the moon was full" in outcome.err and str(log) in outcome.err
    assert "Traceback" in log.read_text("utf-8")


def test_a_full_disk_is_a_failure_and_no_wrong_request(gpt_tui: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.errors import StorageError

    def fail(old: str, new: str) -> None:
        raise StorageError("No space left to write there: free some, then go on.")

    monkeypatch.setattr("engine.store.models.rename", fail)
    outcome = gpt_tui("rename", "novel", "draft")
    assert outcome.status == 1 and outcome.err.startswith("gpt-tui: No space left")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_log_that_cannot_be_written_adds_nothing_to_the_failure(
    gpt_tui: Callable, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("the moon was full")

    monkeypatch.setattr("engine.store.models.models", fail)
    locations.logs_dir().mkdir(parents=True)
    (locations.logs_dir() / "gpt-tui.log").symlink_to("/dev/full")
    outcome = gpt_tui("models")
    assert outcome.status == 1 and outcome.err.count("\n") == 1 and "Details" not in outcome.err
