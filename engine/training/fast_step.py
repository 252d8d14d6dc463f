"""Loss and gradients of a qwen3-family GPT, forward and backward written out in plain tensor operations.

On a CPU, autograd's hundreds of small nodes and the fused attention kernel cost as much as the arithmetic of a small
model. Here a step is about thirty operations a layer: matrix products in bfloat16 (or float32) from working copies of
the float32 weights, norms' gains folded into the matrices that follow them, everything in place where it can be. It
computes what `GPT.loss` and `backward` compute, up to the rounding of the working type; a test holds it to that.

Shapes: B batch, T tokens, N = B * T, C width, H heads, K key heads, D width of a head, F feed-forward width, V
vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import ModelConfig
from engine.model.gpt import GPT, rotary_angles
from engine.training.optim import FlatParameters


def supports(config: ModelConfig) -> bool:
    """Whether a model of this shape can be trained by this step."""
    return config.family == "qwen3" and config.qk_norm


@dataclass
class _Layer:
    """One block's working copies, gains folded in: `qkv` (HD + 2KD, C), `output` (C, HD), `up` (2F, C), `down` (C,
    F)."""

    qkv: Tensor
    output: Tensor
    up: Tensor
    down: Tensor
    tables: tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass
class _Saved:
    """What a block's backward needs of its forward."""

    normed: Tensor
    scale: Tensor
    qk_scale: Tensor
    qk_normed: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor
    mixed: Tensor
    ff_normed: Tensor
    ff_scale: Tensor
    up: Tensor
    silu: Tensor
    activated: Tensor
    masks: tuple[Tensor | None, Tensor | None, Tensor | None]
    """Dropout's: of the attention's weights, of its output, of the feed-forward output; None without dropout."""


