"""Letting each kept moment of a model write from the same words: what the childhood on the Training screen shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError

if TYPE_CHECKING:
    from gpt_tui.generating import Generator

SETTINGS: dict[str, Any] = {"max_new_tokens": 60, "temperature": 0.8, "top_p": 0.95, "seed": 1}
"""The same for each, so that only the model differs: as the samples of a training are written."""


async def grow_up(
    generator: Generator, model: str, moments: Sequence[str], prompt: str
) -> AsyncGenerator[tuple[str, str, str], None]:
    """What each moment has written by now: its name, its text, and what it is doing (nothing when it is done).

    A moment that is not there any more (training thins them out) is told so, and the next begins. Raises
    `GeneratorLostError` when the generator dies.
    """
    from engine.generation.protocol import GeneratorLostError

    for moment in moments:
        yield moment, "", "reading its weights"
        try:
            client = await generator.ready(model, moment)
            text = ""
            async with aclosing(client.generate(prompt, **SETTINGS)) as writing:
                async for tokens in writing:
                    text += "".join(token.text for token in tokens)
                    yield moment, text, " …"
            yield moment, text, ""
        except GeneratorLostError:
            raise
        except EngineError as error:
            yield moment, "", str(error)
