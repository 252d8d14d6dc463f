"""A model as a Hugging Face folder, which transformers, llama.cpp's converter and many others read without a line of
custom code.

- `gpt2` becomes GPT2LMHeadModel, whose Conv1D layers keep their matrices transposed;
- `qwen3` becomes Qwen3ForCausalLM, and without the QK norm LlamaForCausalLM.
"""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.config import ModelConfig
from engine.data.tokenizer import END_OF_TEXT, UNKNOWN, Tokenizer
from engine.errors import RequestError
from engine.files import storage_error, sync_folder, write_text
from engine.locations import expanded
from engine.model.gpt import GPT
from engine.store.checkpoint import TOKENIZER, load_model, storage_error_of

WEIGHTS = "model.safetensors"


def export(folder: Path, destination: Path, *, checkpoint: str | int = "best") -> Path:
    """Write the model in `folder` (one of our own) to `destination`; returns where it lies now.

    Raises `RequestError` when the destination is not empty, `DamagedModelError`, `ModelNotFoundError` or
    `StorageError`.
    """
    refuse_what_is_there(destination)
    model = load_model(folder, checkpoint)
    return write_folder(model, Tokenizer.load(folder / TOKENIZER), destination)


def refuse_what_is_there(destination: Path) -> None:
    """Raises `RequestError` unless nothing or an empty folder lies at `destination`."""
    try:
        if destination.is_dir():
            if any(destination.iterdir()):
                raise RequestError(f"{destination}: this folder is not empty; export to a new one.")
        elif destination.exists() or destination.is_symlink():
            raise RequestError(f"{destination}: a file lies there; export to a new folder.")
    except OSError as error:
        raise storage_error(destination, error) from error


def write_folder(model: GPT, tokenizer: Tokenizer, destination: Path) -> Path:
    """Write a Hugging Face folder: the whole of it or nothing.

    Raises `RequestError` when the destination is not empty, and `StorageError`.
    """
    destination = expanded(destination).absolute()
    refuse_what_is_there(destination)
    temporary = destination.with_name(f".tmp-{uuid.uuid4().hex[:12]}-{destination.name}")
    try:
        temporary.mkdir(parents=True)
        for name, table in tables(model.config, tokenizer).items():
            write_text(temporary / name, json.dumps(table, indent=2, ensure_ascii=False) + "\n")
        tokenizer.save(temporary / TOKENIZER)
        save_file(tensors(model), temporary / WEIGHTS, {"format": "pt"})
        if destination.is_dir():
            destination.rmdir()  # it is empty, or this fails
        temporary.rename(destination)
        sync_folder(destination.parent)
    except SafetensorError as error:
        raise storage_error_of(destination, error) from error
    except OSError as error:
        raise storage_error(destination, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return destination


def tables(config: ModelConfig, tokenizer: Tokenizer) -> dict[str, dict[str, Any]]:
    """The JSON files of the folder by their names."""
    end = {"bos_token_id": tokenizer.end_of_text, "eos_token_id": tokenizer.end_of_text}
    special = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    if tokenizer.unknown is not None:
        special["unk_token"] = UNKNOWN
    return {
        "config.json": {**describe(config), **end, "dtype": "float32", "torch_dtype": "float32", "use_cache": True},
        "generation_config.json": {**end, "pad_token_id": tokenizer.end_of_text},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": config.block_size,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": True,  # their spelling in a text is plain text
            **special,
        },
    }


