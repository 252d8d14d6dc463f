"""A model's architecture in transformers' words: what `config.json` says of it, and what its tensors are called there.

Both are read as they are written. What changes the arithmetic and has no field in `ModelConfig` is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.config import ModelConfig
from engine.errors import ConfigError, RequestError

KINDS = {"gpt2": "GPT2LMHeadModel", "qwen3": "Qwen3ForCausalLM", "llama": "LlamaForCausalLM"}
"""Their `model_type`s that are ours, and the class that each belongs to."""

_TANH_GELU, _SILU = ("gelu_new", "gelu_pytorch_tanh"), ("silu", "swish")
_SAME: dict[str, dict[str, tuple[Any, ...]]] = {
    "gpt2": {
        "activation_function": _TANH_GELU,
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
    },
    "qwen3": {"hidden_act": _SILU, "attention_bias": (False,), "partial_rotary_factor": (1.0, None)},
    "llama": {
        "hidden_act": _SILU,
        "attention_bias": (False,),
        "mlp_bias": (False,),
        "partial_rotary_factor": (1.0, None),
    },
}
"""Fields that change the arithmetic, with the values under which it is ours: the first is what transformers takes for a
field that is not there."""


class Place(NamedTuple):
    """A tensor of theirs: the rows of a tensor of ours, and whether it is kept transposed."""

    theirs: str
    ours: str
    rows: slice = slice(None)
    turned: bool = False


def kind_of(config: ModelConfig) -> str:
    """The `model_type` in which transformers computes what our GPT of that config does."""
    return "gpt2" if config.family == "gpt2" else "qwen3" if config.qk_norm else "llama"


# What config.json says


def describe(config: ModelConfig) -> dict[str, Any]:
    """The architecture in transformers' words (`rope_theta` is that of its fourth version and of llama.cpp)."""
    kind = kind_of(config)
    common = {
        "architectures": [KINDS[kind]],
        "model_type": kind,
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tie_embeddings,
    }
    if kind == "gpt2":
        return {
            **common,
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
        }
    return {
        **common,
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
        **({"use_sliding_window": False, "sliding_window": None} if kind == "qwen3" else {"mlp_bias": False}),
    }


def understand(table: Mapping[str, Any]) -> ModelConfig:
    """The ModelConfig of a `config.json`. Raises `RequestError` on what our GPT does not compute, or what makes no
    sense, in one line that names the field."""
    kind = table.get("model_type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise RequestError(f"model_type: {kind!r} is none of those that can be imported: {', '.join(KINDS)}.")
    _refuse_what_differs(kind, table)
    try:
        return _gpt2_config(table) if kind == "gpt2" else _rotary_config(kind, table)
    except ConfigError as error:
        raise RequestError(str(error)) from None


def _refuse_what_differs(kind: str, table: Mapping[str, Any]) -> None:
    named = table.get("architectures")
    if named and KINDS[kind] not in named:
        raise RequestError(f"architectures: it holds a {named[0]}, and what can be imported is a {KINDS[kind]}.")
    if table.get("auto_map"):
        raise RequestError("auto_map: it needs code of its own, and none is run.")
    if table.get("quantization_config"):
        raise RequestError("quantization_config: its weights are quantized; import the model that it was made from.")
    for field, values in _SAME[kind].items():
        if (value := table.get(field, values[0])) not in values:
            raise RequestError(f"{field}: {value!r} changes what the model computes, and is not supported.")
    layers = table.get("layer_types") or []
    window = table.get("sliding_window", 4096) if kind == "qwen3" and table.get("use_sliding_window") else None
    if any(layer != "full_attention" for layer in layers) or (window is not None and not layers):
        raise RequestError("sliding_window: attention within a window is not supported.")


def _gpt2_config(table: Mapping[str, Any]) -> ModelConfig:
    return ModelConfig(
        family="gpt2",
        vocab_size=_given(table, "vocab_size"),
        block_size=_given(table, "n_positions"),
        n_layer=_given(table, "n_layer"),
        n_head=_given(table, "n_head"),
        n_embd=_given(table, "n_embd"),
        n_ff=table.get("n_inner") or 0,
        dropout=table.get("resid_pdrop", 0.1),
        tie_embeddings=table.get("tie_word_embeddings", True),
        norm_eps=table.get("layer_norm_epsilon", 1e-5),
    )


def _rotary_config(kind: str, table: Mapping[str, Any]) -> ModelConfig:
    heads = _given(table, "num_attention_heads")
    usual = {"num_key_value_heads": 32, "head_dim": 128} if kind == "qwen3" else {}  # transformers' own
    return ModelConfig(
        family="qwen3",
        vocab_size=_given(table, "vocab_size"),
        block_size=_given(table, "max_position_embeddings"),
        n_layer=_given(table, "num_hidden_layers"),
        n_head=heads,
        n_kv_head=table.get("num_key_value_heads", usual.get("num_key_value_heads")) or heads,
        n_embd=_given(table, "hidden_size"),
        head_dim=table.get("head_dim", usual.get("head_dim")) or 0,
        n_ff=_given(table, "intermediate_size"),
        dropout=table.get("attention_dropout") or 0.0,
        tie_embeddings=table.get("tie_word_embeddings", False),
        qk_norm=kind == "qwen3",
        rope_theta=_rope_theta(table),
        norm_eps=table.get("rms_norm_eps", 1e-6),
    )


def _rope_theta(table: Mapping[str, Any]) -> Any:
    """The base of the rotary positions. Up to transformers' fourth version it stands by itself, later in a table."""
    rope = table.get("rope_scaling") or table.get("rope_parameters") or {}
    kind = rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, Mapping) else rope
    if kind != "default" or rope.get("partial_rotary_factor", 1.0) not in (1.0, None):
        raise RequestError(f"rope_scaling: {kind!r} positions are not supported.")
    if any(isinstance(value, Mapping) for value in rope.values()):
        raise RequestError("rope_parameters: positions that differ from layer to layer are not supported.")
    thetas = {theta for theta in (rope.get("rope_theta"), table.get("rope_theta")) if theta is not None}
    if len(thetas) > 1:
        raise RequestError(f"rope_theta: it is given twice, as {' and as '.join(map(repr, sorted(thetas)))}.")
    return next(iter(thetas), 10_000.0)


