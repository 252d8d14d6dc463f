"""How a text writes a conversation: turns → a prompt that the model can go on from, and what it wrote → a reply.

A model knows conversations as its corpus writes them: `NAME: line`, a name over its speech as in printed plays, or, in
prose, what stands between quotation marks. A `Style` is one of these ways; the prompt imitates it, and the reply ends
where the next speaker would begin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

DEFAULTS: dict[str, Any] = {
    "max_new_tokens": 120,
    "temperature": 0.7,
    "top_k": 40,
    "top_p": 1.0,
    "min_p": 0.05,
    "repetition_penalty": 1.0,
}
"""Settings of a reply: a little safer than a story's, so that a small model stays in character."""

_CLOSING = {'"': '"', "“": "”", "«": "»", "„": "“", "»": "«"}


class Spoken(Protocol):
    """A turn, as far as a prompt is concerned."""

    speaker: str
    text: str
    by: str


@dataclass(frozen=True)
class Style:
    """With `quote`, prose: what is said stands between quotation marks. Else a turn is the name, the `mark` after it,
    the speech, and the `gap` before the next."""

    mark: str = ": "
    gap: str = "\n"
    quote: str = ""

    @property
    def is_prose(self) -> bool:
        return bool(self.quote)

    @property
    def keeps_lines(self) -> bool:
        """Whether a speech may have several lines."""
        return not self.quote and "\n\n" in self.gap

    def stop(self, *speakers: str) -> tuple[str, ...]:
        """The texts at which a reply ends: where the next speaker would begin, even if no gap stands before."""
        if self.quote:
            return self._closing, "\n"
        return self.gap, *(f"{speaker}{self.mark}".rstrip(" ") for speaker in dict.fromkeys(speakers) if speaker)

    @property
    def _closing(self) -> str:
        return _CLOSING.get(self.quote, self.quote)

    def turn(self, speaker: str, text: str) -> str:
        """What somebody said, as it stands in the text."""
        said = text.strip() if self.keeps_lines else " ".join(text.split())
        if not self.quote:
            return f"{speaker}{self.mark}{_without_gaps(said)}{self.gap}"
        said = said.replace(self.quote, "'").replace(self._closing, "'")
        verb = "asked" if said.endswith("?") else "said"
        if not said or said[-1] not in "?!…,—-":
            said = said.removesuffix(".") + ","
        return f"{self.quote}{said}{self._closing} {verb} {speaker}.\n\n"

    def lead(self, speaker: str) -> str:
        """What the prompt ends with, for that one to speak. No blank at its end: that comes with the first word."""
        return self.quote or f"{speaker}{self.mark}".rstrip(" ")

    def shown(self, written: str) -> str:
        """What is there of a reply that is being written."""
        return written.lstrip()

    def reply(self, written: str) -> str:
        """What was written, as a turn: without the blanks around it and the comma before `said`."""
        text = written.strip()
        if self.quote and text.endswith(","):
            text = text[:-1].rstrip() + "."
        return text

    def to_table(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Style:
        """The style as it was kept; what makes no sense is as in the usual one."""
        known = {
            key: value for key, value in table.items() if key in ("mark", "gap", "quote") and isinstance(value, str)
        }
        style = cls(**known)
        return style if style.mark.strip() and style.gap else cls()


def _without_gaps(text: str) -> str:
    """Empty lines within a speech would end it."""
    return re.sub(r"\n\s*\n", "\n", text)


@dataclass(frozen=True)
class Prompt:
    """The text from which a reply is written, in `parts`: the scene, each turn, the name of who speaks. `first` is the
    number of the first turn that is in it."""

    parts: tuple[str, ...]
    first: int = 0

    @property
    def text(self) -> str:
        """Scene and lead in any case, of the turns those from `first` on."""
        return "".join((self.parts[0], *self.parts[1 + self.first :]))

    @property
    def turns(self) -> int:
        return len(self.parts) - 2


def prompt(style: Style, scene: str, turns: Sequence[Spoken], speaker: str) -> Prompt:
    """For `speaker` to answer after these turns; a turn without words is left out of what the model reads."""
    opening = f"{scene.strip()}\n\n" if scene.strip() else ""
    spoken = [style.turn(turn.speaker, turn.text) if turn.text.strip() else "" for turn in turns]
    return Prompt((opening, *spoken, style.lead(speaker)))


def within(prompt: Prompt, characters: int) -> Prompt:
    """The prompt without its oldest turns that lie further back than a model ever looks."""
    first, total = prompt.first, len(prompt.text)
    while total > characters and first < prompt.turns - 1:
        total -= len(prompt.parts[1 + first])
        first += 1
    return Prompt(prompt.parts, first)


def fitted(prompt: Prompt, pieces: Sequence[str], room: int, reserve: int) -> Prompt:
    """The prompt with so many of its oldest turns left out that it, and `reserve` tokens of a reply, fit into `room`.

    `pieces`: the texts of the whole prompt's tokens; joined they are the prompt. The last turn always stays.
    """
    limit = room - min(reserve, room // 4)
    sizes = _sizes(prompt, pieces)
    first = prompt.first
    total = sizes[0] + sum(sizes[1 + first :])
    while total > limit and first < prompt.turns - 1:
        total -= sizes[1 + first]
        first += 1
    return Prompt(prompt.parts, first)


def _sizes(prompt: Prompt, pieces: Sequence[str]) -> list[int]:
    """How many tokens each part has: those that begin in it."""
    begins: list[int] = []
    at = 0
    for index, part in enumerate(prompt.parts):
        begins.append(at)
        if not 1 <= index <= prompt.first:
            at += len(part)
    sizes = [0] * len(prompt.parts)
    here = place = 0
    for piece in pieces:
        while here + 1 < len(begins) and begins[here + 1] <= place:
            here += 1
        sizes[here] += 1
        place += len(piece)
    return sizes


def sampling(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a reply; what is not set is as usual."""
    return {key: settings.get(key, value) for key, value in DEFAULTS.items()}
