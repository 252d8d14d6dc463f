"""How fast this machine is: what `gpt-tui bench` runs and says."""

from __future__ import annotations

import sys

from gpt_tui.commands.interrupts import held_back
from gpt_tui.terminal import json_line

COMMAND = [sys.executable, "-m", "gpt_tui"]


def bench_training(*, json: bool) -> None:
    """Train on *tales* by the published recipe, then by ours with as long as that took; two to four minutes."""
    with held_back():
        from engine.bench import our_curve, reference_curve, seconds_to
        from engine.data.corpus import open_corpus

    text = "\n\n".join(piece.text for piece in open_corpus(["tales"]).pieces())
    if not json:
        print("Training on tales: nanoGPT's recipe for characters, 2000 steps …", flush=True)
    reference = list(reference_curve(text))
    target = reference[-1]
    if not json:
        print(f"  {target.bits_per_byte:.3f} bits per byte after {target.seconds:.0f} s", flush=True)
        print("and gpt-tui for as long …", flush=True)
    points, took = our_curve(COMMAND, "tales", target.seconds)
    reached, at = points[-1].bits_per_byte, seconds_to(points, target.bits_per_byte)
    if json:
        found = {"bench": "train", "reference_bits_per_byte": target.bits_per_byte, "reference_seconds": target.seconds}
        print(json_line({**found, "bits_per_byte": reached, "seconds": took, "seconds_to_reference": at}), flush=True)
        return
    print(f"  {reached:.3f} bits per byte after {took:.0f} s: {1 - reached / target.bits_per_byte:.0%} fewer")
    if at is not None:
        print(f"  as good as the recipe after {at:.1f} s, {target.seconds / at:.0f} times sooner")


def bench_writing(*, json: bool) -> None:
    """Stream from models of the named sizes."""
    with held_back():
        from engine.bench import writing_speed

    for preset in ("nano", "small", "medium"):
        speed = writing_speed(preset)
        if json:
            print(json_line({"bench": "generate", "preset": preset, "tokens_per_second": speed}), flush=True)
        else:
            print(f"Writing with a {preset} model: {speed:,.0f} tokens a second", flush=True)
