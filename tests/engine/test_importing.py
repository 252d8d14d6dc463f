"""Import: what transformers saved computes the same logits here, and what would not is refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from engine import files, locations
from engine.config import ModelConfig, TrainConfig
from engine.data.tokenizer import END_OF_TEXT, Tokenizer, train_tokenizer
from engine.errors import (
    ConfigError,
    DamagedModelError,
    EngineError,
    ModelNotFoundError,
    NameTakenError,
    RequestError,
    StorageError,
)
from engine.generation.language_model import load
from engine.model.gpt import GPT
from engine.store import checkpoint
from engine.store import models as store
from engine.store.formats.hugging_face import write_folder
from engine.store.importing import import_model
from engine.store.models import ModelRecord, read_record, write_record
from engine.training.trainer import train

transformers = pytest.importorskip("transformers")
transformers.utils.logging.disable_progress_bar()

TEXT = "Once upon a time, 1234 hens (and one café) said: “Hello, world!”\n\n\n\tDon't   go — yet…\r\n"
GPT2 = {"n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 4}
ROTARY = {
    "max_position_embeddings": 32,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", GPT2),
    "gpt2, untied": ("GPT2", {**GPT2, "tie_word_embeddings": False, "n_inner": 100, "layer_norm_epsilon": 1e-3}),
    "llama": ("Llama", {**ROTARY, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}),
    "llama, tied": ("Llama", {**ROTARY, "tie_word_embeddings": True, "head_dim": 12, "rms_norm_eps": 1e-3}),
    "qwen3": ("Qwen3", {**ROTARY, "head_dim": 16}),
    "qwen3, tied": ("Qwen3", {**ROTARY, "num_key_value_heads": 4, "head_dim": 8, "tie_word_embeddings": True}),
}
SHAPE: dict[str, Any] = {"block_size": 32, "n_layer": 2, "n_head": 4, "n_embd": 32}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer("bpe", [TEXT] * 4, 300)


def theirs_saved(name: str, folder: Path, vocab_size: int = 300, **saving: Any) -> Any:
    """A random model of transformers, none of whose parts is zero or one, saved in `folder`."""
    kind, shape = MODELS[name]
    config = getattr(transformers, f"{kind}Config")(vocab_size=vocab_size, eos_token_id=0, bos_token_id=0, **shape)
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder, **saving)
    return model


def edit(folder: Path, **changes: Any) -> None:
    """Change fields of config.json; None takes one out."""
    path = folder / "config.json"
    table = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not None}))


def assert_same_logits(ours: GPT, theirs: Any, vocab_size: int = 300) -> None:
    ids = torch.randint(vocab_size, (2, 32))
    with torch.no_grad():
        # float32 sums in another order; the logits are of the size of ten
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_what_transformers_saved_computes_the_same(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    theirs = theirs_saved(name, tmp_path / "theirs")
    tokenizer.save(tmp_path / "theirs/tokenizer.json")
    folder = import_model(tmp_path / "theirs")
    assert folder == locations.models_dir() / "theirs"
    model = load("theirs")
    assert_same_logits(model.model, theirs)
    assert model.tokenizer.checksum == tokenizer.checksum
    record = read_record(folder)
    assert record.model.parameter_counts()["total"] == sum(p.numel() for p in theirs.parameters())
    assert record.extra["imported_from"] == str(tmp_path / "theirs")
    assert sorted(path.name for path in folder.iterdir()) == ["model.toml", "tokenizer.json", "weights.safetensors"]
    assert isinstance(model.generate("Once", max_new_tokens=3, seed=1), str)


@pytest.mark.parametrize(("name", "dtype"), [("qwen3", "bfloat16"), ("gpt2", "float16")])
def test_sixteen_bits_in_several_files_become_float32(
    name: str, dtype: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    theirs = theirs_saved(name, tmp_path / "whole")
    theirs.to(getattr(torch, dtype)).save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    assert len(list((tmp_path / "parts").glob("model-*.safetensors"))) > 1
    tokenizer.save(tmp_path / "parts/tokenizer.json")
    import_model(tmp_path / "parts", name="mine")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "parts", dtype=torch.float32)
    assert_same_logits(load("mine").model, theirs)
    assert load("mine").model.embedding.weight.dtype == torch.float32


def test_a_model_without_prefixes_and_with_masks_as_the_first_gpt2_was_saved(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    theirs = theirs_saved("gpt2", tmp_path / "m")
    tensors = load_file(tmp_path / "m/model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    bare |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 32, 32) for layer in range(2)}
    save_file(bare, tmp_path / "m/model.safetensors")
    tokenizer.save(tmp_path / "m/tokenizer.json")
    import_model(tmp_path / "m")
    assert_same_logits(load("m").model, theirs)


@pytest.mark.parametrize("kind", ["bpe", "byte", "word"])
@pytest.mark.parametrize(
    "shape",
    [
        {"family": "gpt2", "dropout": 0.1, "n_ff": 100},
        {"family": "gpt2", "tie_embeddings": True},
        {"n_kv_head": 2, "norm_eps": 1e-3, "rope_theta": 500.0, "dropout": 0.2},
        {"qk_norm": False, "head_dim": 12, "tie_embeddings": True},
    ],
)
def test_out_and_in_again_changes_nothing(kind: str, shape: dict[str, Any], tmp_path: Path) -> None:
    tokenizer = train_tokenizer(kind, [TEXT] * 4, 300)
    torch.manual_seed(1)
    ours = GPT(ModelConfig(vocab_size=tokenizer.vocab_size, **SHAPE, **shape)).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    folder = import_model(write_folder(ours, tokenizer, tmp_path / "out"))
    again = checkpoint.load_model(folder)
    assert again.config == ours.config
    for (name, one), (_, other) in zip(ours.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    assert (folder / "tokenizer.json").read_bytes() == (tmp_path / "out/tokenizer.json").read_bytes()
    assert load(folder).tokenizer.kind == kind and load(folder).tokenizer.cuts_as_ours


# What is refused


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("llama", {"model_type": "mistral"}, "model_type"),
        ("llama", {"model_type": ["llama"]}, "model_type"),
        ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "architectures"),
        ("llama", {"auto_map": {"AutoModelForCausalLM": "theirs.Model"}}, "auto_map"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
        ("llama", {"attention_bias": True}, "attention_bias"),
        ("llama", {"mlp_bias": True}, "mlp_bias"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act"),
        ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling"),
        ("llama", {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling"),
        ("llama", {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "rope_scaling"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ("llama", {"rope_theta": 7.0}, "rope_theta: it is given twice"),
        ("llama", {"hidden_size": "32"}, "n_embd: '32' is not a whole number"),
        ("llama", {"num_hidden_layers": None}, "num_hidden_layers"),
        ("llama", {"num_key_value_heads": 3}, "n_kv_head"),
        ("llama", {"tie_word_embeddings": True, "num_hidden_layers": 1}, "has no place"),
        ("llama", {"num_hidden_layers": 3}, "lack model.layers.2"),
        ("llama", {"vocab_size": 299}, "[300, 32], and after config.json it should be [299, 32]"),
        ("qwen3", {"use_sliding_window": True, "sliding_window": 16, "layer_types": None}, "sliding_window"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "sliding_window"),
        ("gpt2", {"activation_function": "relu"}, "activation_function"),
        ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention"),
        ("gpt2, untied", {"n_inner": None}, "c_fc.weight"),
    ],
)
def test_another_arithmetic_is_refused_in_one_line(
    name: str, changes: dict[str, Any], said: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    theirs_saved(name, tmp_path / "m")
    tokenizer.save(tmp_path / "m/tokenizer.json")
    edit(tmp_path / "m", **changes)
    with pytest.raises(EngineError) as raised:
        import_model(tmp_path / "m")
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert isinstance(raised.value, RequestError)
    assert not list(locations.models_dir().glob("*"))


def break_index(folder: Path, names: Any) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


DAMAGES: dict[str, Any] = {
    "pickles": lambda m: (m / "model.safetensors").rename(m / "pytorch_model.bin"),
    "cut off": lambda m: (m / "model.safetensors").write_bytes((m / "model.safetensors").read_bytes()[:999]),
    "is missing": lambda m: break_index(m, {"lm_head.weight": "model-2.safetensors"}),
    "names no safetensors": lambda m: break_index(m, {"lm_head.weight": "../elsewhere.safetensors"}),
    "index.json is damaged": lambda m: (m / "model.safetensors.index.json").write_text("{"),
    "config.json is damaged": lambda m: (m / "config.json").write_text("[" * 100_000),
    "config.json is damaged: it holds no table": lambda m: (m / "config.json").write_text("[]"),
    "tokenizer.json: missing": lambda m: (m / "tokenizer.json").unlink(),
    "tokenizer.json: damaged": lambda m: (m / "tokenizer.json").write_text('{"model": 1}'),
    "only F32, BF16, F16": lambda m: save_file(
        {name: tensor.double() for name, tensor in load_file(m / "model.safetensors").items()}, m / "model.safetensors"
    ),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_damaged_folders_are_refused_in_one_line(said: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    theirs_saved("llama", tmp_path / "m")
    tokenizer.save(tmp_path / "m/tokenizer.json")
    DAMAGES[said](tmp_path / "m")
    with pytest.raises(RequestError) as raised:
        import_model(tmp_path / "m")
    message = str(raised.value)
    assert (said in message or said == "cut off") and "\n" not in message and len(message) < 400
    assert not list(locations.models_dir().glob("*"))


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    theirs_saved("llama", tmp_path / "m", vocab_size=280)
    tokenizer.save(tmp_path / "m/tokenizer.json")
    with pytest.raises(DamagedModelError, match=r"has \d+ tokens, the model 280"):
        import_model(tmp_path / "m")


def test_where_no_model_lies(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.gguf").touch()
    for source, said in (("missing", "no such folder"), ("empty", "neither a config.json"), ("m.gguf", "GGUF")):
        with pytest.raises(RequestError, match=said):
            import_model(tmp_path / source)
    with pytest.raises(ModelNotFoundError):
        import_model("a\0b")


def test_names_are_checked_and_numbered(tokenizer: Tokenizer, tmp_path: Path) -> None:
    theirs_saved("llama", tmp_path / "-my model!")
    tokenizer.save(tmp_path / "-my model!/tokenizer.json")
    assert import_model(tmp_path / "-my model!").name == "my-model"
    assert import_model(tmp_path / "-my model!").name == "my-model-2"
    with pytest.raises(NameTakenError):
        import_model(tmp_path / "-my model!", name="my-model")
    with pytest.raises(ConfigError, match="path"):
        import_model(tmp_path / "-my model!", name="../x")
    assert sorted(path.name for path in locations.models_dir().iterdir()) == ["my-model", "my-model-2"]


def test_a_full_disk_leaves_nothing(tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs_saved("llama", tmp_path / "m")
    tokenizer.save(tmp_path / "m/tokenizer.json")

    def full_disk(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(StorageError, match="No space"):
        import_model(tmp_path / "m")
    assert not list(locations.models_dir().iterdir())


# Tokenizers of others


def trained_elsewhere(*, split: Any = None, normalizer: Any = None, end: str = END_OF_TEXT, **level: Any) -> Any:
    """Byte-level BPE as others train it: the ends come last, and blank lines are cut otherwise than here."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(level.pop("add_prefix_space", False), use_regex=split is None)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level]) if split else byte_level
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=360, initial_alphabet=alphabet, show_progress=False, special_tokens=[])
    tokenizer.train_from_iterator([TEXT, "\n\n\n\n Once\n\n\n"] * 9, trainer)
    tokenizer.add_special_tokens([end, "<|more|>"])
    tokenizer.post_processor = processors.TemplateProcessing(f"{end} $A", special_tokens=[(end, 300)])
    tokenizer.enable_truncation(5)
    return tokenizer


