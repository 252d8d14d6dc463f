"""A settled run, from rank 0, which prepared it, to the other processes that train it.

They read the same files: the tokens in the cache, and of the model's folder the tokenizer and, where a run is gone on
with, its state. On several machines `GPT_TUI_HOME` therefore names one folder that all of them see.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import files
from engine.data.dataset import TokenData
from engine.errors import StorageError
from engine.model.gpt import GPT
from engine.store import checkpoint as store
from engine.store.models import ModelRecord
from engine.training.claiming import discard
from engine.training.control import Control
from engine.training.parallel import Ranks
from engine.training.planner import Machine, Plan
from engine.training.preparation import Job

_JOB, _READY, _GO = "job", "ready {rank}", "go"


def give(job: Job, ranks: Ranks, control: Control) -> None:
    """Rank 0's part: tell the others of the job, and wait until each has what it needs.

    Raises what one of them failed with; a model that was just begun is taken back then.
    """
    if not ranks.several:
        return
    try:
        ranks.post(_JOB, _described(job))
        for rank in range(1, ranks.size):
            ranks.read(_READY.format(rank=rank), control)
        ranks.post(_GO, True)
    except BaseException:
        if job.resumed is None:
            discard(job.folder, job.lock)
        else:
            job.lock.release()
        raise


def take(ranks: Ranks, control: Control) -> Job:
    """The others' part: wait for the job, and open what belongs to it. Raises what another process failed with."""
    told = ranks.read(_JOB, control)
    for path in (told["folder"], told["tokens"]["path"]):
        if not Path(path).exists():
            raise StorageError(
                f"{path}: {platform.node()} does not see it. All machines of a training need one GPT_TUI_HOME, in a "
                "folder that they share."
            )
    ranks.take_device(told["device"])
    job = _opened(told)
    ranks.post(_READY.format(rank=ranks.rank), True)
    ranks.read(_GO, control)
    return job


def _described(job: Job) -> dict[str, Any]:
    """The job in plain JSON."""
    tokens = job.tokens
    assert isinstance(tokens.train, np.memmap)  # as `encode_corpus` gives it
    return {
        "folder": str(job.folder),
        "record": job.record.to_toml(),
        "device": job.device,
        "plan": job.plan.to_table(),
        "machine": asdict(job.machine),
        "prompt": job.prompt,
        "resumed": job.resumed is not None,
        "sharded": job.sharded,
        "tokens": {
            "path": str(tokens.train.filename),
            "offset": tokens.train.offset,
            "dtype": tokens.train.dtype.str,
            "train": len(tokens.train),
            "train_bytes": tokens.train_bytes,
            "heldout_bytes": tokens.heldout_bytes,
            "end_of_text": tokens.end_of_text,
        },
    }


def _opened(told: dict[str, Any]) -> Job:
    """The job that another process described. Its weights, if it is new, come from rank 0 later."""
    folder, device = Path(told["folder"]), told["device"]
    record = ModelRecord.from_toml(told["record"])
    plan = {**told["plan"], "advice": tuple(told["plan"]["advice"])}
    resumed, sharded = None, told["sharded"]
    if told["resumed"]:
        weights, tensors, state = store.load_state(folder, only="random." if sharded else "")
        resumed = tensors, state
    if sharded:  # of what is large, its part comes from rank 0
        with torch.device("meta"):
            model = GPT(record.model, initialize=False)
    elif told["resumed"]:
        model = store.assemble(record.model, weights, folder / store.STATE, device)
    else:
        model = GPT(record.model, initialize=False).to(device)
    return Job(
        folder=folder,
        lock=files.ModelLock(folder),  # never taken: rank 0 holds it
        record=record,
        tokenizer=store.load_tokenizer(folder),
        tokens=_mapped(told["tokens"]),
        model=model,
        device=device,
        plan=Plan(model=record.model, train=record.train, **plan),
        machine=Machine(**told["machine"]),
        prompt=told["prompt"],
        resumed=resumed,
        sharded=sharded,
    )


def _mapped(told: dict[str, Any]) -> TokenData:
    tokens = np.memmap(told["path"], dtype=np.dtype(told["dtype"]), mode="r", offset=told["offset"])
    return TokenData(
        train=tokens[: told["train"]],
        heldout=tokens[told["train"] :],
        train_bytes=told["train_bytes"],
        heldout_bytes=told["heldout_bytes"],
        end_of_text=told["end_of_text"],
    )
