"""What is said over the generator's pipes: lines of JSON in ASCII, `[number, kind, fields]`.

The number is that of the request to which a message belongs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine import errors
from engine.errors import EngineError
from engine.events import Alternative, SampleEnd, Token

MOST_SCORED = 2048
"""Tokens of a text whose probabilities are told at once."""


@dataclass(frozen=True)
class Message:
    """Anything that goes over a pipe."""


# What is asked


@dataclass(frozen=True)
class Load(Message):
    model: str
    checkpoint: str = "best"
    device: str = "auto"


@dataclass(frozen=True)
class Generate(Message):
    prompt: str
    settings: dict[str, Any]
    samples: int = 1


@dataclass(frozen=True)
class Change(Message):
    """Other settings for what is being written under the same number."""

    settings: dict[str, Any]


@dataclass(frozen=True)
class Stop(Message):
    """End what is being written under the same number."""


@dataclass(frozen=True)
class Predict(Message):
    text: str
    settings: dict[str, Any]
    top: int = 20


@dataclass(frozen=True)
class Tokenize(Message):
    text: str


@dataclass(frozen=True)
class Score(Message):
    text: str
    start: int = 0


@dataclass(frozen=True)
class Ping(Message):
    pass


# What is answered


@dataclass(frozen=True)
class Failed(Message):
    """An engine's error: its kind by name, and its one line."""

    kind: str
    message: str

    def error(self) -> EngineError:
        kind = getattr(errors, self.kind, EngineError)
        return kind(self.message) if issubclass(kind, EngineError) else EngineError(self.message)


@dataclass(frozen=True)
class Progress(Message):
    message: str


@dataclass(frozen=True)
class Loaded(Message):
    """The model that is held now."""

    name: str
    folder: str
    checkpoint: str
    device: str
    tokenizer: str
    parameters: int
    model: dict[str, Any]
    """Its ModelConfig as a table."""
    reach: int
    """As many characters of a text's end decide what follows it, at most."""


@dataclass(frozen=True)
class Written(Message):
    """What was written since the last of these; `done` with the last."""

    tokens: list[Token]
    ends: list[SampleEnd] = field(default_factory=list)
    done: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", [_token(*row) if isinstance(row, list) else row for row in self.tokens])
        object.__setattr__(self, "ends", [SampleEnd(**row) if isinstance(row, dict) else row for row in self.ends])


@dataclass(frozen=True)
class Prediction(Message):
    """The likeliest next tokens as the model has it, and as the settings shape it; `possible`: how many they leave."""

    before: list[Alternative]
    after: list[Alternative]
    possible: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "before", [Alternative(*row) for row in self.before])
        object.__setattr__(self, "after", [Alternative(*row) for row in self.after])


@dataclass(frozen=True)
class Tokenized(Message):
    """What the model makes of a text, and what it sees of it when it goes on."""

    ids: list[int]
    texts: list[str]
    """The text in pieces, one for each id; an empty one where a character goes on in the next."""
    unknown: list[int]
    """The places of those that the vocabulary lacks."""
    first: int
    """The place of the first token that the model sees, and `begins` the character where it begins."""
    begins: int
    sent: int
    """How many tokens are read, the one that begins a document included, of the `room` that there is."""
    room: int


class Scored(NamedTuple):
    """A token of a text, the character where it begins, its probability there, and the likeliest ones."""

    id: int
    text: str
    position: int
    probability: float
    alternatives: list[Alternative]


@dataclass(frozen=True)
class Scores(Message):
    tokens: list[Scored]

    def __post_init__(self) -> None:
        rows = [Scored(*row[:4], [Alternative(*other) for other in row[4]]) for row in self.tokens]
        object.__setattr__(self, "tokens", rows)


@dataclass(frozen=True)
class Pong(Message):
    pass


_KINDS = {kind.__name__: kind for kind in Message.__subclasses__()}


def encode(number: int, message: Message) -> bytes:
    """A line: the request's number, the message's kind, its fields."""
    return json.dumps([number, type(message).__name__, vars(message)], default=_plain).encode("ascii") + b"\n"


def decode(line: bytes) -> tuple[int, Message]:
    """Raises `ValueError` on what is no message."""
    try:
        number, kind, fields = json.loads(line)
        return int(number), _KINDS[kind](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no message: {error}") from None


def _plain(event: Token | SampleEnd) -> Any:
    if isinstance(event, Token):  # many of them, so without their fields' names
        return [event.elapsed, event.sample, event.id, event.text, event.probability, event.alternatives]
    return vars(event)


def _token(
    elapsed: float, sample: int, id_: int, text: str, probability: float, alternatives: list[list[Any]]
) -> Token:
    others = tuple(Alternative(*other) for other in alternatives)
    return Token(elapsed=elapsed, sample=sample, id=id_, text=text, probability=probability, alternatives=others)