LLAMA_3 = pre_tokenizers.Split(
    tokenizers.Regex(r"(?i:'s|'t|'ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"),
    "isolated",
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"end": "<|end_of_text|>"},
        {"split": LLAMA_3, "end": "</s>"},
        {"split": LLAMA_3, "normalizer": normalizers.NFC()},
    ],
)
def test_byte_level_tokenizers_of_others_give_their_tokens(options: dict[str, Any], tmp_path: Path) -> None:
    library = trained_elsewhere(**options)
    end = library.token_to_id(options.get("end", END_OF_TEXT))
    theirs_saved("llama", tmp_path / "m", vocab_size=400)
    edit(tmp_path / "m", eos_token_id=[end, 1])
    library.save(str(tmp_path / "m/tokenizer.json"))
    library.no_truncation()
    import_model(tmp_path / "m")
    model = load("m")
    ours = model.tokenizer
    assert not ours.cuts_as_ours and ours.kind == "bpe" and ours.end_of_text == end
    for text in (TEXT, "Once", "\n\n\n\n Once", "a\n\n\nb" * 2000, "hens" + END_OF_TEXT, "<|more|>"):
        library.encode_special_tokens = True
        assert ours.encode(text) == library.encode(text, add_special_tokens=False).ids
        assert ours.encode_batch([text, text]) == [ours.encode(text)] * 2
        assert ours.decode(ours.encode(text)) == text
        assert end not in ours.encode(text)
    assert ours.token_bytes(end) == b""
    assert "".join(token.text for token in model.stream("Once upon a ti", max_new_tokens=5, seed=1)) is not None


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: trained_elsewhere(normalizer=normalizers.Lowercase()), "changes the text first"),
        (lambda: trained_elsewhere(add_prefix_space=True), "puts a space"),
        (lambda: tokenizers.Tokenizer(models.Unigram([("a", 0.0)])), "it is a Unigram tokenizer"),
        (lambda: tokenizers.Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), "it is a WordLevel tokenizer"),
        (lambda: tokenizers.Tokenizer(models.BPE({"a": 0}, [])), "does not work on bytes"),
        (lambda: trained_elsewhere(end="</s>"), "no token that ends a text"),
    ],
)
def test_other_tokenizers_are_refused_in_one_line(made: Any, said: str, tmp_path: Path) -> None:
    theirs_saved("llama", tmp_path / "m", vocab_size=400)
    made().save(str(tmp_path / "m/tokenizer.json"))
    with pytest.raises(RequestError, match=said) as raised:
        import_model(tmp_path / "m")
    assert "\n" not in str(raised.value) and not isinstance(raised.value, DamagedModelError)
    assert not list(locations.models_dir().glob("*"))


