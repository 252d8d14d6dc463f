"""Compose, the part that looks: what the model sees of the text, and what may come next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.timer import Timer

from engine.errors import EngineError
from gpt_tui.drafting.composing import Request, Sight
from gpt_tui.screens.compose_base import ComposeBase
from gpt_tui.widgets.context_bar import ContextBar
from gpt_tui.widgets.editor import Editor
from gpt_tui.widgets.sampling_panel import SamplingPanel

if TYPE_CHECKING:
    from engine.generation.messages import Tokenized
    from gpt_tui.app import Services

_LOOK_AFTER = 0.2  # seconds without a key or a move
_TURN_AFTER = 0.06  # after a dial was turned: the generator remembers the text
_PICTURES = 0.2  # seconds between two pictures of what was just written
_LIKELIEST = 40


class LooksAhead(ComposeBase):
    """Asks the generator about the text when the writer rests, and shows the answers that still belong to it."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._sight = Sight()
        self._seen: tuple[Tokenized, int] | None = None
        self._look_timer: Timer | None = None
        self._pictured = 0.0

    def look_soon(self, after: float = _LOOK_AFTER) -> None:
        """Look again when nothing more happens for a moment."""
        if self._look_timer is not None:
            self._look_timer.stop()
        self._look_timer = self.set_timer(after, self._look_now)

    def _look_now(self) -> None:
        self._look_timer = None
        if self.is_here and self.desk is not None and self.composer.current is None:
            self._look()

    @work(group="look", exclusive=True)
    async def _look(self) -> None:
        """Where the model's sight begins, how full it is, and what may come next. A late answer finds no worker."""
        draft = self.draft
        if not draft.model or self.draft.model not in self.models:
            self._forget()
            return
        before = self.editor.text[: self.editor.cursor]
        values = self.values
        try:
            client = await self.services.generator.ready(draft.model, draft.checkpoint, progress=self._progress)
            if self.bar.mood == "busy" and self.composer.current is None:
                self.tell("")
            seen, begins = await self._sight.look(client, before)
            if draft is not self.draft:
                return
            self._show_sight(seen, begins)
            if self.panel_open:
                prediction = await client.predict(before, top=_LIKELIEST, **_shaping(values))
                self.distribution.glued = before[-1:].isalnum()
                self.distribution.prediction = prediction
        except EngineError as error:
            self._forget(str(error))

    def _progress(self, words: str) -> None:
        if self.composer.current is None and (not self.bar.doing or self.bar.mood == "busy"):
            self.tell(f"{words}…", "busy", stays=True)

    def _show_sight(self, seen: Tokenized, begins: int) -> None:
        self._seen = seen, begins
        context = self.query_one(ContextBar)
        context.used, context.room = min(seen.sent, seen.room), seen.room
        start = begins + seen.begins
        self.editor.context_start = start if start > 0 else None

    def _forget(self, why: str = "") -> None:
        """Nothing is known of the text: there is no model, or it cannot be asked."""
        self._seen = None
        self.query_one(ContextBar).room = 0
        self.editor.context_start = None
        self.distribution.prediction = None
        self.distribution.note = why or "What may come next is shown here, once a model is chosen."
        if self.bar.mood == "busy" and self.composer.current is None:
            self.tell("")

    def show_stream(self, request: Request) -> bool:
        """While it is written: how full the sight is, and what else could have stood there, some times a second.
        Whether it was time for that."""
        if request._last - self._pictured < _PICTURES:
            return False
        self._pictured = request._last
        context = self.query_one(ContextBar)
        if context.room:
            seen = self._seen[0].sent if self._seen is not None else 0
            context.used = min(context.room, seen + request.written // request.samples)
        if self.panel_open and request.samples == 1 and request.tokens[0]:
            written = request.texts[0].removesuffix(request.tokens[0][-1].text)
            self.distribution.glued = (request.prompt[-1:] + written)[-1:].isalnum()
            self.distribution.show_tokens(request.tokens[0][-1].alternatives)
        return True

    @on(Editor.Moved)
    def _cursor_moved(self) -> None:
        self.look_soon()
        if self.desk is not None and self.composer.current is None:
            self.desk.touch(text=False)

    @on(SamplingPanel.Changed)
    def _turned(self, event: SamplingPanel.Changed) -> None:
        """Felt at the next token, kept with the draft, and seen in the picture."""
        event.stop()
        if self.desk is None:
            return
        self.desk.note(settings=dict(event.values))
        self.composer.change(event.values)
        self.look_soon(_TURN_AFTER)

    # What was sent, exactly

    @work(group="sent", exclusive=True)
    async def action_sent(self) -> None:
        from gpt_tui.widgets.sent_view import SentView

        request = self.composer.current
        text = request.prompt if request is not None else self.editor.text[: self.editor.cursor]
        draft = self.draft
        if not draft.model:
            self.tell("No model is chosen yet")
            return
        try:
            client = await self.services.generator.ready(draft.model, draft.checkpoint, progress=self._progress)
            seen, _ = await self._sight.look(client, text)
        except EngineError as error:
            self.complain(error)
            return
        self.tell("")
        said = "What was sent to" if request is not None else "What goes, from the cursor, to"
        await self.app.push_screen(SentView(seen, f"{said} {draft.model}"))


def _shaping(values: dict[str, Any]) -> dict[str, Any]:
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    return {name: values[name] for name in names if name in values}