def _given(table: Mapping[str, Any], field: str) -> Any:
    if (value := table.get(field)) is None:
        raise RequestError(f"{field}: the model's is not told.")
    return value


# What its tensors are called


def places(config: ModelConfig) -> list[Place]:
    """Every tensor of theirs; a tied head is none."""
    return _gpt2_places(config) if config.family == "gpt2" else _rotary_places(config)


def _gpt2_places(config: ModelConfig) -> list[Place]:
    found = [
        Place("transformer.wte.weight", "embedding.weight"),
        Place("transformer.wpe.weight", "positions.weight"),
        Place("transformer.ln_f.weight", "norm.weight"),
        Place("transformer.ln_f.bias", "norm.bias"),
    ]
    norms = {"ln_1": "attention_norm", "ln_2": "feed_forward_norm"}
    products = {  # Conv1D layers, which keep their matrices transposed
        "attn.c_attn": "attention.qkv",
        "attn.c_proj": "attention.output",
        "mlp.c_fc": "feed_forward.up",
        "mlp.c_proj": "feed_forward.down",
    }
    for layer in range(config.n_layer):
        for their, our in {**norms, **products}.items():
            theirs, ours = f"transformer.h.{layer}.{their}", f"blocks.{layer}.{our}"
            found.append(Place(f"{theirs}.weight", f"{ours}.weight", turned=their in products))
            found.append(Place(f"{theirs}.bias", f"{ours}.bias"))
    return found + _head(config)


def _rotary_places(config: ModelConfig) -> list[Place]:
    found = [
        Place("model.embed_tokens.weight", "embedding.weight"),
        Place("model.norm.weight", "norm.weight"),
    ]
    query, key = config.n_head * config.head_dim, config.n_kv_head * config.head_dim
    parts = {  # of matrices that are one of ours and several of theirs
        "self_attn.q_proj": ("attention.qkv", slice(0, query)),
        "self_attn.k_proj": ("attention.qkv", slice(query, query + key)),
        "self_attn.v_proj": ("attention.qkv", slice(query + key, query + 2 * key)),
        "mlp.gate_proj": ("feed_forward.up", slice(0, config.n_ff)),
        "mlp.up_proj": ("feed_forward.up", slice(config.n_ff, 2 * config.n_ff)),
    }
    whole = {
        "input_layernorm": "attention_norm",
        "self_attn.o_proj": "attention.output",
        "post_attention_layernorm": "feed_forward_norm",
        "mlp.down_proj": "feed_forward.down",
    }
    if config.qk_norm:
        whole |= {"self_attn.q_norm": "attention.query_norm", "self_attn.k_norm": "attention.key_norm"}
    every = parts | {their: (our, slice(None)) for their, our in whole.items()}
    for layer in range(config.n_layer):
        for their, (our, rows) in every.items():
            found.append(Place(f"model.layers.{layer}.{their}.weight", f"blocks.{layer}.{our}.weight", rows))
    return found + _head(config)


def _head(config: ModelConfig) -> list[Place]:
    return [] if config.tie_embeddings else [Place("lm_head.weight", "head.weight")]
