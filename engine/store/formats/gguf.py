"""A model as one GGUF file (version 3), which llama.cpp and what is built on it run.

`qwen3` becomes llama.cpp's architecture of that name, without the QK norm its `llama`, and `gpt2` its `gpt2`. Matrices
are written as 16-bit floats, as llama.cpp's own converter does; vectors and positions as float32.

Tokens: llama.cpp cuts a prompt by one of the patterns that it knows, before it merges bytes. That of GPT-4o comes next
to ours: of the tokens of novels 0 to 0.3% fall otherwise (0.9% of program code), because it cuts the space off before a
number, and a word where a capital follows a small letter ('McDonald'). Bytes are not merged, and so are the same.
Words are no bytes, and cannot be written. What is generated reads the same everywhere.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.data.tokenizer import Tokenizer
from engine.errors import RequestError
from engine.files import replacing, storage_error
from engine.locations import expanded
from engine.model.gpt import GPT
from engine.store.checkpoint import load_model, load_tokenizer
from engine.store.formats.architecture import kind_of, places

_ALIGNMENT = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_PACKED = {_UINT32: "<I", _INT32: "<i", _FLOAT32: "<f", _BOOL: "<?"}
_F32, _F16 = 0, 1
_LARGEST_F16 = 65_504.0
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5

_OURS_CUTS_LIKE = "gpt-4o"
_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PATTERNS = {_LETTERS + r"\p{N}{1,3}" + _REST: "llama-bpe", _LETTERS + r"\p{N}" + _REST: "qwen2"}
"""What tokenizers of others cut by, and llama.cpp's name for it."""

