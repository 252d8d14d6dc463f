"""A generator that writes what a test expects, at once or when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.config import SampleConfig, from_table, to_table
from engine.errors import EngineError
from engine.events import Alternative, SampleEnd, Token
from engine.generation.messages import Loaded, Prediction, Scored, Tokenized

BLOCK = 32
"""Tokens that its model sees; a token is a word with the space before it."""

AT_ONCE = 20
"""Tokens that come together."""


def pieces(text: str) -> list[str]:
    """Words with the spaces before them."""
    found: list[str] = []
    for word in text.replace("\n", " \n").split(" "):
        found.append(word if not found else f" {word}")
    return [piece for piece in found if piece]


class ScriptedWriting:
    """One request. It gives a token when `gate` lets it."""

    def __init__(self, client: ScriptedClient, prompt: str, samples: int, config: SampleConfig) -> None:
        self.client, self.prompt, self.config = client, prompt, config
        self.samples = samples
        self.changes: list[dict[str, Any]] = []
        self.closed = False
        self.ends: dict[int, SampleEnd] = {}
        self._given = 0

    def change(self, **settings: Any) -> None:
        self.changes.append(settings)
        self.config = from_table(SampleConfig, {**to_table(self.config), **settings})

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.close()

    def __aiter__(self) -> ScriptedWriting:
        return self

    async def __anext__(self) -> list[Token]:
        await self.client.gate.wait()
        if self._given and self.client.stays_after_first:
            await asyncio.sleep(60)
        await asyncio.sleep(0)
        if self.client.dies is not None:
            raise self.client.dies
        number = self._given
        self._given = min(number + AT_ONCE, self.config.max_new_tokens)
        if self.closed or number >= self.config.max_new_tokens:
            reason = "length"
            for sample in range(self.samples):
                self.ends[sample] = SampleEnd(
                    sample=sample,
                    text="",
                    tokens=number,
                    tokens_per_second=1.0,
                    stop_reason=reason,
                    seed=self.seed(sample),
                )
            raise StopAsyncIteration
        return [self._token(sample, at) for at in range(number, self._given) for sample in range(self.samples)]

    def seed(self, sample: int) -> int:
        return (self.config.seed or 0) + sample

    def _token(self, sample: int, number: int) -> Token:
        text = self.client.script(self.seed(sample), number)
        return Token(sample=sample, id=number, text=text, probability=0.5, alternatives=(Alternative(1, text, 0.5),))


class ScriptedClient:
    """What `GeneratorClient` is to the app."""

    def __init__(self) -> None:
        self.alive = True
        self.model: Loaded | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.stays_after_first = False
        """Whether it writes for ever: after the first tokens nothing more comes."""
        self.dies: EngineError | None = None
        self.writings: list[ScriptedWriting] = []
        self.predicted: list[dict[str, Any]] = []
        self.script: Callable[[int, int], str] = lambda seed, number: f" w{seed}.{number}"

    def generate(self, prompt: str, *, samples: int = 1, **settings: Any) -> ScriptedWriting:
        writing = ScriptedWriting(self, prompt, samples, from_table(SampleConfig, settings))
        self.writings.append(writing)
        return writing

    async def predict(self, text: str, *, top: int = 20, **settings: Any) -> Prediction:
        self.predicted.append(settings)
        before = [Alternative(n, f" next{n}", 0.5**n) for n in range(1, 9)]
        return Prediction(before, before[:3], 3)

    async def tokenize(self, text: str) -> Tokenized:
        texts = pieces(text)
        first = max(0, len(texts) - BLOCK)
        begins = sum(map(len, texts[:first]))
        return Tokenized(list(range(len(texts))), texts, [], first, begins, len(texts) - first, BLOCK)

    async def score(self, text: str, start: int = 0) -> list[Scored]:
        found, at = [], 0
        for number, piece in enumerate(pieces(text)):
            others = [Alternative(number, piece, 0.6), Alternative(90, " other", 0.3), Alternative(91, " third", 0.1)]
            if at + len(piece) > start:
                found.append(Scored(number, piece, at, 0.6, others))
            at += len(piece)
        return found


class ScriptedGenerator:
    """What `gpt_tui.generating.Generator` is to the app."""

    def __init__(self) -> None:
        self.client = ScriptedClient()
        self.asked: list[tuple[str, str]] = []
        self.refuses: EngineError | None = None

    @property
    def model(self) -> Loaded | None:
        return self.client.model

    async def ready(self, model: str, checkpoint: str = "best", **_: Any) -> ScriptedClient:
        self.asked.append((model, checkpoint))
        if self.refuses is not None:
            raise self.refuses
        self.client.model = Loaded(model, "", checkpoint, "cpu", "bpe", 1, {"block_size": BLOCK}, 4000)
        return self.client

    async def close(self) -> None:
        self.client.alive = False