def _rms(x: Tensor, eps: float) -> Tensor:
    """1 / root mean square over the last dimension, kept as a dimension, float32."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return torch.rsqrt(norm.square_().div_(x.shape[-1]).add_(eps))


class FastStep:
    """Call it with a batch: the loss comes back, the gradients are added to `flat.grad`."""

    def __init__(self, model: GPT, flat: FlatParameters, dtype: torch.dtype) -> None:
        self.model, self.flat, self.dtype = model, flat, dtype
        config = self.config = model.config
        device = flat.data.device
        self.copies = torch.empty(flat.data.shape, dtype=dtype, device=device)
        cos, sin = rotary_angles(config, torch.arange(config.block_size, device=device))
        half = config.head_dim // 2
        self.cos, self.sin = cos[:, None, :half], sin[:, None, :half]  # (T, 1, D/2)
        block = config.block_size
        mask = torch.full((block, block), float("-inf"), dtype=dtype, device=device).triu_(1)
        self.mask = mask

    def refresh(self) -> list[_Layer]:
        """Copy the float32 weights into the working type, each norm's gain folded into the matrix after it."""
        flat, config, dtype = self.flat, self.config, self.dtype
        self.copies.copy_(flat.data)
        self.embedding = flat.view(self.copies, "embedding.weight")
        head = "embedding.weight" if config.tie_embeddings else "head.weight"
        self.head = flat.view(flat.data, head).mul(flat.view(flat.data, "norm.weight")).to(dtype)
        layers = []
        for index in range(config.n_layer):
            prefix = f"blocks.{index}."
            gain = flat.view(flat.data, prefix + "attention_norm.weight")
            ff_gain = flat.view(flat.data, prefix + "feed_forward_norm.weight")
            layers.append(
                _Layer(
                    qkv=flat.view(flat.data, prefix + "attention.qkv.weight").mul(gain).to(dtype),
                    output=flat.view(self.copies, prefix + "attention.output.weight"),
                    up=flat.view(flat.data, prefix + "feed_forward.up.weight").mul(ff_gain).to(dtype),
                    down=flat.view(self.copies, prefix + "feed_forward.down.weight"),
                    tables=self._tables(prefix),
                )
            )
        return layers

    def _tables(self, prefix: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rotary cosines and sines (T, H + K, D/2) with the gains of the query and key norms and the attention's
        1/sqrt(D) folded in: (gain1 cos, gain2 sin, gain2 cos, gain1 sin), 1 and 2 the halves of a head."""
        config = self.config
        query = self.flat.view(self.flat.data, prefix + "attention.query_norm.weight") * config.head_dim**-0.5
        key = self.flat.view(self.flat.data, prefix + "attention.key_norm.weight")
        gains = torch.cat((query.expand(config.n_head, -1), key.expand(config.n_kv_head, -1)))  # (H + K, D)
        first, second = gains.chunk(2, dim=-1)
        tables = (first * self.cos, second * self.sin, second * self.cos, first * self.sin)
        return tuple(table.to(self.dtype) for table in tables)  # type: ignore[return-value]

    @torch.no_grad()
    def __call__(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy (nats per token) of ids, targets (B, T); gradients are added to `flat.grad`."""
        layers = self.refresh()
        B, T = ids.shape
        flat_ids = ids.reshape(-1)
        x = self.embedding.index_select(0, flat_ids).float()  # (N, C) the residual stream stays in float32
        dropped = self._mask(x.shape)
        if dropped is not None:
            x.mul_(dropped)
        saved = []
        for layer in layers:
            x, kept = self._block(x, layer, B, T)
            saved.append(kept)
        loss, dx = self._head(x, targets.reshape(-1))
        for index in reversed(range(len(layers))):
            dx = self._block_backward(dx, layers[index], saved.pop(), index, B, T)
        if dropped is not None:
            dx.mul_(dropped)
        self._gradient("embedding.weight").index_add_(0, flat_ids, dx)
        return loss

    def _mask(self, shape: torch.Size) -> Tensor | None:
        """What activations are multiplied with under dropout (Srivastava et al. 2014): 0, or 1 / (1 - dropout)."""
        keep = 1.0 - self.config.dropout
        if keep == 1.0 or not self.model.training:
            return None
        return torch.empty(shape, dtype=self.dtype, device=self.copies.device).bernoulli_(keep).div_(keep)

    def _gradient(self, name: str) -> Tensor:
        return self.flat.view(self.flat.grad, name)

    def _block(self, x: Tensor, layer: _Layer, B: int, T: int) -> tuple[Tensor, _Saved]:
        config, dtype = self.config, self.dtype
        H, K, D = config.n_head, config.n_kv_head, config.head_dim
        scale = _rms(x, config.norm_eps)  # (N, 1)
        normed = (x * scale).to(dtype)
        qkv = torch.mm(normed, layer.qkv.t()).view(B, T, H + 2 * K, D)
        qk = qkv[:, :, : H + K]
        qk_scale = _rms(qk, config.norm_eps).to(dtype)  # (B, T, H + K, 1)
        qk_normed = qk * qk_scale
        rotated = self._rotate(qk_normed, layer, T)  # (B, H + K, T, D)
        query = rotated[:, :H].reshape(B * H, T, D)
        key, value = rotated[:, H:], qkv[:, :, H + K :].transpose(1, 2)  # (B, K, T, D)
        if K != H:
            key, value = key.repeat_interleave(H // K, dim=1), value.repeat_interleave(H // K, dim=1)
        key, value = key.reshape(B * H, T, D), value.reshape(B * H, T, D)
        mask = self.mask[:T, :T].expand(B * H, T, T)
        weights = torch.softmax(torch.baddbmm(mask, query, key.mT), dim=-1)  # (B * H, T, T)
        masks = (self._mask(weights.shape), self._mask(x.shape), self._mask(x.shape))
        dropped = weights if masks[0] is None else weights * masks[0]
        mixed = torch.bmm(dropped, value).view(B, H, T, D).transpose(1, 2).reshape(B * T, H * D)
        attended = torch.mm(mixed, layer.output.t())
        x = x + (attended if masks[1] is None else attended.mul_(masks[1]))
        ff_scale = _rms(x, config.norm_eps)
        ff_normed = (x * ff_scale).to(dtype)
        up = torch.mm(ff_normed, layer.up.t())  # (N, 2F): gate, up
        gate, linear = up.chunk(2, dim=-1)
        silu = F.silu(gate)
        activated = silu * linear
        fed = torch.mm(activated, layer.down.t())
        x = x + (fed if masks[2] is None else fed.mul_(masks[2]))
        return x, _Saved(
            normed,
            scale,
            qk_scale,
            qk_normed,
            query,
            key,
            value,
            weights,
            mixed,
            ff_normed,
            ff_scale,
            up,
            silu,
            activated,
            masks,
        )

    def _rotate(self, x: Tensor, layer: _Layer, T: int) -> Tensor:
        """Rotary positions and gains: (B, T, H + K, D) → (B, H + K, T, D)."""
        B, _, heads, D = x.shape
        a, b, c, e = (table[:T] for table in layer.tables)
        first, second = x.chunk(2, dim=-1)
        out = torch.empty((B, heads, T, D), dtype=x.dtype, device=x.device)
        turned = out.transpose(1, 2)
        torch.mul(first, a, out=turned[..., : D // 2]).addcmul_(second, b, value=-1)
        torch.mul(second, c, out=turned[..., D // 2 :]).addcmul_(first, e)
        return out

    def _rotate_backward(self, d: Tensor, layer: _Layer, T: int) -> Tensor:
        """(B, T, H + K, D), any strides → the same, contiguous: the transposed turn."""
        a, b, c, e = (table[:T] for table in layer.tables)
        first, second = d.chunk(2, dim=-1)
        out = torch.empty(d.shape, dtype=d.dtype, device=d.device)
        half = d.shape[-1] // 2
        torch.mul(first, a, out=out[..., :half]).addcmul_(second, e)
        torch.mul(second, c, out=out[..., half:]).addcmul_(first, b, value=-1)
        return out

    def _head(self, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and the gradient of the residual stream (N, C); the head's and the final norm's gradients are added."""
        config, dtype, N = self.config, self.dtype, x.shape[0]
        scale = _rms(x, config.norm_eps)
        normed = (x * scale).to(dtype)
        probabilities = torch.softmax(torch.mm(normed, self.head.t()), dim=-1)  # (N, V)
        flat = probabilities.view(-1)
        at = torch.arange(N, device=x.device).mul_(config.vocab_size).add_(targets)
        chosen = flat.index_select(0, at)
        loss = -chosen.float().clamp_min(1e-30).log_().mean()
        flat.index_copy_(0, at, chosen.sub_(1.0))  # now the logits' gradient, times N; scatter_add_ would cost 12 ms
        dnormed = torch.mm(probabilities, self.head).float().div_(N)
        dhead = torch.mm(probabilities.t(), normed).float().div_(N)  # of the folded head
        head = "embedding.weight" if config.tie_embeddings else "head.weight"
        self._unfold(dhead, head, "norm.weight")
        return loss, self._norm_backward(dnormed, normed, scale)

    def _unfold(self, folded: Tensor, matrix: str, gain: str) -> None:
        """Gradients of a matrix W and of the gain g from that of W * g."""
        flat = self.flat
        self._gradient(gain).add_((folded * flat.view(flat.data, matrix)).sum(dim=0))
        self._gradient(matrix).addcmul_(folded, flat.view(flat.data, gain))

    @staticmethod
    def _norm_backward(dnormed: Tensor, normed: Tensor, scale: Tensor) -> Tensor:
        """Gradient of x from that of x / rms(x). dnormed: float32 (N, C)."""
        mean = (dnormed * normed).mean(dim=-1, keepdim=True)
        return dnormed.addcmul_(normed.float(), mean, value=-1).mul_(scale)

    def _block_backward(self, dx: Tensor, layer: _Layer, kept: _Saved, index: int, B: int, T: int) -> Tensor:
        config, dtype = self.config, self.dtype
        H, K, D = config.n_head, config.n_kv_head, config.head_dim
        prefix = f"blocks.{index}."

        weights_mask, attention_mask, feed_forward_mask = kept.masks
        d = dx.to(dtype) if feed_forward_mask is None else dx.to(dtype) * feed_forward_mask
        self._gradient(prefix + "feed_forward.down.weight").add_(torch.mm(d.t(), kept.activated))
        dactivated = torch.mm(d, layer.down)  # (N, F)
        gate, linear = kept.up.chunk(2, dim=-1)
        dup = torch.empty_like(kept.up)
        torch.mul(dactivated, kept.silu, out=dup[:, config.n_ff :])
        dup[:, : config.n_ff] = torch.ops.aten.silu_backward(dactivated.mul_(linear), gate)
        self._unfold(
            torch.mm(dup.t(), kept.ff_normed).float(),
            prefix + "feed_forward.up.weight",
            prefix + "feed_forward_norm.weight",
        )
        dx = dx + self._norm_backward(torch.mm(dup, layer.up).float(), kept.ff_normed, kept.ff_scale)

        d = dx.to(dtype) if attention_mask is None else dx.to(dtype) * attention_mask
        self._gradient(prefix + "attention.output.weight").add_(torch.mm(d.t(), kept.mixed))
        dmixed = torch.mm(d, layer.output).view(B, T, H, D).transpose(1, 2).reshape(B * H, T, D)
        dweights = torch.bmm(dmixed, kept.value.mT)
        if weights_mask is None:
            dvalue = torch.bmm(kept.weights.mT, dmixed)
        else:
            dvalue = torch.bmm((kept.weights * weights_mask).mT, dmixed)
            dweights.mul_(weights_mask)
        dscores = torch._softmax_backward_data(dweights, kept.weights, -1, dtype)
        dquery = torch.bmm(dscores, kept.key)
        dkey = torch.bmm(dscores.mT, kept.query)
        dqkv = torch.empty((B, T, H + 2 * K, D), dtype=dtype, device=dx.device)
        if K == H:
            drotated = torch.cat((dquery.view(B, H, T, D), dkey.view(B, K, T, D)), dim=1)
            dqkv[:, :, H + K :] = dvalue.view(B, K, T, D).transpose(1, 2)
        else:
            drotated = torch.cat((dquery.view(B, H, T, D), dkey.view(B, K, H // K, T, D).sum(dim=2)), dim=1)
            dqkv[:, :, H + K :] = dvalue.view(B, K, H // K, T, D).sum(dim=2).transpose(1, 2)
        dnormed = self._rotate_backward(drotated.transpose(1, 2), layer, T)  # (B, T, H + K, D)
        products = dnormed * kept.qk_normed
        by_head = products.view(B * T, H + K, D).sum(dim=0, dtype=torch.float32)  # (H + K, D)
        for name, part in (("query_norm", by_head[:H]), ("key_norm", by_head[H:])):
            full = f"{prefix}attention.{name}.weight"
            self._gradient(full).add_(part.sum(dim=0) / self.flat.view(self.flat.data, full))
        mean = products.mean(dim=-1, keepdim=True)
        torch.mul(dnormed.addcmul_(kept.qk_normed, mean, value=-1), kept.qk_scale, out=dqkv[:, :, : H + K])
        dqkv = dqkv.view(B * T, -1)
        self._unfold(
            torch.mm(dqkv.t(), kept.normed).float(), prefix + "attention.qkv.weight", prefix + "attention_norm.weight"
        )
        return dx + self._norm_backward(torch.mm(dqkv, layer.qkv).float(), kept.normed, kept.scale)
