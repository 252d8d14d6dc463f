"""A GPT: token embeddings, a stack of pre-norm transformer blocks, a final norm and an output head.

One class spans two families, told apart by `ModelConfig.family`:

- `gpt2` (Radford et al. 2019): learned positions, LayerNorm, GELU, biases; computes what transformers'
  `GPT2LMHeadModel` does.
- `qwen3` (Qwen team 2025; without `qk_norm`: llama, Touvron et al. 2023): rotary positions, RMSNorm, SwiGLU,
  normalised queries
  and keys, grouped-query attention, no biases; computes what transformers' `Qwen3ForCausalLM` does.

Shapes: B batch, T tokens, C width (`n_embd`), H heads, K key heads, D width of a head, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig


class KeyValueCache(Protocol):
    """What a block needs of a KV cache: how many tokens it holds, and a place for the next ones."""

    length: int

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store `key` and `value` (B, K, T, D) of the new tokens; return those of all tokens (B, K, length + T, D)."""
        ...


def rotary_angles(config: ModelConfig, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, D) of the rotary positions (Su et al. 2021, RoFormer), the two halves of a head paired."""
    half = torch.arange(0, config.head_dim, 2, dtype=torch.float32, device=positions.device) / config.head_dim
    angles = positions.float()[:, None] / config.rope_theta**half  # (T, D/2)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of a head's numbers by its position's angle. x: (B, H, T, D); cos, sin: (T, D)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos.to(x.dtype) + torch.cat((-second, first), dim=-1) * sin.to(x.dtype)


class RMSNorm(nn.Module):
    """x / root mean square (x) * gain over the last dimension, in float32 whatever x is (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        # The gain comes in bfloat16 from a sharded training; the kernel wants both alike.
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight.float(), self.eps).to(x.dtype)


class LayerNorm(nn.LayerNorm):
    """torch's (Ba et al. 2016), in float32 as RMSNorm is."""

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.float(), self.bias.float()
        return F.layer_norm(x.float(), self.normalized_shape, weight, bias, self.eps).to(x.dtype)


def make_norm(config: ModelConfig, width: int) -> nn.Module:
    return LayerNorm(width, eps=config.norm_eps) if config.family == "gpt2" else RMSNorm(width, config.norm_eps)


def empty_embedding(rows: int, width: int) -> nn.Embedding:
    """An embedding whose numbers are set later. Its own initialisation, on a device that holds none, imports a second's
    worth of torch."""
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width))


class Attention(nn.Module):
    """Causal self-attention (Vaswani et al. 2017), with grouped key heads (Ainslie et al. 2023, GQA)."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        bias = config.family == "gpt2"
        heads = config.n_head + 2 * config.n_kv_head
        self.qkv = nn.Linear(config.n_embd, heads * config.head_dim, bias=bias)
        self.output = nn.Linear(config.n_head * config.head_dim, config.n_embd, bias=bias)
        self.query_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else None
        self.key_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else None

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: KeyValueCache | None = None) -> Tensor:
        B, T, _ = x.shape
        config = self.config
        qkv = self.qkv(x).view(B, T, -1, config.head_dim).transpose(1, 2)  # (B, H + 2K, T, D)
        query, key, value = qkv.split((config.n_head, config.n_kv_head, config.n_kv_head), dim=1)
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if rotary is not None:
            query, key = rotate(query, *rotary), rotate(key, *rotary)
        query, key = query.to(value.dtype), key.to(value.dtype)  # autocast computes norms in float32
        mask = None
        if cache is not None:
            past = cache.length
            key, value = cache.append(self.layer, key, value)
            if past and T > 1:  # each new token sees all the past and the new tokens up to itself
                mask = torch.ones(T, past + T, dtype=torch.bool, device=x.device).tril(diagonal=past)
        if config.n_kv_head != config.n_head:
            group = config.n_head // config.n_kv_head
            key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
        dropout = config.dropout if self.training else 0.0
        causal = mask is None and T > 1
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=causal)
        y = y.transpose(1, 2).reshape(B, T, -1)  # (B, T, H * D)
        y = self.output(y)
        return F.dropout(y, config.dropout, self.training) if config.dropout else y


class FeedForward(nn.Module):
    """GELU with tanh (Hendrycks and Gimpel 2016), or SwiGLU (Shazeer 2020) with gate and up in one matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.gated = config.family == "qwen3"
        bias = not self.gated
        self.up = nn.Linear(config.n_embd, (2 if self.gated else 1) * config.n_ff, bias=bias)
        self.down = nn.Linear(config.n_ff, config.n_embd, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.gated:
            gate, up = self.up(x).chunk(2, dim=-1)  # (B, T, n_ff) each
            x = self.down(F.silu(gate) * up)
        else:
            x = self.down(F.gelu(self.up(x), approximate="tanh"))
        return F.dropout(x, self.config.dropout, self.training) if self.config.dropout else x


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = make_norm(config, config.n_embd)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = make_norm(config, config.n_embd)
        self.feed_forward = FeedForward(config)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: KeyValueCache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotary, cache)
        y: Tensor = self.feed_forward(self.feed_forward_norm(x))
        return x + y


class GPT(nn.Module):
    """The whole model: token ids (B, T) → logits (B, T, V)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, *, initialize: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embedding = empty_embedding(config.vocab_size, config.n_embd)
        self.positions = empty_embedding(config.block_size, config.n_embd) if config.family == "gpt2" else None
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = make_norm(config, config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.embedding.weight
        # Arithmetic on the meta device would import a second's worth of torch.
        cos, sin = rotary_angles(config, torch.arange(config.block_size, device="cpu"))
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        if initialize:
            self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initial weights: GPT-2's for its family; for qwen3 each matrix keeps its input's variance and each block
        begins as the identity (output projections at zero; Zhang et al. 2019, Fixup), and so does an untied head
        (Yang et al. 2022, muP)."""
        config = self.config
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                (nn.init.zeros_ if name.endswith("bias") else nn.init.ones_)(parameter)
            elif config.family == "gpt2":
                residual = name.endswith(("attention.output.weight", "feed_forward.down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * config.n_layer) if residual else 0.02)
            elif name.endswith(("attention.output.weight", "feed_forward.down.weight", "head.weight")):
                nn.init.zeros_(parameter)
            elif name == "embedding.weight":
                nn.init.normal_(parameter, std=0.02)
            else:
                nn.init.normal_(parameter, std=0.5 / math.sqrt(parameter.shape[1]))

    def forward(self, ids: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Logits (B, T, V) of the token after each of `ids` (B, T, int64). `length + T` of the cache is at most
        `block_size`."""
        logits: Tensor = self.head(self.hidden(ids, cache))
        return logits

    def hidden(self, ids: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """The final norm's output (B, T, C): what the head reads."""
        past, T = cache.length if cache is not None else 0, ids.shape[1]
        x = self.embedding(ids)  # (B, T, C)
        rotary = None
        if self.positions is not None:
            x = x + self.positions.weight[past : past + T]
        else:
            rotary = self.cos[past : past + T], self.sin[past : past + T]
        if self.config.dropout:
            x = F.dropout(x, self.config.dropout, self.training)
        for block in self.blocks:
            x = block(x, rotary, cache)
        if cache is not None:
            cache.length += T
        normed: Tensor = self.norm(x)
        return normed

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats per token. ids, targets: (B, T)."""
        logits = self(ids)
        return F.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.reshape(-1))
