"""Export: transformers, with no code of ours, computes the same logits and reads the same tokens."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import locations
from engine.config import ModelConfig, TrainConfig
from engine.data.tokenizer import Tokenizer, train_tokenizer
from engine.errors import ModelNotFoundError, RequestError, StorageError
from engine.generation.language_model import LanguageModel
from engine.model.gpt import GPT
from engine.store import checkpoint
from engine.store.formats import hugging_face
from engine.store.formats.hugging_face import export, write_folder
from engine.store.models import ModelRecord, write_record

transformers = pytest.importorskip("transformers")

TEXT = "Once upon a time, 1234 hens (and one café) said: “Hello, world!”\n\n\tDon't   go — yet…\r\n"
SHAPE: dict[str, Any] = {"block_size": 32, "n_layer": 2, "n_head": 4, "n_embd": 32}
MODELS = {
    "gpt2": ("GPT2LMHeadModel", {"family": "gpt2", "dropout": 0.1, "n_ff": 100, "norm_eps": 1e-3}),
    "gpt2, tied": ("GPT2LMHeadModel", {"family": "gpt2", "tie_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", {"n_kv_head": 2, "norm_eps": 1e-3, "rope_theta": 500.0}),
    "qwen3, tied": ("Qwen3ForCausalLM", {"n_kv_head": 1, "head_dim": 12, "tie_embeddings": True}),
    "llama": ("LlamaForCausalLM", {"n_kv_head": 2, "qk_norm": False, "rope_theta": 500.0}),
    "llama, tied": ("LlamaForCausalLM", {"qk_norm": False, "head_dim": 12, "tie_embeddings": True}),
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer("bpe", [TEXT] * 4, 300)


def _model(tokenizer: Tokenizer, **shape: Any) -> GPT:
    """A model none of whose parts is zero or one, as they are at the beginning."""
    torch.manual_seed(4)
    model = GPT(ModelConfig(vocab_size=tokenizer.vocab_size, **SHAPE, **shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_transformers_computes_the_same(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    kind, shape = MODELS[name]
    ours = _model(tokenizer, **shape)
    folder = write_folder(ours, tokenizer, tmp_path / "exported")
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert type(theirs).__name__ == kind
    assert not any(report[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert sum(parameter.numel() for parameter in theirs.parameters()) == ours.config.parameter_counts()["total"]
    ids = torch.randint(tokenizer.vocab_size, (2, 32))
    torch.testing.assert_close(theirs.eval()(ids).logits, ours(ids), atol=1e-4, rtol=0)
    assert theirs.dtype == torch.float32


@pytest.mark.parametrize("name", ["gpt2, tied", "qwen3", "llama"])
def test_transformers_writes_the_same(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    ours = _model(tokenizer, **MODELS[name][1])
    theirs = transformers.AutoModelForCausalLM.from_pretrained(write_folder(ours, tokenizer, tmp_path / "exported"))
    ids = tokenizer.encode("Once upon a time,")
    written = theirs.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, eos_token_id=None)[0, len(ids) :]
    stream = LanguageModel(ours, tokenizer, documents=2).stream("Once upon a time,", temperature=0, max_new_tokens=12)
    ours_written = [token.id for token in stream]
    assert written.tolist()[: len(ours_written)] == ours_written
    assert (
        len(ours_written) == 12 or ours_written[-1] == tokenizer.end_of_text
    )  # where ours ends, theirs was told not to


@pytest.mark.parametrize("kind", ["bpe", "byte", "word"])
@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
def test_transformers_reads_the_same_tokens(kind: str, family: str, tmp_path: Path) -> None:
    ours = train_tokenizer(kind, [TEXT] * 4, 300)
    theirs = transformers.AutoTokenizer.from_pretrained(write_folder(_model(ours, family=family), ours, tmp_path / "x"))
    for text in (TEXT, "Once", " time,  ", " hens<|endoftext|>hens", "Once a zeppelin", "Once \U0001f980", ""):
        assert theirs(text)["input_ids"] == ours.encode(text)
        if kind != "word":
            assert theirs.decode(ours.encode(text)) == text
    assert theirs.eos_token_id == theirs.bos_token_id == theirs.pad_token_id == ours.end_of_text
    assert theirs.unk_token_id == ours.unknown
    assert len(theirs) == ours.vocab_size
    assert theirs.model_max_length == 32
    assert theirs.decode([ours.end_of_text], skip_special_tokens=True) == ""


def test_the_folder_holds_what_others_look_for(tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = write_folder(_model(tokenizer), tokenizer, tmp_path / "deep" / "down")
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["eos_token_id"] == tokenizer.end_of_text
    assert config["max_position_embeddings"] == 32
    assert [path.name for path in folder.parent.iterdir()] == ["down"]


def test_weights_that_lie_otherwise_in_memory_are_written_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = _model(tokenizer)
    plain = write_folder(model, tokenizer, tmp_path / "plain")
    model.head.weight.data = model.head.weight.data.t().contiguous().t()
    turned = write_folder(model, tokenizer, tmp_path / "turned")
    assert (plain / "model.safetensors").read_bytes() == (turned / "model.safetensors").read_bytes()


def test_a_destination_with_something_in_it_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model, full, file = _model(tokenizer), tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "letter.txt").write_text("dear")
    file.write_text("dear")
    for destination in (full, file):
        with pytest.raises(RequestError, match=destination.name):
            write_folder(model, tokenizer, destination)
    assert [path.name for path in full.iterdir()] == ["letter.txt"] and file.read_text() == "dear"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (write_folder(model, tokenizer, empty) / "config.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["empty", "file", "full"]


def test_what_fails_halfway_leaves_nothing(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(hugging_face, "save_file", full_disk)
    with pytest.raises(StorageError, match="No space"):
        write_folder(_model(tokenizer), tokenizer, tmp_path / "half")
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


def test_a_stored_model_is_exported_with_the_weights_asked_for(tokenizer: Tokenizer, tmp_path: Path) -> None:
    best, early = _model(tokenizer), _model(tokenizer)
    with torch.no_grad():
        early.head.weight.mul_(2.0)
    folder = locations.models_dir() / "novel"
    folder.mkdir(parents=True)
    write_record(folder, ModelRecord("novel", "2026-01-01T00:00:00Z", 1, {}, {}, best.config, TrainConfig(steps=1)))
    checkpoint.save_tensors(folder / checkpoint.WEIGHTS, checkpoint.weights_of(best))
    checkpoint.save_tensors(folder / checkpoint.moment(5), checkpoint.weights_of(early))
    tokenizer.save(folder / checkpoint.TOKENIZER)
    ids = torch.arange(10)[None]
    for destination, chosen, model in ((tmp_path / "a", "best", best), (tmp_path / "b", 5, early)):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(export(folder, destination, checkpoint=chosen))
        with torch.no_grad():
            torch.testing.assert_close(theirs(ids).logits, model(ids), atol=1e-4, rtol=0)
    with pytest.raises(ModelNotFoundError, match="checkpoint"):
        export(folder, tmp_path / "c", checkpoint=6)
    assert not (tmp_path / "c").exists()
