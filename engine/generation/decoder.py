"""Tokens → the logits of the next one, token by token: a KV cache, and a step of as few operations as there can be.

A step reads every weight once and computes little, so two things decide how fast it is: how well the weights stream
from memory, and what each torch operation costs by itself. So the step leaves the modules aside, and on a CPU the large
matrices are laid out and cut as they stream best. It computes what `GPT.forward` does.

Shapes: B samples side by side, C width, H heads, K key heads, D width of a head, V vocabulary, L layers, P parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.generation.threads import ThreadChoice
from engine.model.gpt import GPT, Block

Map = Callable[[Tensor], Tensor]
Product = Callable[[Tensor, Tensor, int], None]
"""x (B, inputs), out (B, outputs), beta (0 or 1): out becomes beta * out + x @ weight.T + bias."""

_PARTS = 4
_WORTH_CUTTING = 100_000  # numbers in a matrix: below that, handing parts to threads costs more than it gains


def product(linear: nn.Linear) -> Product:
    """What a linear layer computes, as fast as few rows go.

    A CPU's matrix-vector product runs along the longer side of a matrix twice as fast as across it, and on one thread
    alone. So a matrix that widens is laid out column by column, and a large one is cut in parts that several threads
    multiply side by side. The parts are the same however many threads there are, and so is the result.
    """
    weight = linear.weight.detach()
    outputs, inputs = weight.shape
    widens = outputs > inputs
    if widens and weight.device.type == "cpu":
        weight = column_by_column(weight)
    if not is_cut(weight):
        multiply = _whole(weight.t())
    elif widens:
        multiply = _sum_of_parts(weight.t().view(_PARTS, inputs // _PARTS, outputs))
    else:
        multiply = _side_by_side(weight.contiguous().view(_PARTS, outputs // _PARTS, inputs).transpose(1, 2))
    if linear.bias is None:
        return multiply
    bias = linear.bias.detach()

    def multiply_and_add(x: Tensor, out: Tensor, beta: int) -> None:
        multiply(x, out, beta)
        out.add_(bias)

    return multiply_and_add


def is_cut(weight: Tensor) -> bool:
    """Whether the product with this matrix is cut in parts."""
    shared = min(weight.shape)
    return weight.device.type == "cpu" and weight.numel() >= _WORTH_CUTTING and shared % _PARTS == 0


def column_by_column(weight: Tensor) -> Tensor:
    """The same matrix with its columns one after another in memory; itself when they lie so already."""
    return weight.t().contiguous().t()


def _whole(columns: Tensor) -> Product:
    def multiply(x: Tensor, out: Tensor, beta: int) -> None:
        torch.addmm(out, x, columns, beta=beta, out=out)

    return multiply


def _sum_of_parts(parts: Tensor) -> Product:
    """The inputs are cut: parts (P, inputs / P, outputs)."""
    inputs = parts.shape[1]

    def multiply(x: Tensor, out: Tensor, beta: int) -> None:
        products = torch.bmm(x.view(-1, _PARTS, inputs).transpose(0, 1), parts)  # (P, B, outputs)
        if beta:
            out.add_(products.sum(0))
        else:
            torch.sum(products, 0, out=out)

    return multiply


def _side_by_side(parts: Tensor) -> Product:
    """The outputs are cut: parts (P, inputs, outputs / P)."""
    outputs = parts.shape[2]

    def multiply(x: Tensor, out: Tensor, beta: int) -> None:
        place = out.view(-1, _PARTS, outputs).transpose(0, 1)  # (P, B, outputs / P)
        torch.baddbmm(place, x.expand(_PARTS, -1, -1), parts, beta=beta, out=place)

    return multiply


def normalizer(norm: nn.Module, eps: float) -> Map:
    """LayerNorm or RMSNorm of x (B, C). torch's own RMSNorm is made of eight operations on a CPU, this one of four:
    x / sqrt(mean(x²) + eps) = x √C / hypot(|x|, √(C eps))."""
    weight = norm.get_parameter("weight").detach()
    width = weight.shape[0]
    if isinstance(norm, nn.LayerNorm):
        bias = norm.bias.detach()
        return lambda x: torch.layer_norm(x, (width,), weight, bias, eps)
    gain, floor = weight * math.sqrt(width), torch.full((), math.sqrt(width * eps), device=weight.device)
    return lambda x: (x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), floor)).mul_(gain)


class Layer(NamedTuple):
    """A block's parts as plain functions."""

    attention_norm: Map
    qkv: Product
    output: Product
    feed_forward_norm: Map
    up: Product
    down: Product


