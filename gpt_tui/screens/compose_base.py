"""What the parts of the Compose screen share: the draft on the desk, the widgets, and how anything is said."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

from textual.timer import Timer

from engine.errors import EngineError
from gpt_tui import drafts
from gpt_tui.drafting import composing
from gpt_tui.drafting.composing import Composer
from gpt_tui.drafting.desk import Desk
from gpt_tui.screens.base import Place
from gpt_tui.terminal import visible
from gpt_tui.widgets.alternatives import Alternatives
from gpt_tui.widgets.branches import Branches
from gpt_tui.widgets.distribution import Distribution
from gpt_tui.widgets.draft_bar import DraftBar
from gpt_tui.widgets.editor import Editor
from gpt_tui.widgets.find_bar import FindBar
from gpt_tui.widgets.notice import Notice
from gpt_tui.widgets.sampling_panel import SamplingPanel

if TYPE_CHECKING:
    from gpt_tui.app import Services

PLACEHOLDER = "Write. Ctrl+G lets the model go on from where the cursor stands."

_SAY_SECONDS = 8.0


class ComposeBase(Place):
    """The state of the screen. The desk is never empty once the screen is mounted."""

    NAME: ClassVar[str] = "compose"

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.composer = Composer(services.generator)
        self.desk: Desk | None = None
        self.models: dict[str, list[str]] = {}
        """The models that can write, each with its checkpoints; the newest first."""
        self._said: Timer | None = None
        self._editor = Editor(id="text", placeholder=PLACEHOLDER)

    # The widgets

    @property
    def editor(self) -> Editor:
        return self._editor

    @property
    def bar(self) -> DraftBar:
        return self.query_one(DraftBar)

    @property
    def panel(self) -> SamplingPanel:
        return self.query_one(SamplingPanel)

    @property
    def distribution(self) -> Distribution:
        return self.query_one(Distribution)

    @property
    def alternatives(self) -> Alternatives:
        return self.query_one(Alternatives)

    @property
    def branches(self) -> Branches:
        return self.query_one(Branches)

    @property
    def find_bar(self) -> FindBar:
        return self.query_one(FindBar)

    @property
    def notice(self) -> Notice:
        return self.query_one(Notice)

    @property
    def panel_open(self) -> bool:
        return self.has_class("-panel")

    # The draft

    @property
    def draft(self) -> drafts.Draft:
        assert self.desk is not None
        return self.desk.draft

    @property
    def usual_values(self) -> dict[str, Any]:
        """How a new draft is written on: as the settings say."""
        chosen = self.services.settings
        names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens")
        values: dict[str, Any] = {name: getattr(chosen, f"writing_{name}") for name in names}
        return {**values, "until": "length", "seed": None}

    @property
    def values(self) -> dict[str, Any]:
        """How this draft is written on."""
        return composing.checked(self.draft.settings, self.usual_values)

    @property
    def is_here(self) -> bool:
        """Whether the screen is the one that is looked at."""
        return self.is_mounted and self.app.screen is self

    # What is said

    def tell(self, text: str, mood: str = "", *, stays: bool = False) -> None:
        """A few words at the right of the line under the text, for a while."""
        if self._said is not None:
            self._said.stop()
            self._said = None
        self.bar.doing, self.bar.mood = text, mood
        if text and not stays:
            self._said = self.set_timer(_SAY_SECONDS, lambda: self.tell(""))

    def complain(self, error: EngineError | str, advice: str = "") -> None:
        """What went wrong, in a line that stays until something else is done."""
        self.tell("")
        self.notice.say(f"{visible(str(error))} {advice}".strip(), wrong=True)

    def back_to_text(self) -> None:
        """Close what lies beside the text, and let the writer go on."""
        with contextlib.suppress(Exception):
            self.editor.unmark()
        self.alternatives.close()
        self.branches.close()
        self.editor.focus()