def describe(config: ModelConfig) -> dict[str, Any]:
    """The architecture in transformers' words (`rope_theta` and `torch_dtype` are those of its fourth version and of
    llama.cpp)."""
    if config.family == "gpt2":
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": config.vocab_size,
            "n_positions": config.block_size,
            "n_embd": config.n_embd,
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_inner": config.n_ff,
            "activation_function": "gelu_new",  # GELU with tanh
            "layer_norm_epsilon": config.norm_eps,
            "embd_pdrop": config.dropout,
            "attn_pdrop": config.dropout,
            "resid_pdrop": config.dropout,
            "tie_word_embeddings": config.tie_embeddings,
        }
    kind = "Qwen3ForCausalLM" if config.qk_norm else "LlamaForCausalLM"
    return {
        "architectures": [kind],
        "model_type": "qwen3" if config.qk_norm else "llama",
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.block_size,
        "hidden_size": config.n_embd,
        "intermediate_size": config.n_ff,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.n_kv_head,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "attention_bias": False,
        "attention_dropout": config.dropout,
        "tie_word_embeddings": config.tie_embeddings,
        **({"use_sliding_window": False, "sliding_window": None} if config.qk_norm else {"mlp_bias": False}),
    }


@torch.no_grad()
def tensors(model: GPT) -> dict[str, Tensor]:
    """The weights by transformers' names, each in memory of its own; a tied head once."""
    state = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    named = gpt2_tensors(state, model.config) if model.config.family == "gpt2" else qwen3_tensors(state, model.config)
    return {name: tensor.float().clone(memory_format=torch.contiguous_format) for name, tensor in named.items()}


def gpt2_tensors(state: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    named = {
        "transformer.wte.weight": state["embedding.weight"],
        "transformer.wpe.weight": state["positions.weight"],
        "transformer.ln_f.weight": state["norm.weight"],
        "transformer.ln_f.bias": state["norm.bias"],
    }
    if not config.tie_embeddings:
        named["lm_head.weight"] = state["head.weight"]
    norms = {"ln_1": "attention_norm", "ln_2": "feed_forward_norm"}
    products = {
        "attn.c_attn": "attention.qkv",
        "attn.c_proj": "attention.output",
        "mlp.c_fc": "feed_forward.up",
        "mlp.c_proj": "feed_forward.down",
    }
    for layer in range(config.n_layer):
        theirs, ours = f"transformer.h.{layer}", f"blocks.{layer}"
        for their, our in {**norms, **products}.items():
            weight = state[f"{ours}.{our}.weight"]
            named[f"{theirs}.{their}.weight"] = weight.t() if their in products else weight
            named[f"{theirs}.{their}.bias"] = state[f"{ours}.{our}.bias"]
    return named


def qwen3_tensors(state: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    named = {"model.embed_tokens.weight": state["embedding.weight"], "model.norm.weight": state["norm.weight"]}
    if not config.tie_embeddings:
        named["lm_head.weight"] = state["head.weight"]
    query, key = config.n_head * config.head_dim, config.n_kv_head * config.head_dim
    for layer in range(config.n_layer):
        theirs, ours = f"model.layers.{layer}", f"blocks.{layer}"
        q, k, v = state[f"{ours}.attention.qkv.weight"].tensor_split((query, query + key))
        gate, up = state[f"{ours}.feed_forward.up.weight"].chunk(2)
        named |= {
            f"{theirs}.input_layernorm.weight": state[f"{ours}.attention_norm.weight"],
            f"{theirs}.self_attn.q_proj.weight": q,
            f"{theirs}.self_attn.k_proj.weight": k,
            f"{theirs}.self_attn.v_proj.weight": v,
            f"{theirs}.self_attn.o_proj.weight": state[f"{ours}.attention.output.weight"],
            f"{theirs}.post_attention_layernorm.weight": state[f"{ours}.feed_forward_norm.weight"],
            f"{theirs}.mlp.gate_proj.weight": gate,
            f"{theirs}.mlp.up_proj.weight": up,
            f"{theirs}.mlp.down_proj.weight": state[f"{ours}.feed_forward.down.weight"],
        }
        if config.qk_norm:
            named[f"{theirs}.self_attn.q_norm.weight"] = state[f"{ours}.attention.query_norm.weight"]
            named[f"{theirs}.self_attn.k_norm.weight"] = state[f"{ours}.attention.key_norm.weight"]
    return named
