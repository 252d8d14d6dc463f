"""Weights and training state in and out of a model's folder. Every file is safetensors: nothing that is read can run.

weights.safetensors            the best weights
checkpoints/<step>.safetensors earlier moments
run/state.safetensors          the last weights, the optimizer, the random state; its header holds the rest as JSON
run/heldout.safetensors        the held-out tokens, so that a model can be measured again wherever its text went
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from torch import Tensor

from engine.config import ModelConfig
from engine.data.tokenizer import Tokenizer
from engine.errors import DamagedModelError, ModelNotFoundError, StorageError
from engine.files import replacing, storage_error
from engine.model.gpt import GPT
from engine.store.models import checkpoints, read_record

WEIGHTS = "weights.safetensors"
STATE = "run/state.safetensors"
HELDOUT = "run/heldout.safetensors"
TOKENIZER = "tokenizer.json"
_MODEL = "model."


def moment(step: int) -> str:
    """The file, within a model's folder, of the moment after `step` steps."""
    return f"checkpoints/{step}.safetensors"


def weights_of(model: GPT) -> dict[str, Tensor]:
    """The model's parameters by name, on the CPU; a tied head once."""
    return {name: parameter.detach().to("cpu").contiguous() for name, parameter in model.named_parameters()}


def save_tensors(path: Path, tensors: dict[str, Tensor], state: dict[str, Any] | None = None) -> None:
    """Write tensors, and `state` as JSON in the header, whole or not at all. Raises `StorageError`."""
    with replacing(path) as temporary:
        try:
            owned = {name: _owned(tensor) for name, tensor in tensors.items()}
            save_file(owned, temporary, {"state": json.dumps(state)} if state is not None else None)
        except SafetensorError as error:
            raise storage_error_of(path, error) from error


