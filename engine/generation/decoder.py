"""Tokens → the logits of the next one, one token at a time: a KV cache, and a step of as few operations as there can be.

A step reads every weight once and computes little, so two things decide how fast it is: how well the weights stream from memory,
and what each torch operation costs by itself. So the step leaves the modules aside, and on a CPU the large matrices are laid out and
cut as they stream best. It computes what `GPT.forward` does.

Shapes: B samples side by side, C width, H heads, K key heads, D width of a head, V vocabulary, L layers, P parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.generation.threads import ThreadChoice
from engine.model.gpt import GPT, Block

Map = Callable[[Tensor], Tensor]

_PARTS = 4
_WORTH_CUTTING = 100_000  # numbers in a matrix: below that, handing parts to threads costs more than it gains


def product(linear: nn.Linear) -> Map:
    """x (B, inputs) → x @ weight.T + bias (B, outputs), as fast as few rows go.

    A CPU's matrix-vector product runs along the longer side of a matrix twice as fast as across it, and on one thread alone. So
    a matrix that widens is laid out column by column, and a large one is cut in parts that several threads multiply side by side.
    The parts are the same however many threads there are, and so is the result.
    """
    weight = linear.weight.detach()
    bias = linear.bias.detach() if linear.bias is not None else None
    outputs, inputs = weight.shape
    if weight.device.type != "cpu":
        return lambda x: F.linear(x, weight, bias)
    widens = outputs > inputs
    if widens:
        weight = column_by_column(weight)
    if weight.numel() < _WORTH_CUTTING or (inputs if widens else outputs) % _PARTS:
        return lambda x: F.linear(x, weight, bias)
    return _sum_of_parts(weight, bias) if widens else _side_by_side(weight.contiguous(), bias)


def column_by_column(weight: Tensor) -> Tensor:
    """The same matrix with its columns one after another in memory; itself when they lie so already."""
    return weight.t().contiguous().t()


def _sum_of_parts(weight: Tensor, bias: Tensor | None) -> Map:
    outputs, inputs = weight.shape
    parts = weight.t().view(_PARTS, inputs // _PARTS, outputs)

    def multiply(x: Tensor) -> Tensor:
        y = torch.bmm(x.view(-1, _PARTS, inputs // _PARTS).transpose(0, 1), parts).sum(0)  # (P, B, outputs) summed
        return y if bias is None else y.add_(bias)

    return multiply


def _side_by_side(weight: Tensor, bias: Tensor | None) -> Map:
    outputs, inputs = weight.shape
    parts = weight.view(_PARTS, outputs // _PARTS, inputs).transpose(1, 2)

    def multiply(x: Tensor) -> Tensor:
        y = torch.bmm(x.expand(_PARTS, -1, -1), parts).transpose(0, 1)  # (B, P, outputs / P)
        y = y.reshape(-1, outputs)
        return y if bias is None else y.add_(bias)

    return multiply


def normalizer(norm: nn.Module, eps: float) -> Map:
    """LayerNorm or RMSNorm of x (B, C). torch's own RMSNorm is made of eight operations on a CPU; this one of five."""
    weight = norm.get_parameter("weight").detach()
    width = weight.shape[0]
    if isinstance(norm, nn.LayerNorm):
        bias = norm.bias.detach()
        return lambda x: torch.layer_norm(x, (width,), weight, bias, eps)
    floor = torch.full((), eps, device=weight.device)
    return lambda x: x * inverse_rms(x, floor) * weight


def inverse_rms(x: Tensor, eps: Tensor) -> Tensor:
    """1 / root mean square over the last dimension, which stays with the size 1."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return torch.addcmul(eps, norm, norm, value=1 / x.shape[-1]).rsqrt_()


class Layer(NamedTuple):
    """A block's parts as plain functions."""

    attention_norm: Map
    qkv: Map
    output: Map
    feed_forward_norm: Map
    up: Map
    down: Map


class FastGPT:
    """A GPT made ready for steps. Its weights are the model's at this moment: on a GPU, and wherever they lie well, the same memory."""

    def __init__(self, model: GPT) -> None:
        config = self.config = model.config
        self.model = model
        self.threads = ThreadChoice()
        self.device = model.embedding.weight.device
        self.embedding = model.embedding.weight.detach()
        self.positions = model.positions.weight.detach() if model.positions is not None else None
        blocks = [cast(Block, block) for block in model.blocks]
        self.layers = [make_layer(block, config.norm_eps) for block in blocks]
        self.norm, self.head = normalizer(model.norm, config.norm_eps), product(model.head)
        self.eps = torch.full((), config.norm_eps, device=self.device)
        self.gain, self.pair_gain = rotary_gains(blocks, config, self.device)

    def turns(self, position: int) -> list[tuple[Tensor, Tensor]]:
        """What `turn` multiplies the queries and keys of each layer by at this position."""
        cos, sin = self.model.cos[position].view(2, -1), self.model.sin[position].view(2, -1)
        return list(zip((self.gain * cos).unbind(0), (self.pair_gain * sin).unbind(0), strict=True))


def make_layer(block: Block, eps: float) -> Layer:
    return Layer(
        normalizer(block.attention_norm, eps),
        product(block.attention.qkv),
        product(block.attention.output),
        normalizer(block.feed_forward_norm, eps),
        product(block.feed_forward.up),
        product(block.feed_forward.down),
    )