class FastGPT:
    """A GPT made ready for steps. Matrices that have to lie otherwise are copied: it does not follow later training."""

    def __init__(self, model: GPT) -> None:
        config = self.config = model.config
        self.model = model
        self.device = model.embedding.weight.device
        self.embedding = model.embedding.weight.detach()
        self.positions = model.positions.weight.detach() if model.positions is not None else None
        blocks = [cast(Block, block) for block in model.blocks]
        self.layers = [make_layer(block, config.norm_eps) for block in blocks]
        self.norm, self.head = normalizer(model.norm, config.norm_eps), product(model.head)
        self.threads = ThreadChoice(self._work(blocks[0].feed_forward.up.weight))
        self.rotary = config.family == "qwen3"
        if self.rotary:
            self.gain, self.pair_gain = rotary_gains(blocks, config)
            self.floor = torch.full((), math.sqrt(config.head_dim * config.norm_eps), device=self.device)

    def _work(self, up: Tensor) -> Callable[[], object] | None:
        """The largest product of a block, if it is one that threads can share: by it their number is chosen."""
        if not is_cut(up):
            return None
        x, out = up.new_ones(1, up.shape[1]), up.new_empty(1, up.shape[0])
        return lambda: self.layers[0].up(x, out, 0)

    def turns(self, position: int) -> list[tuple[Tensor, Tensor]]:
        """What the queries and keys (H + K, 2, D/2) of each layer are multiplied by at this position."""
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


