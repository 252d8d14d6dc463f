"""GGUF: what llama.cpp's own reader finds in the file, and, where llama.cpp is installed, what it computes from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers

from engine.config import ModelConfig
from engine.data.tokenizer import END_OF_TEXT, Tokenizer, train_tokenizer
from engine.errors import RequestError, StorageError
from engine.model.gpt import GPT
from engine.store.formats import gguf
from engine.store.formats.gguf import write_file

reading = pytest.importorskip("gguf")

TEXT = "Once upon a time, 1234 hens (and one café) said: “Hello, world!”\n\n\tDon't   go — yet…\n"
SHAPE: dict[str, Any] = {"block_size": 32, "n_layer": 2, "n_head": 4, "n_embd": 32}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {"family": "gpt2", "n_ff": 100, "norm_eps": 1e-3}),
    "gpt2, tied": ("gpt2", {"family": "gpt2", "tie_embeddings": True}),
    "qwen3": ("qwen3", {"n_kv_head": 2, "rope_theta": 500.0, "norm_eps": 1e-3}),
    "qwen3, tied": ("qwen3", {"head_dim": 12, "tie_embeddings": True}),
    "llama": ("llama", {"n_kv_head": 2, "qk_norm": False, "rope_theta": 500.0}),
    "llama, tied": ("llama", {"head_dim": 12, "qk_norm": False, "tie_embeddings": True}),
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer("bpe", [TEXT] * 4, 300)


def random_model(vocab_size: int, **shape: Any) -> GPT:
    torch.manual_seed(4)
    model = GPT(ModelConfig(vocab_size=vocab_size, **SHAPE, **shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def metadata(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in reading.GGUFReader(path).fields.items()}


@pytest.mark.parametrize("name", MODELS)
def test_the_reader_of_llama_cpp_finds_the_model(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    kind, shape = MODELS[name]
    model = random_model(tokenizer.vocab_size, **shape)
    path = write_file(model, tokenizer, tmp_path / "m.gguf", name="my novel")
    told, config = metadata(path), model.config
    assert told["GGUF.version"] == 3
    assert (told["general.architecture"], told["general.name"], told["general.file_type"]) == (kind, "my novel", 1)
    assert told[f"{kind}.context_length"] == 32
    assert told[f"{kind}.embedding_length"] == 32
    assert told[f"{kind}.block_count"] == 2
    assert told[f"{kind}.feed_forward_length"] == config.n_ff
    assert told[f"{kind}.attention.head_count"] == 4
    assert told[f"{kind}.attention.head_count_kv"] == config.n_kv_head
    if kind == "gpt2":
        assert told["gpt2.attention.layer_norm_epsilon"] == pytest.approx(config.norm_eps)
    else:
        assert told[f"{kind}.attention.layer_norm_rms_epsilon"] == pytest.approx(config.norm_eps)
        assert told[f"{kind}.rope.freq_base"] == config.rope_theta
        assert told[f"{kind}.rope.dimension_count"] == told[f"{kind}.attention.key_length"] == config.head_dim


@pytest.mark.parametrize("name", MODELS)
def test_the_tensors_have_llama_cpps_names_and_our_numbers(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    kind, shape = MODELS[name]
    model = random_model(tokenizer.vocab_size, **shape)
    config, ours = model.config, {key: value.detach() for key, value in model.named_parameters()}
    path = write_file(model, tokenizer, tmp_path / "m.gguf", name="m")
    stored = {tensor.name: tensor for tensor in reading.GGUFReader(path).tensors}
    for tensor in stored.values():
        long = tensor.data.ndim > 1 and not tensor.name.startswith("position")
        assert tensor.tensor_type.name == ("F16" if long else "F32")
        assert tensor.data_offset % 32 == 0

    def same(theirs: str, expected: torch.Tensor) -> None:
        data = torch.from_numpy(np.array(stored[theirs].data))
        assert torch.equal(data, expected.to(data.dtype)), theirs

    same("token_embd.weight", ours["embedding.weight"])
    same("output_norm.weight", ours["norm.weight"])
    same("blk.1.ffn_down.weight", ours["blocks.1.feed_forward.down.weight"])
    same("blk.1.attn_output.weight", ours["blocks.1.attention.output.weight"])
    same("blk.0.ffn_norm.weight", ours["blocks.0.feed_forward_norm.weight"])
    assert ("output.weight" in stored) == (not config.tie_embeddings)
    if kind == "gpt2":
        same("position_embd.weight", ours["positions.weight"])
        same("blk.1.attn_qkv.weight", ours["blocks.1.attention.qkv.weight"])
        same("blk.1.attn_qkv.bias", ours["blocks.1.attention.qkv.bias"])
        assert len(stored) == len(ours)
        return
    query, key, value = ours["blocks.1.attention.qkv.weight"].split(
        [count * config.head_dim for count in (config.n_head, config.n_kv_head, config.n_kv_head)]
    )
    same("blk.1.attn_v.weight", value)
    gate, up = ours["blocks.1.feed_forward.up.weight"].chunk(2)
    same("blk.1.ffn_gate.weight", gate)
    same("blk.1.ffn_up.weight", up)
    half = config.head_dim // 2
    if kind == "qwen3":
        same("blk.1.attn_q.weight", query)
        same("blk.1.attn_k_norm.weight", ours["blocks.1.attention.key_norm.weight"])
    else:  # the two that are turned together: side by side
        stored_query = torch.from_numpy(np.array(stored["blk.1.attn_q.weight"].data))
        for row in range(config.n_head * half):
            head, place = divmod(row, half)
            first = head * config.head_dim + place
            assert torch.equal(stored_query[2 * row], query[first].half())
            assert torch.equal(stored_query[2 * row + 1], query[first + half].half())
        assert stored["blk.1.attn_k.weight"].data.shape == tuple(key.shape)


def test_the_tokenizer_is_told_as_llama_cpp_expects_it(tokenizer: Tokenizer, tmp_path: Path) -> None:
    told = metadata(write_file(random_model(310), tokenizer, tmp_path / "m.gguf", name="m"))
    tokens, types = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"]
    assert told["tokenizer.ggml.model"] == "gpt2" and told["tokenizer.ggml.pre"] == "gpt-4o"
    assert len(tokens) == len(types) == 310 and len(set(tokens)) == 310
    assert tokens[0] == END_OF_TEXT and types[0] == reading.TokenType.CONTROL
    known = tokenizer.vocab_size
    assert set(types[1:known]) == {reading.TokenType.NORMAL}
    assert set(types[known:]) == {reading.TokenType.UNUSED}  # ids that only the model has
    assert tokens[1:known] == [tokenizer.library.id_to_token(id_) for id_ in range(1, known)]
    assert len(told["tokenizer.ggml.merges"]) == known - 257
    assert all(len(merge.split(" ")) == 2 for merge in told["tokenizer.ggml.merges"])
    for which in ("bos", "eos", "eot", "padding"):
        assert told[f"tokenizer.ggml.{which}_token_id"] == 0
    assert told["tokenizer.ggml.add_bos_token"] is False


def test_numbers_too_large_for_16_bits_stay_float32(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = random_model(tokenizer.vocab_size)
    with torch.no_grad():
        model.head.weight[3, 3] = 1e6
    path = write_file(model, tokenizer, tmp_path / "m.gguf", name="m")
    head = next(tensor for tensor in reading.GGUFReader(path).tensors if tensor.name == "output.weight")
    assert head.data[3, 3] == 1e6


def test_words_are_refused(tmp_path: Path) -> None:
    words = train_tokenizer("word", [TEXT], 60)
    with pytest.raises(RequestError, match="no word tokenizers"):
        write_file(random_model(words.vocab_size), words, tmp_path / "m.gguf", name="m")
    assert not (tmp_path / "m.gguf").exists()


def test_tokenizers_of_others_are_named_or_refused(tmp_path: Path) -> None:
    alphabet = {character: id_ for id_, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    digits = pre_tokenizers.Digits(individual_digits=True)
    level, bare = pre_tokenizers.ByteLevel(False), pre_tokenizers.ByteLevel(False, use_regex=False)
    llama = pre_tokenizers.Split(tokenizers.Regex(next(iter(gguf._PATTERNS))), "isolated")
    odd = pre_tokenizers.Split(tokenizers.Regex("a+"), "isolated")
    named = {"gpt-2": [level], "smollm": [digits, level], "llama-bpe": [llama, bare], "": [odd, bare]}
    for name, split in named.items():
        library = tokenizers.Tokenizer(models.BPE(alphabet, []))
        library.pre_tokenizer = pre_tokenizers.Sequence(split)
        library.decoder = decoders.ByteLevel()
        library.add_special_tokens([END_OF_TEXT])
        theirs = Tokenizer(library)
        if name:
            path = write_file(random_model(300), theirs, tmp_path / f"{name}.gguf", name="m")
            assert metadata(path)["tokenizer.ggml.pre"] == name
        else:
            with pytest.raises(RequestError, match="no way of cutting"):
                write_file(random_model(300), theirs, tmp_path / "odd.gguf", name="m")


def test_what_is_there_is_not_written_over(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = random_model(tokenizer.vocab_size)
    (tmp_path / "old.gguf").write_text("mine")
    for name, said in (("old.gguf", "a file lies there"), (".", "this is a folder")):
        with pytest.raises(RequestError, match=said):
            write_file(model, tokenizer, tmp_path / name, name="m")
    assert (tmp_path / "old.gguf").read_text() == "mine"


def test_what_fails_halfway_leaves_nothing(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(gguf, "_write", full_disk)
    with pytest.raises(StorageError, match="No space"):
        write_file(random_model(tokenizer.vocab_size), tokenizer, tmp_path / "m.gguf", name="m")
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


@pytest.mark.parametrize("kind", ["bpe", "byte"])
@pytest.mark.parametrize("name", MODELS)
def test_llama_cpp_computes_the_same(name: str, kind: str, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    tokenizer = train_tokenizer(kind, [TEXT] * 4, 300)
    model = random_model(tokenizer.vocab_size, **MODELS[name][1])
    path = write_file(model, tokenizer, tmp_path / "m.gguf", name="m")
    theirs = llama_cpp.Llama(str(path), n_ctx=32, logits_all=True, verbose=False, n_threads=1)
    ids = torch.randint(tokenizer.vocab_size, (32,)).tolist()
    theirs.eval(ids)
    with torch.no_grad():
        ours = model(torch.tensor([ids]))[0]
    logits = torch.from_numpy(np.array(theirs.scores[:32]))
    # their weights, keys and values have 11 bits: a thousandth of logits of the size of ten, summed over two layers
    torch.testing.assert_close(logits, ours, atol=0.1, rtol=0)
    assert theirs.tokenize(TEXT.encode(), add_bos=False, special=False)
    for text in ("Once upon a time", TEXT):
        if kind == "byte" or text != TEXT:
            assert theirs.tokenize(text.encode(), add_bos=False, special=False) == tokenizer.encode(text)
        assert theirs.detokenize(tokenizer.encode(text)).decode() == text
    assert theirs.token_eos() == tokenizer.end_of_text
