"""A model as a Hugging Face folder, which transformers and many others read without a line of custom code: written,
and read, also when others wrote it.

`gpt2` is their GPT2LMHeadModel, `qwen3` their Qwen3ForCausalLM, and without the QK norm their LlamaForCausalLM.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.config import ModelConfig
from engine.data.adoption import adopt
from engine.data.tokenizer import END_OF_TEXT, UNKNOWN, Tokenizer
from engine.errors import DamagedModelError, RequestError
from engine.files import building, storage_error, write_text
from engine.locations import expanded
from engine.model.gpt import GPT
from engine.store.checkpoint import TOKENIZER, load_model, load_tokenizer, storage_error_of
from engine.store.formats.architecture import Place, describe, places, understand

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

_READ_AS = ("F32", "BF16", "F16")
_PREFIXES = ("transformer.", "model.")
_IDLE = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")  # masks and angles, which follow from the shape


def export(folder: Path, destination: Path, *, checkpoint: str | int = "best") -> Path:
    """Write the model in `folder` (one of our own) to `destination`; returns where it lies now.

    Raises `RequestError` when the destination is not empty, `DamagedModelError`, `ModelNotFoundError` or
    `StorageError`.
    """
    refuse_what_is_there(destination)
    model = load_model(folder, checkpoint)
    return write_folder(model, load_tokenizer(folder), destination)


def refuse_what_is_there(destination: Path) -> None:
    """Raises `RequestError` unless nothing or an empty folder lies at `destination`."""
    try:
        if destination.is_dir():
            if any(destination.iterdir()):
                raise RequestError(f"{destination}: this folder is not empty; export to a new one.")
        elif destination.exists() or destination.is_symlink():
            raise RequestError(f"{destination}: a file lies there; export to a new folder.")
    except OSError as error:
        raise storage_error(destination, error) from error


def write_folder(model: GPT, tokenizer: Tokenizer, destination: Path) -> Path:
    """Write a Hugging Face folder: the whole of it or nothing.

    Raises `RequestError` when the destination is not empty, and `StorageError`.
    """
    destination = expanded(destination).absolute()
    refuse_what_is_there(destination)
    try:
        with building(destination) as folder:
            for name, table in tables(model.config, tokenizer).items():
                write_text(folder / name, json.dumps(table, indent=2, ensure_ascii=False) + "\n")
            tokenizer.save(folder / TOKENIZER)
            save_file(tensors(model), folder / WEIGHTS, {"format": "pt"})
            if destination.is_dir():
                destination.rmdir()  # it is empty, or this fails
    except SafetensorError as error:
        raise storage_error_of(destination, error) from error
    return destination


def tables(config: ModelConfig, tokenizer: Tokenizer) -> dict[str, dict[str, Any]]:
    """The JSON files of the folder by their names."""
    end = {"bos_token_id": tokenizer.end_of_text, "eos_token_id": tokenizer.end_of_text}
    special = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    if tokenizer.unknown is not None:
        special["unk_token"] = UNKNOWN
    return {
        CONFIG: {**describe(config), **end, "dtype": "float32", "torch_dtype": "float32", "use_cache": True},
        "generation_config.json": {**end, "pad_token_id": tokenizer.end_of_text},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": config.block_size,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": True,  # their spelling in a text is plain text
            **special,
        },
    }


@torch.no_grad()
def tensors(model: GPT) -> dict[str, Tensor]:
    """The weights by transformers' names, each in memory of its own; a tied head is none of them."""
    state = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    named = {place.theirs: _part(state[place.ours], place) for place in places(model.config)}
    return {name: tensor.float().clone(memory_format=torch.contiguous_format) for name, tensor in named.items()}


def _part(ours: Tensor, place: Place) -> Tensor:
    """The part of a tensor of ours that is one of theirs, as they keep it."""
    part = ours[place.rows]
    return part.t() if place.turned else part


# In


