"""What is asked of a model while one writes, and to whom the answer belongs. No Textual.

A `Request` belongs to one draft and one moment. The `Composer` writes one at a time: whoever begins another, or stops,
ends the one before at once, and what still comes for that one is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from engine.config import SampleConfig, from_table
from engine.errors import ConfigError
from engine.events import Alternative, Token
from gpt_tui.drafting.endings import UNTIL, Ending

if TYPE_CHECKING:
    from engine.generation.protocol import GeneratorClient, Tokenized, Writing

FRAME = 1 / 150
"""Seconds from one batch of text to the next: what comes sooner waits and goes with it."""

BRANCHES = 3
"""Continuations that are written side by side."""

SUGGESTED_TOKENS = 48
"""Tokens of a suggestion, which ends with its sentence, at most."""

MOST_SEED = 2**32 - 1
_SHAPING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens")

Kind = Literal["continuation", "suggestion", "branches"]
Show = Callable[["Request", list[str]], None]
"""Told of a request and what came for each of its samples."""


class Ready(Protocol):
    """What gives the client that holds a model: `gpt_tui.generating.Generator`."""

    async def ready(
        self, model: str, checkpoint: str = "best", *, anew: bool = False, progress: Callable[[str], None] | None = None
    ) -> GeneratorClient: ...


@dataclass(eq=False)
class Request:
    """One thing to write. `texts` and `tokens` grow, one for each sample; `over` says that nothing more comes, and
    `reason` why: `length`, `end_of_text`, `sentence`, `paragraph`, `stopped`, `replaced` or `lost`."""

    draft: str
    kind: Kind
    model: str
    checkpoint: str
    prompt: str
    settings: dict[str, Any]
    """The fields of SampleConfig that shape it, the seed among them."""
    until: str = "length"
    samples: int = 1
    texts: list[str] = field(init=False)
    tokens: list[list[Token]] = field(init=False)
    reason: str = ""
    written: int = 0

    def __post_init__(self) -> None:
        self.texts = [""] * self.samples
        self.tokens = [[] for _ in range(self.samples)]
        self._endings = [Ending(self.until, self.prompt[-4000:]) for _ in range(self.samples)]
        self._writing: Writing | None = None
        self._began = self._last = 0.0

    @property
    def over(self) -> bool:
        return bool(self.reason)

    @property
    def seed(self) -> int:
        return int(self.settings["seed"])

    @property
    def begun(self) -> bool:
        """Whether a first token has come."""
        return self.written > 0

    @property
    def tokens_per_second(self) -> float:
        """Since the first token; of the samples together."""
        took = self._last - self._began
        return (self.written - 1) / took if took > 0 and self.written > 1 else 0.0

    def take(self, tokens: list[Token]) -> list[str]:
        """What becomes visible with these tokens, for each sample."""
        self._last = time.monotonic()
        self._began = self._began or self._last
        new = [""] * self.samples
        for token in tokens:
            ending = self._endings[token.sample]
            if not ending.over:
                self.written += 1
                self.tokens[token.sample].append(token)
                new[token.sample] += ending.push(token.text)
        if all(ending.over for ending in self._endings):
            self.end(self.until)
        return self._add(new)

    def finish(self) -> list[str]:
        """What was held back, now that nothing more comes."""
        return self._add([ending.finish() for ending in self._endings])

    def _add(self, new: list[str]) -> list[str]:
        self.texts = [text + more for text, more in zip(self.texts, new, strict=True)]
        return new

    def end(self, reason: str) -> None:
        """Nothing more is wanted: the generator stops, and nothing that is on its way arrives."""
        if not self.reason:
            self.reason = reason
            if self._writing is not None:
                self._writing.close()

    def change(self, settings: dict[str, Any]) -> None:
        """Other settings from the next token on."""
        shaping = {name: settings[name] for name in _SHAPING if name in settings}
        self.settings |= shaping
        if self._writing is not None and not self.over:
            self._writing.change(**shaping)


class Composer:
    """Writes with the app's one generator, one request at a time."""

    def __init__(self, generator: Ready) -> None:
        self._generator = generator
        self.current: Request | None = None

    def stop(self, reason: str = "stopped") -> Request | None:
        """End what is being written; what came of it stays. Returns it."""
        request, self.current = self.current, None
        if request is not None:
            request.end(reason)
        return request

    def change(self, settings: dict[str, Any]) -> None:
        if self.current is not None and self.current.kind != "suggestion":
            self.current.change(settings)

    async def write(self, request: Request, show: Show, progress: Callable[[str], None] | None = None) -> None:
        """Write it, and tell of what came, until it is over. Raises `EngineError` when it cannot be written."""
        self.stop("replaced")
        self.current = request
        try:
            await self._write(request, show, progress)
        except BaseException:
            request.end("lost")
            raise
        finally:
            request.end("stopped")
            if self.current is request:
                self.current = None

    async def _write(self, request: Request, show: Show, progress: Callable[[str], None] | None) -> None:
        client = await self._generator.ready(request.model, request.checkpoint, progress=progress)
        if request.over:
            return
        writing = client.generate(request.prompt, samples=request.samples, **request.settings)
        request._writing = writing
        async with contextlib.aclosing(writing):
            async for tokens in writing:
                if request.over:
                    return
                shown = time.monotonic()
                new = request.take(tokens)
                if any(new):
                    show(request, new)
                if request.over:
                    return
                await asyncio.sleep(max(0.0, shown + FRAME - time.monotonic()))
        if not request.over:
            new = request.finish()
            if any(new):
                show(request, new)
            reasons = {end.stop_reason for end in writing.ends.values()}
            request.end("length" if "length" in reasons or not reasons else reasons.pop())


