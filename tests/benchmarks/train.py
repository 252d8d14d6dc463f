"""Bits per byte over wall-clock time: the published nanoGPT recipe for characters, and ours with as long as it took.

    python tests/benchmarks/train.py TEXT... [--gpu] [--plot screenshots/learning.svg]

The reference is transformers' GPT2LMHeadModel; its clock stands still while it evaluates. Ours is the installed
command, its clock that of the whole process: start, imports, tokenizer, evaluations and saving included. It begins
from scratch, as the reference does; with --option=--from=english it goes on from the model that ships. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.bench import CPU_RECIPE, GPU_RECIPE, Point, Recipe, our_curve, reference_curve, seconds_to

COMMAND = [sys.executable, "-m", "gpt_tui"]
COLOURS = {"nanoGPT's recipe": "#8a8f98", "gpt-tui": "#2f6fdf"}


def transformers_model(recipe: Recipe, vocab_size: int) -> tuple[nn.Module, Any]:
    """The recipe's model as transformers computes it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    drop = {"resid_pdrop": recipe.dropout, "embd_pdrop": recipe.dropout, "attn_pdrop": recipe.dropout}
    shape = {
        "n_layer": recipe.n_layer,
        "n_head": recipe.n_head,
        "n_embd": recipe.n_embd,
        "n_positions": recipe.block_size,
    }
    config = GPT2Config(vocab_size=vocab_size, bos_token_id=0, eos_token_id=0, **shape, **drop)

    def loss(model: nn.Module, ids: Tensor, targets: Tensor) -> Tensor:
        logits = model(input_ids=ids).logits
        return nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

    return GPT2LMHeadModel(config), loss


def svg(title: str, curves: dict[str, list[Point]]) -> str:
    """The curves as a picture: seconds on a logarithmic axis, bits per byte on a linear one."""
    width, height, left, top, right, bottom = 760, 420, 64, 48, 24, 48
    points = [point for curve in curves.values() for point in curve if point.seconds > 0]
    low, high = math.log10(min(p.seconds for p in points)), math.log10(max(p.seconds for p in points))
    least, most = min(p.bits_per_byte for p in points) - 0.4, min(max(p.bits_per_byte for p in points), 5.0)

    def x(seconds: float) -> float:
        return left + (math.log10(seconds) - low) / (high - low) * (width - left - right)

    def y(bits: float) -> float:
        return top + (most - min(bits, most)) / (most - least) * (height - top - bottom)

    def text(at_x: float, at_y: float, words: str, more: str = "") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" {more}>{words}</text>'

    middle = 'text-anchor="middle"'
    box = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" fill="#444"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    parts.append(text(left, 26, title, 'font-size="15" fill="#111"'))
    for half in range(math.ceil(least * 2), math.floor(most * 2) + 1):
        parts.append(f'<path d="M{left} {y(half / 2):.1f}H{width - right}" stroke="#e6e6e6"/>')
        parts.append(text(left - 34, y(half / 2) + 4, f"{half / 2:.1f}"))
    for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000):
        if low <= math.log10(tick) <= high:
            parts.append(f'<path d="M{x(tick):.1f} {top}V{height - bottom}" stroke="#f0f0f0"/>')
            parts.append(text(x(tick), height - bottom + 18, f"{tick} s", middle))
    parts.append(text(width / 2, height - 10, "wall-clock time (logarithmic)", middle))
    turned = f'transform="rotate(-90 16 {height / 2})" {middle}'
    parts.append(text(16, height / 2, "bits per byte, held out", turned))
    for name, curve in curves.items():
        line = " ".join(f"{x(p.seconds):.1f},{y(p.bits_per_byte):.1f}" for p in curve if p.seconds > 0)
        colour, last = COLOURS[name], curve[-1]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        label = f'text-anchor="end" fill="{colour}"'
        parts.append(text(x(last.seconds), y(last.bits_per_byte) + 20, f"{name}: {last.bits_per_byte:.2f}", label))
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--gpu", action="store_true", help="the GPU recipe, on CUDA")
    parser.add_argument(
        "--seconds",
        type=float,
        help="give ours this long, and run no reference",
    )
    parser.add_argument("--plot", type=Path, help="write the curves of the first text to this SVG file")
    parser.add_argument(
        "--option", action="append", default=[], help="a further option for gpt-tui train, e.g. --option=--seed=2"
    )
    arguments = parser.parse_args()
    recipe, device = (GPU_RECIPE, "cuda") if arguments.gpu else (CPU_RECIPE, "cpu")
    print(f"{'text':24} {'reference':>18} {'ours':>18} {'fewer bits':>11} {'same quality':>22}")
    savings = []
    for number, path in enumerate(arguments.texts):
        text = path.read_text("utf-8")
        curve = [] if arguments.seconds else list(reference_curve(text, recipe, transformers_model, device=device))
        seconds = arguments.seconds or curve[-1].seconds
        points, took = our_curve(COMMAND, str(path), seconds, device=device, options=arguments.option)
        if not curve:
            print(f"{path.name[:24]:24} {'':18} {points[-1].bits_per_byte:8.3f} in {took:5.1f} s", flush=True)
            continue
        target, reached = curve[-1].bits_per_byte, points[-1].bits_per_byte
        savings.append(1 - reached / target)
        at = seconds_to(points, target)
        sooner = f"{at:.1f} s, {seconds / at:.1f}x sooner" if at else "not reached"
        figures = f"{target:8.3f} in {seconds:5.1f} s {reached:8.3f} in {took:5.1f} s {savings[-1]:10.1%} {sooner:>22}"
        print(f"{path.name[:24]:24} {figures}", flush=True)
        if arguments.plot and number == 0:
            title = path.name if arguments.gpu else f"{path.name}, {torch.get_num_threads()} CPU threads"
            arguments.plot.write_text(svg(title, {"nanoGPT's recipe": curve, "gpt-tui": points}), "utf-8")
    if len(savings) > 1:
        print(f"mean: {sum(savings) / len(savings):.1%} fewer bits per byte")


if __name__ == "__main__":
    main()
