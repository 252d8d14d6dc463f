"""What a screen says when the user goes somewhere else: messages that the app answers by showing another place."""

from __future__ import annotations

from pathlib import Path

from textual.message import Message


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
    """The settings."""


class OpenHelp(Open):
    """What every key does, on the screen that it is asked from."""


class OpenDiagnostics(Open):
    """Versions, device, folders and the last lines of the log."""
