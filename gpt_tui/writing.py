"""What a model writes, on its way out: to a terminal as it comes, to a file, to a program as JSON.

The samples of one request are written side by side and shown one after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine import files
from engine.config import SampleConfig
from engine.errors import ConfigError, RequestError, StorageError
from engine.store.models import find, read_record
from gpt_tui.terminal import DONE, INTERRUPTED, complain, json_line, visible

if TYPE_CHECKING:
    from engine.generation.language_model import LanguageModel, Token

RULE = "---"
"""The line between two samples in a file or a pipe."""


def write(
    name: str,
    prompt: str,
    config: SampleConfig,
    *,
    samples: int,
    checkpoint: str,
    echo: bool,
    output: Path | None,
    json: bool,
) -> int:
    """Generate `samples` continuations of a prompt (`-`: that on standard input); returns the exit status.

    Raises an `EngineError`.
    """
    folder = find(name)
    read_record(folder)  # damage is told before a second passes in importing torch
    if output is not None and (output.exists() or output.is_symlink()):
        raise ConfigError(f"--output: {output} is there already; choose another name.")
    prompt = read_prompt(prompt)

    from engine.generation.language_model import load

    model = load(folder, checkpoint=checkpoint)
    opening = prompt if echo else ""
    pages: list[Page] = [JsonPage()] if json else []
    if output is not None:
        pages.append(FilePage(output, samples, opening))
    elif not json:
        pages.append(PrintedPage(samples, opening))
    status = DONE
    try:
        for sample, token in _tokens(model, prompt, config, samples):
            for page in pages:
                page.add(sample, token)
    except KeyboardInterrupt:
        status = INTERRUPTED
    for page in pages:
        page.close()
    return status


def read_prompt(prompt: str) -> str:
    """The prompt itself, or all of standard input for `-`, untouched but for the newlines. Raises `RequestError`."""
    if prompt == "-":
        try:
            prompt = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError:
            raise RequestError("-: the prompt on standard input is not UTF-8 text.") from None
        return prompt.replace("\r\n", "\n").replace("\r", "\n")  # as in every text that a model learns from
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise RequestError("PROMPT: it is not UTF-8 text.") from None
    return prompt


class Page(Protocol):
    """Where the tokens of several samples go."""

    def add(self, sample: int, token: Token) -> None: ...
    def close(self) -> None: ...