def rotary_gains(blocks: list[Block], config: ModelConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """The norms' gains (L, H + K, 2, D/2), put into the cosines and sines: that of each number of a query or key, and that of the
    other number of its pair, negative in the first half."""
    plain = torch.ones(config.head_dim, device=device)
    rows = []
    for attention in (block.attention for block in blocks):
        query = attention.query_norm.weight.detach() if attention.query_norm is not None else plain
        key = attention.key_norm.weight.detach() if attention.key_norm is not None else plain
        rows.append(torch.cat((query.expand(config.n_head, -1), key.expand(config.n_kv_head, -1))))
    gain = torch.stack(rows).unflatten(-1, (2, -1))
    return gain, gain.flip(2) * torch.tensor([[-1.0], [1.0]], device=device)


class Cache:
    """Keys and values (L, B, 2K, T, D) of the tokens so far, with room for `block_size` of them."""

    def __init__(self, config: ModelConfig, rows: int, like: Tensor) -> None:
        shape = (config.n_layer, rows, 2 * config.n_kv_head, config.block_size, config.head_dim)
        self.data = torch.empty(shape, dtype=like.dtype, device=like.device)
        self.heads = config.n_kv_head
        self.length = 0

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """As `KeyValueCache` says; what has one row is stored in all."""
        rows, end = key.shape[0], self.length + key.shape[2]
        stored = self.data[layer]
        stored[:, : self.heads, self.length : end] = key
        stored[:, self.heads :, self.length : end] = value
        return stored[:rows, : self.heads, :end], stored[:rows, self.heads :, :end]


class Decoder:
    """Texts that one model continues side by side, all with as many tokens in the cache.

    When the cache is full, the last half of its tokens is read anew from position 0, and writing goes on.
    """

    def __init__(self, fast: FastGPT, rows: int) -> None:
        self.fast, self.rows = fast, rows
        self.cache = Cache(fast.config, rows, fast.embedding)
        self.ids = torch.zeros(rows, fast.config.block_size, dtype=torch.int64, device=fast.device)

    @property
    def length(self) -> int:
        """How many tokens are in the cache."""
        return self.cache.length

    @torch.inference_mode()
    def prefill(self, ids: Sequence[int], last: int = 1) -> Tensor:
        """Read the same tokens, at most `block_size`, into all rows of an empty cache.

        Returns the float32 logits (last, V) of what follows each of the `last` tokens.
        """
        read = torch.tensor([ids], dtype=torch.int64, device=self.fast.device)
        hidden = self._read(read)
        return self.fast.model.head(hidden[0, -last:]).float()

    def _read(self, ids: Tensor) -> Tensor:
        """Fill the empty cache with ids (1 or B, T); the final norm's output."""
        model = self.fast.model
        self.ids[:, : ids.shape[1]] = ids
        with self.fast.threads.chosen(), evaluating(model):
            return model.hidden(ids, self.cache)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens of each row."""
        self.cache.length = length

    @torch.inference_mode()
    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only."""
        self.rows = len(rows)
        self.cache.data = self.cache.data[:, rows]
        self.ids = self.ids[rows]

    @torch.inference_mode()
    def step(self, ids: Sequence[int]) -> Tensor:
        """Append one token to each row; the float32 logits (B, V) of what follows."""
        if self.cache.length == self.fast.config.block_size:
            self._renew()
        tokens = torch.tensor(ids, dtype=torch.int64, device=self.fast.device)
        self.ids[:, self.cache.length] = tokens
        with self.fast.threads.measured() if self.fast.device.type == "cpu" else nullcontext():
            return self._forward(tokens)

    def _renew(self) -> None:
        half = max(1, self.fast.config.block_size // 2)
        recent = self.ids[:, -half:].clone()
        self.cache.length = 0
        self._read(recent)

    def _forward(self, tokens: Tensor) -> Tensor:
        """The step itself: tokens (B,) → logits (B, V). Reads like `GPT.forward`, for one token and without its modules."""
        fast, cache, position = self.fast, self.cache, self.cache.length
        B, H, K = self.rows, fast.config.n_head, fast.config.n_kv_head
        x = F.embedding(tokens, fast.embedding)  # (B, C)
        rotary = fast.positions is None
        if fast.positions is not None:
            x = x + fast.positions[position]
        turns = fast.turns(position) if rotary else []
        keys = cache.data[:, :, :K, : position + 1].unbind(0)  # of each layer (B, K, T, D)
        values = cache.data[:, :, K:, : position + 1].unbind(0)
        places = cache.data[:, :, :, position].unbind(0)  # of each layer (B, 2K, D): the new key and value
        for index, layer in enumerate(fast.layers):
            heads = layer.qkv(layer.attention_norm(x)).view(B, H + 2 * K, -1)
            if rotary:
                self._turn(heads[:, : H + K], *turns[index])
            places[index].copy_(heads[:, H:])
            query = heads[:, :H].view(B, K, H // K, -1)  # the heads of a group side by side, as if they were tokens
            y = F.scaled_dot_product_attention(query, keys[index], values[index])
            x = x + layer.output(y.reshape(B, -1))
            h = layer.up(layer.feed_forward_norm(x))
            if rotary:
                gate, up = h.chunk(2, dim=-1)
                h = F.silu(gate).mul_(up)
            else:
                h = F.gelu(h, approximate="tanh")
            x = x + layer.down(h)
        cache.length = position + 1
        return fast.head(fast.norm(x)).float()

    def _turn(self, heads: Tensor, cos: Tensor, sin: Tensor) -> None:
        """Normalise and rotate queries and keys (B, H + K, D) in place; cos, sin: (H + K, 2, D/2)."""
        pairs = heads.unflatten(-1, (2, -1))
        x = heads * inverse_rms(heads, self.fast.eps) if self.fast.config.qk_norm else heads
        x = x.unflatten(-1, (2, -1))
        torch.addcmul(x * cos, x.flip(2), sin, out=pairs)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No dropout within; afterwards as before."""
    training = model.training
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()