def test_one_trains_on_from_an_imported_model(prose: Path, tmp_path: Path) -> None:
    theirs_saved("qwen3", tmp_path / "m", vocab_size=400)  # more ids than the tokenizer knows
    trained_elsewhere().save(str(tmp_path / "m/tokenizer.json"))
    import_model(tmp_path / "m")
    events = list(train(prose, steps=3, from_model="m", device="cpu", settings=["batch_size=2"]))
    assert events[-1].event == "end"
    assert load("prose").config == load("m").config


# Our own folders


def add_own(tokenizer: Tokenizer, folder: Path) -> GPT:
    model = GPT(ModelConfig(vocab_size=tokenizer.vocab_size, **SHAPE)).eval()
    corpus, summary = {"name": "novel"}, {"steps": 5}
    record = ModelRecord("novel", "2026-01-01T00:00:00Z", 1, corpus, summary, model.config, TrainConfig())
    folder.mkdir(parents=True)
    write_record(folder, record)
    checkpoint.save_tensors(folder / checkpoint.WEIGHTS, checkpoint.weights_of(model))
    checkpoint.save_moment(folder, checkpoint.weights_of(model), 5, 2)
    tokenizer.save(folder / checkpoint.TOKENIZER)
    (folder / "run").mkdir()
    (folder / "run/events.jsonl").write_text("{}\n")
    (folder / "evil.bin").write_text("pickle")
    return model