def read_folder(folder: Path) -> tuple[GPT, Tokenizer]:
    """The model and the tokenizer of a Hugging Face folder; weights in 16 bits become float32. Reads no pickle.

    Raises `RequestError` when our GPT does not compute what that model does, `DamagedModelError` when files are
    missing, damaged, or contradict one another.
    """
    table = _read_json(folder / CONFIG)
    try:
        config = understand(table)
    except RequestError as error:
        raise RequestError(f"{folder.name}: {CONFIG}: {error}") from None
    with _stored_tensors(folder) as stored:
        model = _filled(config, stored, folder.name)
    tokenizer = adopt(folder / TOKENIZER, end_of_text=_end_of_text(table))
    if tokenizer.vocab_size > model.config.vocab_size:
        sizes = f"{tokenizer.vocab_size} tokens, the model {model.config.vocab_size}"
        raise DamagedModelError(f"{folder.name}: {TOKENIZER} has {sizes}.")
    return model.eval(), tokenizer


def _read_json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DamagedModelError(f"{path.name} is missing from {path.parent}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedModelError(f"{path} is damaged: {' '.join(str(error).split())[:200]}.") from None
    if not isinstance(table, dict):
        raise DamagedModelError(f"{path} is damaged: it holds no table.")
    return table


def _end_of_text(table: dict[str, Any]) -> int | None:
    """The id of the token that ends a text, as far as config.json tells; of several the first."""
    found = table.get("eos_token_id")
    if isinstance(found, list):
        found = found[0] if found else None
    return found if isinstance(found, int) else None


class Stored(NamedTuple):
    """A tensor in a file, which is read when it is asked for."""

    shape: list[int]
    dtype: str
    read: Callable[[], Tensor]


@contextlib.contextmanager
def _stored_tensors(folder: Path) -> Iterator[dict[str, Stored]]:
    """The tensors of a folder's one file, or of the several that an index names, by their names."""
    stored: dict[str, Stored] = {}
    with contextlib.ExitStack() as opened:
        for name in _weight_files(folder):
            try:
                file = opened.enter_context(safe_open(folder / name, framework="pt"))
                for key in file.keys():  # noqa: SIM118 - it is no dict
                    head = file.get_slice(key)
                    stored[key] = Stored(head.get_shape(), head.get_dtype(), partial(file.get_tensor, key))
            except (SafetensorError, OSError) as error:
                reason = "it is missing" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())[:200]
                raise DamagedModelError(f"{folder / name}: {reason}.") from None
        yield stored


def _weight_files(folder: Path) -> list[str]:
    if (folder / INDEX).exists():
        index = _read_json(folder / INDEX).get("weight_map")
        names = sorted(set(map(str, index.values()))) if isinstance(index, dict) else []
        if not names or any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
            raise DamagedModelError(f"{folder / INDEX} is damaged: it names no safetensors files beside it.")
        return names
    if not (folder / WEIGHTS).exists():
        raise DamagedModelError(f"{WEIGHTS} is missing from {folder}; weights in other files (pickles) are not read.")
    return [WEIGHTS]


def _filled(config: ModelConfig, stored: dict[str, Stored], name: str) -> GPT:
    """A GPT with the stored weights. Raises `DamagedModelError` on one that is missing or has another shape, and
    `RequestError` on one that has no place in it; `name` is the folder's, for the message."""
    stored = {key: tensor for key, tensor in stored.items() if not key.endswith(_IDLE)}
    with torch.device("meta"):
        expected = dict(GPT(config).named_parameters())
    found: list[tuple[Place, Stored]] = []
    for place in places(config):
        key = next((key for key in _spellings(place.theirs) if key in stored), None)
        if key is None:
            raise DamagedModelError(f"{name}: its weights lack {place.theirs}.")
        tensor, shape = stored.pop(key), list(_part(expected[place.ours], place).shape)
        if tensor.shape != shape:
            raise DamagedModelError(f"{name}: {key} is {tensor.shape}, and after {CONFIG} it should be {shape}.")
        if tensor.dtype not in _READ_AS:
            raise RequestError(f"{name}: {key} is stored as {tensor.dtype}; only {', '.join(_READ_AS)} are read.")
        found.append((place, tensor))
    if config.tie_embeddings:
        stored.pop("lm_head.weight", None)  # written out once more; transformers does not read it either
    if stored:
        raise RequestError(f"{name}: its weights hold {min(stored)}, for which this kind of model has no place.")
    model = GPT(config, initialize=False)
    ours = dict(model.named_parameters())
    with torch.no_grad():
        for place, tensor in found:
            _part(ours[place.ours], place).copy_(tensor.read())
    return model


def _spellings(name: str) -> Iterator[str]:
    """A tensor's name, and that without the prefix that is left out where a model was saved without its head."""
    yield name
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            yield name.removeprefix(prefix)
