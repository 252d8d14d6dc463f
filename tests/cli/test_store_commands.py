"""Lists and housekeeping: models, show, rename, delete, restore, corpora."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from engine import files, locations


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_help_is_what_one_gets_without_a_command(gpt_tui: Callable) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        outcome = gpt_tui(*arguments)
        assert outcome.status == 0 and "train" in outcome.out and "generate" in outcome.out and outcome.err == ""


@pytest.mark.parametrize(
    "command",
    ["train", "generate", "eval", "models", "show", "rename", "delete", "restore", "corpora", "export", "import"],
)
def test_every_command_explains_itself_with_examples(gpt_tui: Callable, command: str) -> None:
    outcome = gpt_tui(command, "--help")
    assert outcome.status == 0 and f"gpt-tui {command} " in outcome.out and "Examples" in outcome.out


def test_an_empty_store_says_how_to_begin(gpt_tui: Callable) -> None:
    outcome = gpt_tui("models")
    assert outcome.status == 0 and "gpt-tui train" in outcome.out
    assert gpt_tui("models", "--json").out == ""


def test_models_are_listed_and_damaged_ones_too(gpt_tui: Callable, add_model: Callable) -> None:
    add_model("novel")
    add_model("letters")
    (locations.models_dir() / "hollow").mkdir()
    out = gpt_tui("models").out
    assert "novel" in out and "2.250" in out and "1,200" in out
    assert "hollow is damaged: model.toml is missing" in out
    listed = lines(gpt_tui("models", "--json").out)
    assert [model["name"] for model in listed] == ["hollow", "letters", "novel"]
    assert listed[0]["problem"] and not listed[1]["problem"]
    assert listed[2]["summary"] == {"bits_per_byte": 2.25, "steps": 1200, "seconds": 61.0}


def test_a_model_in_training_is_marked(gpt_tui: Callable, add_model: Callable) -> None:
    folder = add_model("novel")
    with files.ModelLock(folder):
        assert "training now" in gpt_tui("models").out
        assert lines(gpt_tui("models", "--json").out)[0]["running"] is True
        assert "training now" in gpt_tui("show", "novel").out


def test_show_tells_everything(gpt_tui: Callable, add_model: Callable) -> None:
    folder = add_model("novel")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "400.safetensors").touch()
    out = gpt_tui("show", "novel").out
    for said in (
        str(folder),
        "400",
        "n_layer",
        "learning_rate",
        "/texts/novel.txt",
        "1.23 MB",
        "feed forward",
        "total",
    ):
        assert said in out, said
    (shown,) = lines(gpt_tui("show", str(folder), "--json").out)
    assert shown["checkpoints"] == [400] and shown["model"]["n_layer"] == 2  # type: ignore[index]
    parts = shown["parameters"]
    assert isinstance(parts, dict) and parts["total"] == sum(n for part, n in parts.items() if part != "total")


def test_a_damaged_model_is_refused_in_one_line(gpt_tui: Callable, add_model: Callable) -> None:
    path = add_model("novel") / "model.toml"
    path.write_text(path.read_text("utf-8").replace("n_layer = 2", "n_layer = -2"), "utf-8")
    for command in (["show", "novel"], ["generate", "novel"], ["eval", "novel"]):
        outcome = gpt_tui(*command)
        assert outcome.status == 2 and "n_layer" in outcome.err and outcome.err.count("\n") == 1


def test_what_is_not_a_number_is_null_in_json(gpt_tui: Callable, add_model: Callable) -> None:
    add_model("novel", summary={"bits_per_byte": float("nan")})
    (model,) = lines(gpt_tui("models", "--json").out)
    assert model["summary"] == {"bits_per_byte": None}


def test_control_characters_of_a_record_are_made_visible(gpt_tui: Callable, add_model: Callable) -> None:
    add_model("novel", summary={"sample": "one\x1b[2Jtwo\nthree\tfour\x9b5"})
    out = gpt_tui("show", "novel").out
    assert "one␛[2Jtwo" in out and "\x1b" not in out and "\x9b" not in out


def test_a_model_is_renamed_deleted_and_restored(gpt_tui: Callable, add_model: Callable) -> None:
    add_model("novel")
    assert gpt_tui("rename", "novel", "my draft").status == 0
    assert '"name": "my draft"' in gpt_tui("show", "my draft", "--json").out
    outcome = gpt_tui("delete", "my draft")
    assert outcome.status == 0 and "gpt-tui restore 'my draft'" in outcome.out
    assert gpt_tui("models", "--json").out == ""
    assert gpt_tui("restore", "my draft").status == 0
    assert lines(gpt_tui("models", "--json").out)[0]["name"] == "my draft"


def test_a_taken_name_is_refused(gpt_tui: Callable, add_model: Callable) -> None:
    add_model("novel")
    gpt_tui("delete", "novel")
    add_model("novel")
    add_model("draft")
    for command in (["restore", "novel"], ["rename", "novel", "draft"]):
        outcome = gpt_tui(*command)
        assert outcome.status == 2 and "there already" in outcome.err


def test_a_model_in_training_is_neither_renamed_nor_deleted(gpt_tui: Callable, add_model: Callable) -> None:
    folder = add_model("novel")
    with files.ModelLock(folder):
        for command in (["rename", "novel", "draft"], ["delete", "novel"]):
            outcome = gpt_tui(*command)
            assert outcome.status == 2 and "is changing this model" in outcome.err
    assert folder.is_dir()


def test_corpora_lists_what_ships_and_what_was_used(gpt_tui: Callable, add_model: Callable) -> None:
    add_model("novel")
    add_model("shipped", corpus={"name": "tales", "sources": ["tales"], "checksum": "cd"})
    outcome = gpt_tui("corpora")
    assert outcome.status == 0
    assert "tales" in outcome.out and "/texts/novel.txt" in outcome.out and "1.23 MB" in outcome.out
    found = {str(line["name"]): line for line in lines(gpt_tui("corpora", "--json").out)}
    assert found["novel"]["ships"] is False and found["novel"]["models"] == ["novel"]
    assert found["tales"]["models"] == ["shipped"]