def rotary_gains(blocks: list[Block], config: ModelConfig) -> tuple[Tensor, Tensor]:
    """What goes into the cosines and sines (L, H + K, 2, D/2): the norms' gain of each number of a query or key (see
    `normalizer`), and the gain of the other number of its pair, negative in the first half."""
    weight = blocks[0].attention.qkv.weight
    plain = torch.ones(config.head_dim, device=weight.device)
    rows = []
    for attention in (block.attention for block in blocks):
        query = attention.query_norm.weight.detach() if attention.query_norm is not None else plain
        key = attention.key_norm.weight.detach() if attention.key_norm is not None else plain
        rows.append(torch.cat((query.expand(config.n_head, -1), key.expand(config.n_kv_head, -1))))
    gain = torch.stack(rows).view(config.n_layer, -1, 2, config.head_dim // 2)
    if config.qk_norm:
        gain = gain * math.sqrt(config.head_dim)
    return gain, gain.flip(2) * torch.tensor([[-1.0], [1.0]], device=weight.device)


class Scratch:
    """Where a step of B rows leaves what it computes, and views of that: making one costs as much as adding numbers."""

    def __init__(self, config: ModelConfig, rows: int, like: Tensor) -> None:
        H, K, D = config.n_head, config.n_kv_head, config.head_dim
        self.x = like.new_empty(rows, config.n_embd)  # what runs through the blocks
        self.qkv = like.new_empty(rows, (H + 2 * K) * D)
        heads = self.qkv.view(rows, H + 2 * K, D)
        self.query = heads[:, :H].view(rows, K, H // K, D)  # the heads of a group side by side, as if they were tokens
        self.new = heads[:, H:]  # key and value (B, 2K, D)
        self.up = like.new_empty(rows, (2 if config.family == "qwen3" else 1) * config.n_ff)
        if config.family == "qwen3":
            self.pairs = heads[:, : H + K].view(rows, H + K, 2, D // 2)  # queries and keys: what rotates
            self.gate, self.gated = self.up.chunk(2, dim=-1)
        self.logits = like.new_empty(rows, config.vocab_size)


class Cache:
    """Keys and values (L, B, 2K, T, D) of the tokens so far, with room for `block_size` of them."""

    def __init__(self, config: ModelConfig, rows: int, like: Tensor) -> None:
        shape = (config.n_layer, rows, 2 * config.n_kv_head, config.block_size, config.head_dim)
        self.data = torch.empty(shape, dtype=like.dtype, device=like.device)
        self.heads = config.n_kv_head
        self.length = 0

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """As `KeyValueCache` says."""
        end, stored = self.length + key.shape[2], self.data[layer]
        stored[:, : self.heads, self.length : end] = key
        stored[:, self.heads :, self.length : end] = value
        return stored[:, : self.heads, :end], stored[:, self.heads :, :end]


class Decoder:
    """Texts that one model continues side by side, all with as many tokens in the cache.

    When the cache is full, the last half of its tokens is read anew from position 0, and writing goes on.
    """

    def __init__(self, fast: FastGPT, rows: int) -> None:
        self.fast, self.rows = fast, rows
        self.cache = Cache(fast.config, rows, fast.embedding)
        self.scratch = Scratch(fast.config, rows, fast.embedding)
        self.ids = torch.zeros(rows, fast.config.block_size, dtype=torch.int64, device=fast.device)

    @property
    def length(self) -> int:
        """How many tokens are in the cache."""
        return self.cache.length

    @torch.inference_mode()
    def prefill(self, ids: Sequence[int], last: int = 1) -> Tensor:
        """Read the first tokens of a single text, at most `block_size` of them.

        Returns the float32 logits (last, V) of what follows each of the `last` tokens.
        """
        hidden = self._read(torch.tensor([ids], dtype=torch.int64, device=self.fast.device))
        logits: Tensor = self.fast.model.head(hidden[0, -last:])
        return logits.float()

    def _read(self, ids: Tensor) -> Tensor:
        """Fill the empty cache with ids (B, T); the final norm's output."""
        model = self.fast.model
        self.ids[:, : ids.shape[1]] = ids
        with self.fast.threads.chosen(), evaluating(model):
            return model.hidden(ids, self.cache)

    @torch.inference_mode()
    def fork(self, rows: int, length: int) -> Decoder:
        """A decoder whose texts all go on from the first `length` tokens of this one's first."""
        fork = Decoder(self.fast, rows)
        fork.cache.data[:, :, :, :length] = self.cache.data[:, :1, :, :length]
        fork.ids[:, :length] = self.ids[:1, :length]
        fork.cache.length = length
        return fork

    @torch.inference_mode()
    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only."""
        self.rows = len(rows)
        self.cache.data = self.cache.data[:, rows]
        self.scratch = Scratch(self.fast.config, len(rows), self.fast.embedding)
        self.ids = self.ids[rows]

    @torch.inference_mode()
    def step(self, ids: Sequence[int]) -> Tensor:
        """Append one token to each row; the float32 logits (B, V) of what follows, which the next step overwrites."""
        if self.cache.length == self.fast.config.block_size:
            self._renew()
        tokens = torch.tensor(ids, dtype=torch.int64, device=self.fast.device)
        self.ids[:, self.cache.length] = tokens
        with self.fast.threads.chosen():
            return self._forward(tokens)

    def _renew(self) -> None:
        half = max(1, self.fast.config.block_size // 2)
        recent = self.ids[:, -half:].clone()
        self.cache.length = 0
        self._read(recent)

    def _forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B,) → logits (B, V). Reads like `GPT.forward`, for one token and without its modules."""
        fast, cache, scratch, position, K = self.fast, self.cache, self.scratch, self.cache.length, self.cache.heads
        x = torch.index_select(fast.embedding, 0, tokens, out=scratch.x)  # (B, C)
        if fast.positions is not None:
            x.add_(fast.positions[position])
        turns = fast.turns(position) if fast.rotary else []
        keys = cache.data[:, :, :K, : position + 1].unbind(0)  # of each layer (B, K, T, D)
        values = cache.data[:, :, K:, : position + 1].unbind(0)
        places = cache.data[:, :, :, position].unbind(0)  # of each layer (B, 2K, D)
        for index, layer in enumerate(fast.layers):
            layer.qkv(layer.attention_norm(x), scratch.qkv, 0)
            if fast.rotary:
                self._turn(scratch.pairs, *turns[index])
            places[index].copy_(scratch.new)
            y = F.scaled_dot_product_attention(scratch.query, keys[index], values[index])
            layer.output(y.reshape(self.rows, -1), x, 1)
            layer.up(layer.feed_forward_norm(x), scratch.up, 0)
            if fast.rotary:
                h = F.silu(scratch.gate, inplace=True).mul_(scratch.gated)
            else:
                h = F.gelu(scratch.up, approximate="tanh")
            layer.down(h, x, 1)
        cache.length = position + 1
        fast.head(fast.norm(x), scratch.logits, 0)
        return scratch.logits.float()

    def _turn(self, pairs: Tensor, cos: Tensor, sin: Tensor) -> None:
        """Normalise and rotate queries and keys (B, H + K, 2, D/2) in place; cos, sin: (H + K, 2, D/2)."""
        x = pairs
        if self.fast.config.qk_norm:
            x = pairs / torch.hypot(torch.linalg.vector_norm(pairs, dim=(-2, -1), keepdim=True), self.fast.floor)
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


def lay_out(model: GPT) -> None:
    """Lay the matrices of a model on a CPU out as steps read them, so that they are held once. No number changes."""
    for layer in model.modules():
        if not isinstance(layer, nn.Linear) or layer.weight.device.type != "cpu":
            continue
        outputs, inputs = layer.weight.shape
        if outputs > inputs and layer.weight is not model.embedding.weight:  # of an embedding, rows are read
            layer.weight.data = column_by_column(layer.weight.data)