def _owned(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, and a copy where it shares memory with others, as views of one buffer do: safetensors
    refuses those."""
    tensor = tensor.detach().cpu()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def storage_error_of(path: Path, error: Exception) -> StorageError:
    """safetensors reports a full disk as an error of its own; say it as other writes do."""
    if "28" in str(error) or "space" in str(error).lower():
        return storage_error(path, OSError(28, "No space left on device"))
    return StorageError(f"Cannot write {path}: {error}.")


def load_tensors(path: Path, device: str = "cpu", only: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, those whose names begin with `only`, and the state in its header. Raises
    `DamagedModelError`."""
    try:
        with safe_open(path, framework="pt", device=device) as stored:
            names = [name for name in stored.keys() if name.startswith(only)]  # noqa: SIM118 - it is no dict
            tensors = {name: stored.get_tensor(name) for name in names}
            metadata = stored.metadata() or {}
        state = json.loads(metadata.get("state", "{}"))
        if not isinstance(state, dict):
            raise ValueError("its state is no table")
        return tensors, state
    except FileNotFoundError:  # so it says too where one may not read the file
        if path.exists():
            raise DamagedModelError(f"{path}: not allowed to read it; change its permissions.") from None
        raise DamagedModelError(f"{path.name} is missing from {path.parent}.") from None
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedModelError(f"{path} is damaged: {reason}.") from None


def load_model(folder: Path, checkpoint: str | int = "best", device: str = "cpu") -> GPT:
    """The GPT of a model's folder with its best or last weights, or those after a number of steps.

    Raises `ModelNotFoundError` when there is no such checkpoint, `DamagedModelError` when files contradict each other.
    """
    config = read_record(folder).model
    path, prefix = _weights_file(folder, str(checkpoint))
    tensors, _ = load_tensors(path, device)
    if prefix:
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return assemble(config, tensors, path, device)


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model's folder. Raises `DamagedModelError` when it is damaged, or another model's."""
    record = read_record(folder)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    if tokenizer.vocab_size > record.model.vocab_size:
        sizes = f"{tokenizer.vocab_size} tokens, the model {record.model.vocab_size}"
        raise DamagedModelError(f"{folder.name}: {TOKENIZER} has {sizes}.")
    if record.tokenizer_checksum not in ("", tokenizer.checksum):
        raise DamagedModelError(
            f"{folder.name}: its {TOKENIZER} is not the one that it was trained with; put that back."
        )
    return tokenizer


def assemble(config: ModelConfig, tensors: dict[str, Tensor], path: Path, device: str) -> GPT:
    """A GPT of `config` with these weights. Raises `DamagedModelError` when they do not fit."""
    with torch.device("meta"):
        model = GPT(config, initialize=False)
    expected = {name: parameter.shape for name, parameter in model.named_parameters()}
    for name, shape in expected.items():
        if name not in tensors:
            raise DamagedModelError(f"{path} is damaged: it lacks {name}.")
        if tensors[name].shape != shape:
            raise DamagedModelError(
                f"{path} does not fit model.toml: {name} is {list(tensors[name].shape)}, and should be {list(shape)}."
            )
        if not tensors[name].is_floating_point():
            raise DamagedModelError(f"{path} is damaged: {name} holds no floating-point numbers.")
    model = GPT(config, initialize=False).to(device)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])
    return model.eval()


def _weights_file(folder: Path, checkpoint: str) -> tuple[Path, str]:
    if checkpoint == "best":
        return folder / WEIGHTS, ""
    if checkpoint == "last":
        state = folder / STATE
        return (state, _MODEL) if state.exists() else (folder / WEIGHTS, "")
    kept = checkpoints(folder)
    if checkpoint not in map(str, kept):
        there = ", ".join(["best", "last", *map(str, kept)])
        raise ModelNotFoundError(f"{folder.name}: no checkpoint {checkpoint!r}. There are: {there}.")
    return folder / moment(int(checkpoint)), ""


def save_moment(folder: Path, weights: dict[str, Tensor], step: int, keep: int) -> None:
    """Keep a model's weights as they are after `step` steps, and thin the earlier moments to `keep`: always the one
    whose neighbours lie nearest to it, on a logarithmic scale, goes; the first and the last stay."""
    if not keep:
        return
    save_tensors(folder / moment(step), weights)
    steps = checkpoints(folder)
    while len(steps) > max(keep, 2):
        gaps = [steps[i + 1] / max(steps[i - 1], 1) for i in range(1, len(steps) - 1)]
        gone = steps.pop(1 + gaps.index(min(gaps)))
        (folder / moment(gone)).unlink(missing_ok=True)


def drop_moments(folder: Path) -> None:
    """Delete the earlier moments, for room."""
    for step in checkpoints(folder):
        with contextlib.suppress(OSError):
            (folder / moment(step)).unlink()


def save_state(folder: Path, weights: dict[str, Tensor], tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Everything that resuming needs, in one file: it is there whole, or the one before it is."""
    save_tensors(folder / STATE, {**{_MODEL + name: tensor for name, tensor in weights.items()}, **tensors}, state)


def load_state(folder: Path, only: str = "") -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """The last weights, the other tensors and the state that `save_state` wrote, of tensors those alone whose names
    begin with `only`. Raises `DamagedModelError`."""
    tensors, state = load_tensors(folder / STATE, only=only)
    weights = {name.removeprefix(_MODEL): tensor for name, tensor in tensors.items() if name.startswith(_MODEL)}
    return weights, {name: tensor for name, tensor in tensors.items() if not name.startswith(_MODEL)}, state


def save_heldout(folder: Path, tokens: NDArray[np.integer], n_bytes: int) -> None:
    """Keep the held-out tokens and how many bytes of text they are."""
    path = folder / HELDOUT
    with replacing(path) as temporary:
        try:
            save_arrays({"tokens": np.asarray(tokens), "bytes": np.array([n_bytes], dtype=np.int64)}, temporary)
        except SafetensorError as error:
            raise storage_error_of(path, error) from error


def heldout_tokens(folder: Path) -> tuple[NDArray[np.integer], int]:
    """The held-out tokens of a model's text and their UTF-8 bytes. Raises `DamagedModelError`."""
    path = folder / HELDOUT
    try:
        arrays = load_arrays(path)
        return arrays["tokens"], int(arrays["bytes"][0])
    except FileNotFoundError:
        raise DamagedModelError(
            f"{folder.name}: its held-out text is not kept with it; name a text to evaluate it on."
        ) from None
    except (SafetensorError, OSError, KeyError, ValueError, IndexError) as error:
        raise DamagedModelError(f"{path} is damaged: {' '.join(str(error).split())[:200]}.") from None
