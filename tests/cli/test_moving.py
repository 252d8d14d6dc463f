"""Models out and in: export and import, as a user types them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def test_out_to_transformers_and_in_again(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    outcome = gpt_tui("export", "novel", "--format", "hf", str(tmp_path / "novel-hf"))
    assert outcome.status == 0 and "transformers" in outcome.out
    assert (tmp_path / "novel-hf/model.safetensors").exists()
    outcome = gpt_tui("import", str(tmp_path / "novel-hf"))
    assert outcome.status == 0 and 'gpt-tui generate novel-hf "Once' in outcome.out
    written = [
        gpt_tui("generate", name, "On day", "--seed", "1", "--max-new-tokens", "9") for name in ("novel", "novel-hf")
    ]
    assert written[0].out == written[1].out and written[0].status == 0
    assert json.loads(gpt_tui("show", "novel-hf", "--json").out)["imported_from"] == str(tmp_path / "novel-hf")
    assert "novel-hf" in gpt_tui("models").out and "novel-hf" in gpt_tui("show", "novel-hf").out
    assert gpt_tui("eval", "novel-hf").status == 2  # it brought no text of its own


def test_out_to_llama_cpp(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    outcome = gpt_tui("export", "novel", "--format", "gguf", str(tmp_path / "novel.gguf"))
    assert outcome.status == 0 and "llama.cpp" in outcome.out
    assert (tmp_path / "novel.gguf").read_bytes()[:4] == b"GGUF"
    again = gpt_tui("export", "novel", "--format", "gguf", str(tmp_path / "novel.gguf"))
    assert again.status == 2 and "a file lies there" in again.err and again.err.count("\n") == 1


def test_a_model_of_another_machine_comes_in_under_a_name(gpt_tui: Callable, novel: Path, tmp_path: Path) -> None:
    shutil.copytree(novel, tmp_path / "usb/novel")
    assert gpt_tui("import", str(tmp_path / "usb/novel"), "--name", "novel").status == 2
    outcome = gpt_tui("import", str(tmp_path / "usb/novel"), "--name", "my copy")
    assert outcome.status == 0 and "gpt-tui generate 'my copy'" in outcome.out
    assert gpt_tui("eval", "my copy").out == gpt_tui("eval", "novel").out


@pytest.mark.parametrize(("config", "said"), [({"model_type": "bert"}, "model_type"), ({}, "model_type")])
def test_what_cannot_be_imported_is_told_in_one_line(
    gpt_tui: Callable, tmp_path: Path, home: Path, config: dict, said: str
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").write_text(json.dumps(config))
    outcome = gpt_tui("import", str(tmp_path / "m"))
    assert outcome.status == 2 and said in outcome.err and outcome.err.count("\n") == 1 and outcome.out == ""
    assert not (home / "models").exists() or not list((home / "models").iterdir())