_NAMES = {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
_IN_BLOCKS = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


class Entry(NamedTuple):
    """A key of the file's metadata: the type of its value, or of each of them."""

    key: str
    type: int
    value: Any


def export(folder: Path, destination: Path, *, checkpoint: str | int = "best") -> Path:
    """Write the model in `folder` (one of our own) to the file `destination`; returns where it lies now.

    Raises `RequestError` when something lies there or llama.cpp cannot run such a model, `DamagedModelError`,
    `ModelNotFoundError` or `StorageError`.
    """
    refuse_what_is_there(destination)
    return write_file(load_model(folder, checkpoint), load_tokenizer(folder), destination, name=folder.name)


def refuse_what_is_there(destination: Path) -> None:
    """Raises `RequestError` unless nothing lies at `destination`."""
    try:
        if destination.is_dir():
            raise RequestError(f"{destination}: this is a folder; export to a new file, as {destination / 'm.gguf'}.")
        if destination.exists() or destination.is_symlink():
            raise RequestError(f"{destination}: a file lies there; export to a new one.")
    except OSError as error:
        raise storage_error(destination, error) from error


def write_file(model: GPT, tokenizer: Tokenizer, destination: Path, *, name: str) -> Path:
    """Write a GGUF file: the whole of it or nothing. Raises `RequestError` and `StorageError`."""
    destination = expanded(destination).absolute()
    refuse_what_is_there(destination)
    metadata = [*describe(model.config, name), *describe_tokenizer(tokenizer, model.config.vocab_size)]
    named = list(tensors(model))
    with replacing(destination) as temporary, temporary.open("wb") as file:
        _write(file, metadata, named)
    return destination


# The container


def _write(file: BinaryIO, metadata: Sequence[Entry], named: Sequence[tuple[str, Tensor]]) -> None:
    """The header, the metadata, what each tensor is and where it begins; then the tensors, each at a multiple of 32
    bytes."""
    file.write(b"GGUF" + struct.pack("<IQQ", 3, len(named), len(metadata)))
    for entry in metadata:
        file.write(_packed(entry.key, _STRING) + _packed_entry(entry))
    offset = 0
    for name, tensor in named:
        half = tensor.dtype == torch.float16
        shape = tensor.shape[::-1]  # theirs begins with what lies side by side
        file.write(_packed(name, _STRING) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        file.write(struct.pack("<IQ", _F16 if half else _F32, offset))
        offset += _padded(tensor.numel() * tensor.element_size())
    file.write(bytes(_padded(file.tell()) - file.tell()))
    for _, tensor in named:
        array = tensor.numpy()
        data = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        file.write(data + bytes(_padded(len(data)) - len(data)))


def _packed_entry(entry: Entry) -> bytes:
    if not isinstance(entry.value, list):
        return struct.pack("<I", entry.type) + _packed(entry.value, entry.type)
    head = struct.pack("<IIQ", _ARRAY, entry.type, len(entry.value))
    return head + b"".join(_packed(value, entry.type) for value in entry.value)


def _packed(value: Any, type: int) -> bytes:
    if type != _STRING:
        return struct.pack(_PACKED[type], value)
    data = value.encode()
    return struct.pack("<Q", len(data)) + bytes(data)


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


# What it says of the model


def describe(config: ModelConfig, name: str) -> list[Entry]:
    """The metadata of the architecture, in llama.cpp's words."""
    kind = kind_of(config)
    numbers = {
        "context_length": config.block_size,
        "embedding_length": config.n_embd,
        "block_count": config.n_layer,
        "feed_forward_length": config.n_ff,
        "attention.head_count": config.n_head,
        "attention.head_count_kv": config.n_kv_head,
        "vocab_size": config.vocab_size,
    }
    floats = {"attention.layer_norm_epsilon": config.norm_eps}
    if kind != "gpt2":
        numbers |= {f"attention.{part}_length": config.head_dim for part in ("key", "value")}
        numbers["rope.dimension_count"] = config.head_dim
        floats = {"attention.layer_norm_rms_epsilon": config.norm_eps, "rope.freq_base": config.rope_theta}
    return [
        Entry("general.architecture", _STRING, kind),
        Entry("general.type", _STRING, "model"),
        Entry("general.name", _STRING, name),
        Entry("general.file_type", _UINT32, 1),  # mostly 16 bits
        *(Entry(f"{kind}.{key}", _UINT32, value) for key, value in numbers.items()),
        *(Entry(f"{kind}.{key}", _FLOAT32, value) for key, value in floats.items()),
    ]


def describe_tokenizer(tokenizer: Tokenizer, vocab_size: int) -> list[Entry]:
    """The metadata of the tokens; ids that only the model has are unused ones. Raises `RequestError` on a tokenizer
    like which llama.cpp has none."""
    cut = _cut_like(tokenizer)
    model, added = tokenizer.description["model"], tokenizer.library.get_added_tokens_decoder()
    tokens, types = [f"[PAD{id_}]" for id_ in range(vocab_size)], [_UNUSED] * vocab_size
    for token, id_ in model["vocab"].items():
        tokens[id_], types[id_] = token, _NORMAL
    for id_, token in added.items():
        tokens[id_], types[id_] = token.content, _CONTROL if token.special else _USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    end = tokenizer.end_of_text
    return [
        Entry("tokenizer.ggml.model", _STRING, "gpt2"),
        Entry("tokenizer.ggml.pre", _STRING, cut),
        Entry("tokenizer.ggml.tokens", _STRING, tokens),
        Entry("tokenizer.ggml.token_type", _INT32, types),
        Entry("tokenizer.ggml.merges", _STRING, merges),
        *(Entry(f"tokenizer.ggml.{which}_token_id", _UINT32, end) for which in ("bos", "eos", "eot", "padding")),
        Entry("tokenizer.ggml.add_bos_token", _BOOL, False),
        Entry("tokenizer.ggml.add_eos_token", _BOOL, False),
    ]


def _cut_like(tokenizer: Tokenizer) -> str:
    """llama.cpp's name of the pattern by which a text is cut before bytes are merged."""
    if tokenizer.kind == "word":
        raise RequestError("llama.cpp knows no word tokenizers: train with --tokenizer bpe or byte for a GGUF file.")
    if tokenizer.cuts_as_ours:
        return _OURS_CUTS_LIKE
    split = tokenizer.description["pre_tokenizer"]
    parts = list(split.get("pretokenizers", [split]))
    patterns = [part["pattern"].get("Regex") for part in parts if part["type"] == "Split"]
    kinds = [part["type"] for part in parts]
    by_regex = bool(parts[-1].get("use_regex", True))
    if kinds == ["ByteLevel"] and by_regex:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and by_regex and parts[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not by_regex and patterns[0] in _PATTERNS:
        return _PATTERNS[patterns[0]]
    raise RequestError("llama.cpp knows no way of cutting a text that is like this tokenizer's.")


# Its tensors


@torch.no_grad()
def tensors(model: GPT) -> Iterator[tuple[str, Tensor]]:
    """The weights by llama.cpp's names, in the types in which they are written."""
    kind, config = kind_of(model.config), model.config
    state = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    for place in places(config):
        tensor = state[place.ours][place.rows].float()
        if kind == "llama" and (heads := re.search(r"\.([qk])_proj\.", place.theirs)):
            tensor = _pairs_together(tensor, config.n_head if heads[1] == "q" else config.n_kv_head)
        name = _named(place.theirs)
        fits = tensor.dim() > 1 and not name.startswith("position") and float(tensor.abs().max()) <= _LARGEST_F16
        yield name, tensor.half() if fits else tensor


def _named(theirs: str) -> str:
    """transformers' name of a tensor → llama.cpp's."""
    path, _, suffix = theirs.rpartition(".")
    if found := re.fullmatch(r"(?:model\.layers|transformer\.h)\.(\d+)\.(.+)", path):
        return f"blk.{found[1]}.{_IN_BLOCKS[found[2]]}.{suffix}"
    return f"{_NAMES[path]}.{suffix}"


def _pairs_together(weight: Tensor, heads: int) -> Tensor:
    """Rows of queries or keys in llama's order: there the two numbers that rotary positions turn together lie side by
    side, here half a head apart. weight: (heads * D, C)."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