def test_a_folder_of_our_own_comes_in_with_all_that_belongs_to_it(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = add_own(tokenizer, tmp_path / "elsewhere/novel")
    with files.ModelLock(tmp_path / "elsewhere/novel"):
        folder = import_model(tmp_path / "elsewhere/novel", name="mine")
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == [
        "checkpoints/5.safetensors",
        "model.toml",
        "run/events.jsonl",
        "tokenizer.json",
        "weights.safetensors",
    ]
    record = read_record(folder)
    assert (record.name, record.created, record.summary) == ("mine", "2026-01-01T00:00:00Z", {"steps": 5})
    assert 'name = "mine"' in (folder / "model.toml").read_text()
    ids = torch.arange(10)[None]
    assert torch.equal(load("mine", checkpoint=5).model(ids), model(ids))


@pytest.mark.parametrize("file", ["weights.safetensors", "model.toml", "tokenizer.json"])
def test_a_damaged_folder_of_our_own_is_refused(file: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    add_own(tokenizer, tmp_path / "novel")
    (tmp_path / "novel" / file).write_bytes((tmp_path / "novel" / file).read_bytes()[:50])
    with pytest.raises(DamagedModelError):
        import_model(tmp_path / "novel")
    assert not list(locations.models_dir().glob("*"))


def test_a_tokenizer_of_another_model_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    theirs_saved("llama", tmp_path / "m")
    tokenizer.save(tmp_path / "m/tokenizer.json")
    folder = import_model(tmp_path / "m")
    train_tokenizer("bpe", ["other " + TEXT] * 4, 280).save(folder / "tokenizer.json")
    with pytest.raises(DamagedModelError, match=r"tokenizer\.json is not the one"):
        load("m")
    text = (folder / "model.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("tokenizer_checksum")]
    (folder / "model.toml").write_text("\n".join(lines))  # as earlier versions wrote it
    assert load("m").tokenizer.vocab_size == 280
    assert store.read_record(folder).tokenizer_checksum == ""
