"""How a conversation begins, or goes on: with which model, who talks, and with which settings. No Textual."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from engine import locations
from engine.errors import EngineError
from engine.store import models
from gpt_tui import conversations
from gpt_tui.conversations import Conversation
from gpt_tui.conversing import personas, talking
from gpt_tui.conversing.personas import Cast, Persona
from gpt_tui.conversing.talking import Style

LAST, SETTINGS = "chat.last", "chat.settings"
"""Under which the app remembers the conversation that was open, and the settings of the last one."""


def begin(
    model: str,
    *,
    them: str = "",
    you: str = "",
    checkpoint: str = "best",
    settings: Mapping[str, Any] | None = None,
) -> tuple[Conversation, Cast]:
    """A new conversation with a model, whose record and corpus are read. Raises `EngineError`."""
    folder = models.find(model)
    cast = personas.cast(models.read_record(folder))
    names = cast.pair(them, you)
    name = folder.name if folder.parent == locations.models_dir() else str(folder)
    conversation = Conversation(
        name,
        names[1],
        names[0],
        checkpoint,
        style=cast.style.to_table(),
        scene=cast.scene(*names),
        settings=usual(settings or {}),
    )
    return conversation, cast


def usual(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a conversation: those, and what they do not say as it usually is."""
    return {**talking.sampling(settings), "seed": settings.get("seed")}


def reopen(id: str) -> tuple[Conversation, Cast]:
    """A conversation that was kept. Raises `EngineError`."""
    conversation = conversations.load(id)
    conversation.settings = usual(conversation.settings)
    return conversation, cast_of(conversation)


def cast_of(conversation: Conversation) -> Cast:
    """The speakers of its model; if that is gone, those who talk."""
    with contextlib.suppress(EngineError):
        return personas.cast(models.read_record(models.find(conversation.model)))
    names = (conversation.them, conversation.you)
    return Cast(Style.from_table(conversation.style), tuple(map(Persona, names)), known=False)


def somewhere(memory: Mapping[str, Any]) -> tuple[Conversation, Cast] | None:
    """Where one was last, else the newest conversation, else a new one; None while there is no model to talk with."""
    kept = [summary.id for summary in conversations.summaries() if not summary.problem]
    for id in filter(None, (str(memory.get(LAST) or ""), *kept)):
        with contextlib.suppress(EngineError):
            return reopen(id)
    for name, _ in able():
        with contextlib.suppress(EngineError):
            return begin(name, settings=settings_of(memory))
    return None


def settings_of(memory: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were used last."""
    kept = memory.get(SETTINGS)
    return dict(kept) if isinstance(kept, Mapping) else {}


def able() -> list[tuple[str, str]]:
    """The models that one can talk with, and their texts: those trained on conversations first, then the newest."""
    there = [entry for entry in models.models() if entry.record is not None and _has_weights(entry)]
    voices = _with_voices()

    def rank(entry: models.StoredModel) -> tuple[bool, str]:
        record = entry.record
        assert record is not None
        return not voices & set(map(str, record.corpus.get("sources", []))), _backwards(record.created)

    return [(entry.name, _text_of(entry)) for entry in sorted(there, key=rank)]


def _text_of(entry: models.StoredModel) -> str:
    return str(entry.record.corpus.get("name", "")) if entry.record is not None else ""


def _has_weights(entry: models.StoredModel) -> bool:
    return (entry.folder / "weights.safetensors").exists()


def _with_voices() -> set[str]:
    from engine.data.corpus import catalog

    return {entry.name for entry in catalog() if entry.voices}


def _backwards(text: str) -> str:
    """A key that sorts the other way round."""
    return "".join(chr(0x10FFFF - ord(character)) for character in text)
