"""What this machine can do: measured once, and remembered. A process without torch has a child measure.

Run as a program it measures and prints one JSON object.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine import files, locations
from engine.errors import EngineError
from engine.training.planner import Machine

_FORMAT = 3
MOST_SECONDS = 1.0
"""What is measured takes no longer than that, and one repetition more."""
CROWDED = (
    "Other programs kept the processor busy while this machine was measured, so the plan may be more modest than need "
    "be. It is measured anew the next time."
)
"""What is said when `look` tells so."""


def keep_freed_pages() -> None:
    """Tell glibc to keep what is freed: a training step frees and takes the same large blocks over and over, and
    giving each back to the system costs a quarter of a small model's step. Elsewhere it does nothing."""
    if platform.system() != "Linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
        libc.mallopt(mmap_threshold, 1 << 25)  # the most that it takes
        libc.mallopt(trim_threshold, 1 << 30)


def machine(device: str = "cpu") -> Machine:
    """What the machine can do on `device` (`cpu`, `cuda` or `mps`), from memory or measured now: in this process when
    torch is here (a second), else in a child process (three)."""
    return look(device)[0]


def look(device: str) -> tuple[Machine, bool]:
    """As `machine`, and whether it may be too little: others kept the processors busy while it was measured. Then it is
    used this once, and measured anew the next time."""
    if (found := remembered(device)) is not None:
        return found, False
    found, crowded = _measure_watched(device) if "torch" in sys.modules else _measure_in_child(device)
    if found != Machine(device=device) and not crowded:
        remember(found)
    return found, crowded


def remembered(device: str = "cpu") -> Machine | None:
    """What was measured before on this machine with this torch; None when nothing was. Imports no torch."""
    try:
        record = json.loads(_memory().read_text("utf-8"))[_key(device)]
        return Machine(**record)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _memory() -> Path:
    return locations.cache_dir() / "machine.json"


def _key(device: str) -> str:
    parts = (_FORMAT, version("torch"), platform.machine(), _processor(), os.cpu_count(), device)
    return " | ".join(map(str, parts))


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def physical_memory() -> int:
    """Bytes of the machine's memory; 0 where it does not tell."""
    if sys.platform == "win32":
        status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX: its own size and the load, then the total, in 64 bytes
        return int(status[1]) if ctypes.windll.kernel32.GlobalMemoryStatusEx(status) else 0
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def _measure_in_child(device: str) -> tuple[Machine, bool]:
    command = [sys.executable, "-m", "engine.training.machine", device]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.setdefault("GOMP_SPINCOUNT", "100000")  # as in `runs`: threads that spin keep others from working
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=True)
        told = json.loads(done.stdout)
        return Machine(**told["machine"]), bool(told["crowded"])
    except (subprocess.SubprocessError, OSError, ValueError, TypeError, KeyError):
        return Machine(device=device), False  # nothing measured: modest figures that any machine reaches


def _measure_watched(device: str) -> tuple[Machine, bool]:
    """The measurement, and whether others took more than a fifth of the processors meanwhile."""
    from engine.training.steps import crowded

    before, begun = _processor_seconds(), time.perf_counter()
    found = measure(device)
    took, after = time.perf_counter() - begun, _processor_seconds()
    if before is None or after is None:
        return found, device == "cpu" and crowded(found.threads)
    others = (after[0] - before[0]) - (after[1] - before[1])
    return found, device == "cpu" and others > 0.2 * took * (os.cpu_count() or 1)


def _processor_seconds() -> tuple[float, float] | None:
    """Seconds for which all processors together were busy since the system began, and those of this process; None where
    the system does not tell (Linux does)."""
    try:
        user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text("ascii").split()[1:9])
        busy = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
    own = os.times()
    return busy, own.user + own.system


def remember(found: Machine) -> None:
    """Keep what was measured. A cache that cannot be written is no reason to fail."""
    known: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(_memory().read_text("utf-8"))
    known[_key(found.device)] = asdict(found)
    with contextlib.suppress(EngineError):
        files.write_text(_memory(), json.dumps(known, indent=1))


def measure(device: str) -> Machine:
    """Measure this process's torch on `device`: the rate of products (2048 tokens, 128 to 768 wide) in both types,
    and what a whole training step of a small model makes of it, hand-written or by autograd."""
    import torch

    from engine.config import ModelConfig, TrainConfig
    from engine.model.gpt import GPT
    from engine.training.fast_step import FastStep
    from engine.training.optim import FlatParameters, Optimizer
    from engine.training.steps import AutogradStep, Step, synchronize

    keep_freed_pages()

    def seconds(work: Any, repeats: int, enough: float = math.inf) -> float:
        """The middle one of so many; of fewer where a second has passed by then, as it does on a busy machine, or where
        one took so long that it is `enough`."""
        work()  # the first takes memory, and loads what it needs
        synchronize(device)
        times: list[float] = []
        first = time.perf_counter()
        while len(times) < repeats and (not times or time.perf_counter() - first < MOST_SECONDS):
            begun = time.perf_counter()
            work()
            synchronize(device)
            times.append(time.perf_counter() - begun)
            if times[-1] > enough:
                break
        return statistics.median(times)

    size = (2048, 128, 768) if device == "cpu" else (16384, 2048, 2048)
    rates = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(size[0], size[1], device=device, dtype=dtype)
        b = torch.randn(size[1], size[2], device=device, dtype=dtype)
        took = seconds(lambda a=a, b=b: a @ b, 10)
        rates[dtype] = 2 * size[0] * size[1] * size[2] / took
    dtype = torch.bfloat16 if rates[torch.bfloat16] > 1.15 * rates[torch.float32] else torch.float32

    config = ModelConfig(vocab_size=2048, block_size=256, n_ff=384)
    model = GPT(config).to(device)
    flat = FlatParameters(model)
    optimizer = Optimizer(flat, TrainConfig())
    ids = torch.randint(0, config.vocab_size, (8, config.block_size), device=device)

    def whole(step: Step) -> None:
        """All of a step's work, down to new weights."""
        flat.grad.zero_()
        step(ids, ids)
        flat.clip_gradients(1.0)
        optimizer.step(0.0)

    fast = math.inf
    if device == "cpu":
        fast_step = FastStep(model, flat, dtype)
        fast = seconds(lambda: whole(fast_step), 5)
    autograd = AutogradStep(model, dtype)
    slow = seconds(lambda: whole(autograd), 5, enough=1.5 * fast)
    reached = config.flops_per_token() * ids.numel() / min(fast, slow)
    memory = torch.cuda.get_device_properties(0).total_memory if device == "cuda" else physical_memory()
    name = torch.cuda.get_device_name(0) if device == "cuda" else _processor()
    return Machine(
        device=device,
        name=name,
        threads=torch.get_num_threads(),
        float32=rates[torch.float32],
        bfloat16=rates[torch.bfloat16],
        step_efficiency=reached / max(rates.values()),
        fast_step=fast < slow,
        memory=memory,
    )


if __name__ == "__main__":
    measured, busy = _measure_watched(sys.argv[1])
    sys.stdout.write(json.dumps({"machine": asdict(measured), "crowded": busy}))
