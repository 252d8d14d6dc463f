"""Which of the machine's devices computes."""

from __future__ import annotations

import torch

from engine.errors import DeviceError


def resolve_device(device: str) -> str:
    """`auto` → the best device that is there: `cuda`, else `mps`, else `cpu`; any other, itself.

    Raises `DeviceError` when it is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(device, False):
        names = ", ".join(name for name, found in there.items() if found)
        raise DeviceError(f"device: this machine has no {device} that torch can use. There is: {names}.")
    return device
