"""Conversations as they are kept: a tree of turns in a file each, listed, searched, deleted and brought back.

Another answer and another wording of a turn stand beside the one before, each with what followed it; which of them is
shown is remembered. So nothing that was said is ever lost, and going on from an earlier turn needs no undo.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from engine import files, locations
from engine.errors import EngineError
from gpt_tui import exports

YOU, MODEL = "you", "model"
"""Who a turn is by."""

TRASH = "conversations"
LONGEST_TITLE = 60
_FORMAT = 1


class Said(NamedTuple):
    """A token of a reply, and how likely the model found it."""

    text: str
    probability: float


@dataclass
class Turn:
    """What somebody said. `parent` is the number of the turn before, 0 for one that begins the conversation."""

    id: int
    parent: int
    by: str
    speaker: str
    text: str
    edited: bool = False
    """Whether a reply of the model's was changed by hand."""
    unfinished: bool = False
    """Whether it is being written; if it was saved so, the program ended in its middle."""
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    tokens: list[Said] = field(default_factory=list)

    @property
    def author(self) -> str:
        """Whose words they are, as exports call it."""
        if self.by == YOU:
            return exports.WRITER
        return exports.EDITED if self.edited else exports.MODEL


@dataclass
class Conversation:
    """Two who talk. `style` is how the model's text writes turns, and `scene` what stands before the first one."""

    model: str
    you: str
    them: str
    checkpoint: str = "best"
    style: dict[str, Any] = field(default_factory=dict)
    scene: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    """The title that the user gave it, if any."""
    id: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
    created: str = field(default_factory=lambda: _now())
    changed: str = field(default_factory=lambda: _now())
    turns: dict[int, Turn] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)
    """Which of the turns that follow a turn is shown, where there are several."""

    # What is shown

    def path(self) -> list[Turn]:
        """The turns that are shown, from the first to the last."""
        shown: list[Turn] = []
        at = 0
        while (following := self._following(at)) is not None:
            shown.append(following)
            at = following.id
        return shown

    def versions(self, turn: Turn) -> list[Turn]:
        """The turn and those that stand in the same place, in the order in which they came."""
        return [other for other in self.turns.values() if other.parent == turn.parent]

    def before(self, turn: Turn) -> list[Turn]:
        """What led to a turn."""
        led: list[Turn] = []
        at = turn.parent
        while at:
            led.append(self.turns[at])
            at = self.turns[at].parent
        return led[::-1]

    @property
    def last(self) -> Turn | None:
        path = self.path()
        return path[-1] if path else None

    @property
    def title(self) -> str:
        """The name that it was given, else how it begins."""
        if self.name:
            return self.name
        first = next((turn.text for turn in self.path() if turn.text.strip()), "")
        return shortened(first, LONGEST_TITLE) or f"With {self.them}"

    def _following(self, at: int) -> Turn | None:
        chosen = self.turns.get(self.chosen.get(at, 0))
        if chosen is not None and chosen.parent == at:
            return chosen
        return next((turn for turn in reversed(self.turns.values()) if turn.parent == at), None)

    # What changes

    def say(self, by: str, text: str, *, after: Turn | None = None, **more: Any) -> Turn:
        """Add a turn after that one (else: after the last), and show it. What stood there stays beside it."""
        parent = after if after is not None else self.last
        return self._add(parent.id if parent is not None else 0, by, text, **more)

    def beside(self, turn: Turn, text: str, **more: Any) -> Turn:
        """Add another version of a turn, and show it."""
        return self._add(turn.parent, turn.by, text, **more)

    def choose(self, turn: Turn) -> None:
        """Show this version, with what followed it."""
        self.chosen[turn.parent] = turn.id
        self.touch()

    def remove(self, turn: Turn) -> None:
        """Take away a turn that nothing follows; the version before it is shown again."""
        versions = self.versions(turn)
        at = versions.index(turn)
        del self.turns[turn.id]
        self.chosen.pop(turn.parent, None)
        if len(versions) > 1:
            self.chosen[turn.parent] = versions[at - 1 if at else 1].id
        self.touch()

    def touch(self) -> None:
        self.changed = _now()

    def _add(self, parent: int, by: str, text: str, **more: Any) -> Turn:
        speaker = self.you if by == YOU else self.them
        turn = Turn(max(self.turns, default=0) + 1, parent, by, speaker, text, **more)
        self.turns[turn.id] = turn
        self.chosen[parent] = turn.id
        self.touch()
        return turn

    # What it is to others

    def to_json(self) -> str:
        table = {key: value for key, value in vars(self).items() if key not in ("turns", "chosen")}
        turns = [
            {key: value for key, value in vars(turn).items() if value not in (None, False, [], {})}
            for turn in self.turns.values()
        ]
        whole = {"format": _FORMAT, **table, "chosen": [list(pair) for pair in self.chosen.items()], "turns": turns}
        return json.dumps(whole, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Conversation:
        """Raises `EngineError` on what is no conversation."""
        try:
            table = json.loads(text)
            if table.pop("format") > _FORMAT:
                raise EngineError("a newer gpt-tui wrote it: update gpt-tui.")
            turns = [_turn(row) for row in table.pop("turns")]
            chosen = {int(at): int(turn) for at, turn in table.pop("chosen")}
            known = {key: _checked(key, value) for key, value in table.items() if key in _FIELDS}
            conversation = cls(**known, turns={turn.id: turn for turn in turns}, chosen=chosen)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise EngineError(f"it is damaged: {type(error).__name__}.") from None
        if any(turn.parent >= turn.id or (turn.parent and turn.parent not in conversation.turns) for turn in turns):
            raise EngineError("it is damaged: its turns do not hang together.")
        return conversation

    def transcript(self) -> exports.Transcript:
        """What is shown, as it may leave."""
        lines = [
            exports.Line(turn.speaker, turn.text, turn.author, turn.seed, turn.tokens, turn.settings)
            for turn in self.path()
        ]
        return exports.Transcript(
            lines, self.them, self.scene, self.model, self.checkpoint, self.settings, title=self.title
        )


_FIELDS = {
    **dict.fromkeys(("model", "you", "them", "checkpoint", "scene", "name", "id", "created", "changed"), str),
    **dict.fromkeys(("style", "settings"), dict),
}


def _checked(key: str, value: Any) -> Any:
    if not isinstance(value, _FIELDS[key]):
        raise TypeError(key)
    return value


def _turn(row: Mapping[str, Any]) -> Turn:
    kinds = {"id": int, "parent": int, "by": str, "speaker": str, "text": str, "settings": dict}
    known = {key: value for key, value in row.items() if key in Turn.__dataclass_fields__}
    if not all(isinstance(known.get(key, kind()), kind) for key, kind in kinds.items()):
        raise TypeError("turn")
    tokens = [Said(str(text), float(probability)) for text, probability in known.pop("tokens", [])]
    return Turn(**{"parent": 0, "text": "", **known}, tokens=tokens)


def shortened(text: str, length: int) -> str:
    """The first words of a text in one line, with an ellipsis where there are more."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    return line[: length - 1].rsplit(" ", 1)[0].rstrip(",;:.!? ") + "…"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# On the disk


def path_of(id: str) -> Path:
    return locations.conversations_dir() / f"{id}.json"


def save(conversation: Conversation) -> Path:
    """Write it; one without a turn is not worth a file. Raises `StorageError`."""
    path = path_of(conversation.id)
    if conversation.turns:
        files.write_text(path, conversation.to_json())
    return path


def load(id: str) -> Conversation:
    """Raises `EngineError` when there is none of that name, or it is damaged."""
    try:
        conversation = Conversation.from_json(path_of(id).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise EngineError(f"{id}: no conversation of that name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{path_of(id)}: it cannot be read: {error}.") from None
    except EngineError as error:
        raise EngineError(f"{path_of(id)}: {error}") from None
    conversation.id = id  # the file may have been copied by hand
    return conversation


@dataclass(frozen=True)
class Summary:
    """A conversation in a list; `problem` says why it cannot be read."""

    id: str
    title: str
    model: str = ""
    them: str = ""
    changed: str = ""
    turns: int = 0
    excerpt: str = ""
    """Where what was looked for stands."""
    problem: str = ""


def summaries(query: str = "") -> list[Summary]:
    """Those that hold every word of `query` in their title, names or turns; all for an empty one. The newest first."""
    words = query.casefold().split()
    found = [summary for path in _files() if (summary := _summary(path, words)) is not None]
    return sorted(found, key=lambda summary: (summary.changed, summary.id), reverse=True)


def _files() -> Iterator[Path]:
    try:
        yield from [path for path in locations.conversations_dir().glob("*.json") if not path.name.startswith(".")]
    except OSError:
        return


def _summary(path: Path, words: list[str]) -> Summary | None:
    try:
        conversation = load(path.stem)
    except EngineError as error:
        problem = str(error).removeprefix(f"{path}: ")
        return None if words else Summary(path.stem, path.stem, problem=problem)
    excerpt = ""
    if words:
        texts = [turn.text for turn in conversation.turns.values()]
        names = [conversation.title, conversation.them, conversation.you, conversation.model]
        whole = "\n".join([*names, *texts]).casefold()
        if not all(word in whole for word in words):
            return None
        excerpt = next((_around(text, words[0]) for text in texts if words[0] in text.casefold()), "")
    return Summary(
        path.stem,
        conversation.title,
        conversation.model,
        conversation.them,
        conversation.changed,
        len(conversation.path()),
        excerpt,
    )


def _around(text: str, word: str, width: int = 60) -> str:
    """The part of a text in which a word stands."""
    line = " ".join(text.split())
    at = max(0, line.casefold().find(word) - width // 3)
    at = line.rfind(" ", 0, at) + 1 if at else 0
    return ("…" if at else "") + shortened(line[at:], width)


def rename(id: str, name: str) -> Conversation:
    """Give it a title of one's own; an empty one takes its beginning again. Raises `EngineError`."""
    conversation = load(id)
    conversation.name = shortened(name, 200)
    save(conversation)
    return conversation


def delete(id: str) -> None:
    """Move it to the trash. Raises `StorageError`."""
    files.move_to_trash(path_of(id), TRASH)


def restore(id: str) -> None:
    """Bring it back from the trash. Raises `EngineError`."""
    files.restore_from_trash(path_of(id).name, TRASH, path_of(id))
