"""What screens and the app say to each other: that the user goes somewhere else, which the app answers by showing
another place; that a setting shall change, and that it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from gpt_tui.settings import Settings


class Open(Message):
    """The user wants to be somewhere else."""


class OpenLibrary(Open):
    """The models; with a name, that one chosen."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__()
        self.model = model


class OpenCorpora(Open):
    """The way to a new model: from that text, and going on from that model, where they are given."""

    def __init__(self, text: str | None = None, from_model: str | None = None) -> None:
        super().__init__()
        self.text, self.from_model = text, from_model


class OpenTraining(Open):
    """A training, or what is left of one; without a name the latest."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        self.name = name


class OpenCompose(Open):
    """The editor: with that draft, else that file of the writer's, else a new draft for that model, else the last."""

    def __init__(
        self, *, model: str | None = None, checkpoint: str = "best", draft: str | None = None, file: Path | None = None
    ) -> None:
        super().__init__()
        self.model, self.checkpoint, self.draft, self.file = model, checkpoint, draft, file


class OpenChat(Open):
    """A conversation: that one, else a new one with that model, else the last."""

    def __init__(self, *, model: str | None = None, conversation: str | None = None) -> None:
        super().__init__()
        self.model, self.conversation = model, conversation


class OpenSettings(Open):
    """The settings; with a name, at that one."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        self.name = name


class OpenHelp(Open):
    """What every key does, on the screen that it is asked from."""


class OpenDiagnostics(Open):
    """Versions, device, folders and the last lines of the log."""


class ChangeSetting(Message):
    """A setting shall have that value, or its default again (None). Any screen may say it; the app keeps it."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__()
        self.name, self.value = name, value


class ChangeKey(Message):
    """What has that id shall be done by that key, or by its own again (None)."""

    def __init__(self, identity: str, key: str | None) -> None:
        super().__init__()
        self.identity, self.key = identity, key


class SettingsChanged(Message, bubble=False):
    """Settings have changed: those of these names. Every screen is told, shown or not."""

    def __init__(self, names: frozenset[str], settings: Settings) -> None:
        super().__init__()
        self.names, self.settings = names, settings
