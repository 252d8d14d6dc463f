"""Train a GPT on text of your own, and write with it. This is the library; `gpt_tui` is its face.

    import engine

    for event in engine.train("novel.txt", name="novel", minutes=5):
        print(event)
    model = engine.load("novel")
    print(model.generate("Once", max_new_tokens=200))

Importing `engine` imports no torch: what needs it comes with the first use of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import ModelConfig, SampleConfig, TrainConfig
    from engine.data.corpus import catalog as corpora
    from engine.errors import (
        BusyError,
        ConfigError,
        CorpusError,
        DamagedModelError,
        DeviceError,
        EngineError,
        ModelNotFoundError,
        NameTakenError,
        OutOfMemoryError,
        RequestError,
        StorageError,
        TrainingError,
    )
    from engine.events import (
        Alternative,
        Checkpoint,
        End,
        Eval,
        Event,
        Pause,
        Prepare,
        Resume,
        Round,
        Sample,
        SampleEnd,
        Start,
        Step,
        Token,
        Warning,  # noqa: F401
    )
    from engine.generation.language_model import LanguageModel, load
    from engine.store.models import models
    from engine.training.control import Control
    from engine.training.trainer import train

__all__ = [  # Warning, the event, is left out: `from engine import *` must not hide Python's own
    "Alternative",
    "BusyError",
    "Checkpoint",
    "ConfigError",
    "Control",
    "CorpusError",
    "DamagedModelError",
    "DeviceError",
    "End",
    "EngineError",
    "Eval",
    "Event",
    "LanguageModel",
    "ModelConfig",
    "ModelNotFoundError",
    "NameTakenError",
    "OutOfMemoryError",
    "Pause",
    "Prepare",
    "RequestError",
    "Resume",
    "Round",
    "Sample",
    "SampleConfig",
    "SampleEnd",
    "Start",
    "Step",
    "StorageError",
    "Token",
    "TrainConfig",
    "TrainingError",
    "corpora",
    "load",
    "models",
    "train",
]

_PLACES = {
    "config": ("ModelConfig", "SampleConfig", "TrainConfig"),
    "data.corpus": ("corpora",),
    "errors": tuple(name for name in __all__ if name.endswith("Error")),
    "events": (
        "Alternative",
        "Checkpoint",
        "End",
        "Eval",
        "Event",
        "Pause",
        "Prepare",
        "Resume",
        "Round",
        "Sample",
        "SampleEnd",
        "Start",
        "Step",
        "Token",
        "Warning",
    ),
    "generation.language_model": ("LanguageModel", "load"),
    "store.models": ("models",),
    "training.control": ("Control",),
    "training.trainer": ("train",),
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _PLACES.items() for name in names}
_NAMES = {"corpora": "catalog"}  # what bears another name where it lives


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), _NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