@dataclass
class Try:
    """What was written once: its words, its seed, and its tokens with their probabilities."""

    text: str
    seed: int
    tokens: list[Token]


@dataclass
class Tries:
    """One place of a text, and all that was written there; `index` is the one that stands there now."""

    start: int
    prompt: str
    prefix: str = ""
    """A word that was chosen, with which each of them begins."""
    replaced: int = 0
    """How much text stood there before the first of them."""
    tries: list[Try] = field(default_factory=list)
    index: int = 0

    def add(self, try_: Try) -> None:
        """A new one, which stands there now. What is no text is not kept."""
        if try_.text:
            self.tries.append(try_)
            self.index = len(self.tries) - 1

    @property
    def standing(self) -> Try | None:
        return self.tries[self.index] if self.tries else None

    @property
    def next_seed(self) -> int:
        """One that was not used here yet."""
        used = {try_.seed for try_ in self.tries}
        seed = (self.tries[-1].seed + 1) % MOST_SEED if self.tries else secrets.randbits(32)
        while seed in used:
            seed = (seed + 1) % MOST_SEED
        return seed

    def step(self, by: int) -> Try | None:
        """Go to another; None where there is none."""
        if not self.tries or len(self.tries) < 2:
            return None
        self.index = (self.index + by) % len(self.tries)
        return self.tries[self.index]

    def stands(self, text: str) -> bool:
        """Whether what is told to stand there is still in this text."""
        standing = self.standing
        return standing is not None and text.startswith(standing.text, self.start)


class Placed(NamedTuple):
    """A token that stands in a text: where, and what could have stood there."""

    position: int
    text: str
    probability: float
    alternatives: tuple[Alternative, ...]


def placed(tries: Sequence[Try], text: str) -> list[Placed]:
    """The tokens of those tries that stand in this text as they were written, in order; the latest have precedence."""
    found: dict[int, list[Placed]] = {}
    taken: list[tuple[int, int]] = []
    for try_ in reversed(tries):
        tokens = list(try_.tokens)
        while tokens and "".join(token.text for token in tokens) not in try_.text:
            tokens.pop()  # what came after the end of the sentence was never shown
        written = "".join(token.text for token in tokens)
        start = text.find(try_.text) + try_.text.find(written)
        end = start + len(written)
        if not written or try_.text not in text or any(start < last and end > first for first, last in taken):
            continue
        taken.append((start, end))
        found[start] = row = []
        for token in tokens:
            row.append(Placed(start, token.text, token.probability, token.alternatives))
            start += len(token.text)
    return [token for _, row in sorted(found.items()) for token in row]


def sample_settings(values: dict[str, Any], seed: int | None = None) -> tuple[dict[str, Any], str]:
    """A draft's values as SampleConfig's fields, always with a seed (so that it is known), and where it ends."""
    fields = {name: value for name, value in values.items() if name in SampleConfig.__dataclass_fields__}
    given = fields.get("seed")
    fields["seed"] = seed if seed is not None else secrets.randbits(32) if given is None else given
    until = values.get("until", "length")
    return fields, until if until in UNTIL else "length"


def checked(values: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """A draft's values over the usual ones; what is out of bounds, as after an edit by hand, gives way."""
    found = dict(usual)
    for name, value in values.items():
        if name == "until" and value in UNTIL:
            found[name] = value
        elif name in usual and name != "until":
            with contextlib.suppress(ConfigError):
                from_table(SampleConfig, {name: value})
                found[name] = value
    return found


class Sight:
    """How much of a text must be sent so that the generator can tell what its model sees of it.

    The whole reach of a model may be a hundred times what it sees: a guess is sent first, and more where it was short.
    """

    def __init__(self) -> None:
        self._characters_per_token = 6.0

    async def look(self, client: GeneratorClient, text: str) -> tuple[Tokenized, int]:
        """The tokens of the text's end, and the character at which that end begins."""
        model = client.model
        reach = model.reach if model is not None else len(text)
        room = int(model.model["block_size"]) if model is not None else 0
        length = min(reach, len(text), int(room * self._characters_per_token) + 64)
        while True:
            tail = text[len(text) - length :]
            seen = await client.tokenize(tail)
            if seen.ids:
                self._characters_per_token = min(200.0, max(1.0, 1.3 * len(tail) / len(seen.ids)))
            if seen.first > 0 or length >= min(reach, len(text)):
                return seen, len(text) - length
            length = min(reach, len(text), 2 * length)
