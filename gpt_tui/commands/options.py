"""What the commands take. Options that stand for a setting are explained and bounded by the engine's own configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from engine.config import ModelConfig, SampleConfig, TrainConfig
from engine.errors import ConfigError

Config = TypeVar("Config", ModelConfig, TrainConfig, SampleConfig)


def setting(kind: type[Any], name: str, metavar: str = "", *, panel: str | None = None, default: str = "") -> Any:
    """An option for a field of a config: named as the field is, explained by the field's own words."""
    metadata = next(field.metadata for field in fields(kind) if field.name == name)
    words = metadata["meaning"] + (f" Without it: {default}." if default else "")
    shown = metavar or "|".join(metadata["choices"])
    return typer.Option(flag(name), metavar=shown, help=words, rich_help_panel=panel)


def option(declaration: str, words: str, metavar: str | None = None, *, panel: str | None = None) -> Any:
    return typer.Option(*declaration.split(), metavar=metavar or "", help=words, rich_help_panel=panel)


def argument(metavar: str, words: str) -> Any:
    return typer.Argument(metavar=metavar, help=words, show_default=False)


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given: what is not None."""
    return {name: value for name, value in options.items() if value is not None}


def checked(kind: type[Config], options: Mapping[str, Any]) -> Config:
    """The config of these options. Raises `ConfigError`, whose message names the options instead of the fields."""
    try:
        return kind(**options)
    except ConfigError as error:
        head, colon, complaint = str(error).partition(":")
        names = head.split(" and ")
        if all(name in options for name in names):
            head = " and ".join(map(flag, names))
        raise ConfigError(f"{head}{colon}{complaint}") from None


def check_above_zero(options: Mapping[str, float]) -> None:
    """Raises `ConfigError` for an option that is zero or less, as a budget cannot be."""
    for name, value in options.items():
        if value <= 0:
            raise ConfigError(f"{flag(name)}: {value:g} is too small; it must be more than 0.")


def check_range(name: str, value: int, *, least: int, most: int) -> None:
    """Raises `ConfigError` unless `least` ≤ value ≤ `most`."""
    if not least <= value <= most:
        raise ConfigError(f"{flag(name)}: {value} is out of range; from {least} to {most:,}.")


def examples(*commands: str) -> str:
    """The end of a help text; the control character keeps its lines apart."""
    return "\b\nExamples:\n" + "\n".join(f"  gpt-tui {command}" for command in commands)


_TEXT = (
    "Files, folders (every text file below them), a corpus by its name in `gpt-tui corpora`, or - for standard input."
)
_BUDGET, _RECIPE = "How long", "What is trained"

Model = Annotated[str, argument("MODEL", "A model by its name in `gpt-tui models`, or its folder.")]
Stored = Annotated[str, argument("MODEL", "A model by its name in `gpt-tui models`.")]
Deleted = Annotated[str, argument("MODEL", "The name of a deleted model.")]
NewName = Annotated[str, argument("NAME", "Its new name.")]
Bench = Annotated[str, argument("[train|generate|all]", "Learning, writing, or both.")]
Json = Annotated[bool, option("--json", "One JSON object a line on standard output, and nothing else there.")]

Texts = Annotated[list[str] | None, argument("TEXT", _TEXT)]
Name = Annotated[str | None, option("--name", "The model's name. Without it: the text's own.", "NAME")]
Replace = Annotated[bool, option("--replace", "Train anew a model of that name; the old one goes to the trash.")]
Resume = Annotated[bool, option("--resume", "Go on with the interrupted training of --name.")]
Minutes = Annotated[float | None, setting(TrainConfig, "minutes", "M", panel=_BUDGET, default="2")]
Steps = Annotated[int | None, setting(TrainConfig, "steps", "S", panel=_BUDGET)]
Epochs = Annotated[float | None, setting(TrainConfig, "epochs", "E", panel=_BUDGET)]
Preset = Annotated[str | None, setting(TrainConfig, "preset", panel=_RECIPE, default="auto")]
TokenizerKind = Annotated[str | None, setting(TrainConfig, "tokenizer", panel=_RECIPE, default="bpe")]
VocabSize = Annotated[int | None, setting(ModelConfig, "vocab_size", "V", panel=_RECIPE, default="what fits the text")]
Device = Annotated[str | None, setting(TrainConfig, "device", panel=_RECIPE, default="auto")]
TrainSeed = Annotated[int | None, setting(TrainConfig, "seed", "K", panel=_RECIPE, default="1")]
From = Annotated[
    str | None,
    option(
        "--from",
        "Begin with the weights of this model; scratch: with none; auto: with those of the one that has read most, if "
        "that pays. Without it: with those of english, which ships, if that pays.",
        "MODEL",
        panel=_RECIPE,
    ),
]
Settings = Annotated[
    list[str] | None, option("--set", "Any other setting of the model or the training.", "KEY=VALUE", panel=_RECIPE)
]
Quiet = Annotated[bool, option("--quiet -q", "No display, only the last line.")]

Prompt = Annotated[str, argument("PROMPT", "What to go on from; - for standard input. Without it: a new document.")]
MaxNewTokens = Annotated[int | None, setting(SampleConfig, "max_new_tokens", "N", default="200")]
Temperature = Annotated[float | None, setting(SampleConfig, "temperature", "T", default="0.8")]
TopK = Annotated[int | None, setting(SampleConfig, "top_k", "K")]
TopP = Annotated[float | None, setting(SampleConfig, "top_p", "P")]
MinP = Annotated[float | None, setting(SampleConfig, "min_p", "P")]
RepetitionPenalty = Annotated[float | None, setting(SampleConfig, "repetition_penalty", "R")]
Stop = Annotated[list[str] | None, setting(SampleConfig, "stop", "S")]
Seed = Annotated[int | None, setting(SampleConfig, "seed", "K")]
Samples = Annotated[int, option("--samples", "How many continuations, written side by side.", "N")]
Checkpoint = Annotated[
    str, option("--checkpoint", "The model as it was after a step; `gpt-tui show` lists them.", "STEP|best|last")
]
OwnFile = Annotated[
    Path | None,
    argument("FILE", "A text file of yours; a new one is written when you save. Without it: the last draft."),
]
ForWriting = Annotated[
    str | None, option("--model", "Write with this model. Without it: the one that was written with last.", "MODEL")
]
As = Annotated[str, option("--as", "Your own name. Without it: one of the model's text.", "NAME")]
With = Annotated[str, option("--with", "Whom you talk with: a speaker of the model's text, or any name.", "NAME")]
ReplyTokens = Annotated[int | None, setting(SampleConfig, "max_new_tokens", "N", default="120")]
ReplyTemperature = Annotated[float | None, setting(SampleConfig, "temperature", "T", default="0.7")]
ReplyTopK = Annotated[int | None, setting(SampleConfig, "top_k", "K", default="40")]
ReplyMinP = Annotated[float | None, setting(SampleConfig, "min_p", "P", default="0.05")]
NoEcho = Annotated[bool, option("--no-echo", "The continuation alone, without the prompt.")]
Output = Annotated[
    Path | None, option("--output -o", "Write the text to this new file; an old one is refused.", "FILE")
]

EvalTexts = Annotated[
    list[str] | None, argument("TEXT", f"{_TEXT} Without it: the part of its own text that it never saw.")
]
Source = Annotated[
    str, argument("SOURCE", "A folder that transformers wrote (GPT-2, Llama, Qwen3), or a model's folder of gpt-tui.")
]
ImportName = Annotated[str | None, option("--name", "The model's name here. Without it: the folder's own.", "NAME")]
Destination = Annotated[
    Path, argument("DEST", "hf: a folder that does not exist yet, or is empty; gguf: a file that does not exist yet.")
]
Format = Annotated[
    str, option("--format", "hf: a folder that transformers loads; gguf: a file that llama.cpp runs.", "hf|gguf")
]
