"""Compose, the part that offers a choice: continuations side by side, and words that could have stood in a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from textual import on, work

from engine.errors import EngineError
from gpt_tui.drafting.composing import Request, Tries, Try
from gpt_tui.screens.compose_writing import WritesOn
from gpt_tui.widgets.alternatives import Alternatives
from gpt_tui.widgets.branches import Branches
from gpt_tui.widgets.editor import Author

if TYPE_CHECKING:
    from engine.events import Alternative
    from engine.generation.messages import Scored
    from gpt_tui.app import Services

_AFTER_CURSOR = 200  # characters after the cursor that are read, so that the token there is whole
_BEFORE_CURSOR = 20_000


class OffersChoices(WritesOn):
    """What is chosen comes into the text as one step."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._branch_at = 0
        self._branch_request: Request | None = None
        self._token: tuple[int, int] = (0, 0)
        self._words_from = 0

    def forget_writing(self) -> None:
        super().forget_writing()
        self._branch_request = None

    # Branches

    def action_branches(self) -> None:
        """Continuations of this place side by side."""
        self.stop_writing()
        if not self.branches.is_open:
            self._branch_at = self.editor.cursor
        prompt = self.editor.text[: self._branch_at]
        request = self._request("branches", prompt, samples=self.branches.count)
        if request is not None:
            if self._branch_request is not None:  # three others: their seeds go on from the last ones
                request.settings["seed"] = self._branch_request.seed + self.branches.count
            self._branch_request = request
            self.editor.dismiss()
            self.alternatives.close()
            self.branches.open()
            self.branches.writing = True
            self._run(request)

    @on(Branches.Taken)
    def _take_branch(self, event: Branches.Taken) -> None:
        """It comes into the text as one step; the others can be stepped to."""
        event.stop()
        request = self._branch_request
        if request is None or not request.texts[event.index]:
            return
        self.stop_writing()
        self.tries = Tries(self._branch_at, request.prompt)
        for index, text in enumerate(request.texts):
            self.tries.add(Try(text, request.seed + index, request.tokens[index]))
        self.keep_tries(self.tries.tries)
        self.tries.index = [t.text for t in self.tries.tries].index(request.texts[event.index])
        self._put(self.editor.begin_continuation(self._branch_at), self.tries.tries[self.tries.index])
        self._close_branches()
        self.editor.move_to(self._branch_at + len(request.texts[event.index]))

    @on(Branches.Left)
    def _leave_branches(self, event: Branches.Left) -> None:
        event.stop()
        self.stop_writing()
        self._close_branches()

    def _close_branches(self) -> None:
        self._branch_request = None
        self.back_to_text()
        self.tell("")
        self.look_soon()

    # Other words

    def action_words(self) -> None:
        """The words that could have stood where the cursor is."""
        text, at = self.editor.text, self.editor.cursor
        self._words_from = at
        if at > 0 and (at >= len(text) or text[at].isspace()):
            at -= 1
        self._look_at(at)

    @on(Alternatives.Moved)
    def _other_token(self, event: Alternatives.Moved) -> None:
        event.stop()
        start, end = self._token
        self._look_at(end if event.by > 0 else start - 1)

    def _look_at(self, at: int) -> None:
        if not 0 <= at < self.editor.length:
            return
        if self.draft.model not in self.models:
            self.say_no_model()
            return
        self.stop_writing()
        self.editor.dismiss()
        self.branches.close()
        self._score(at)

    @work(group="score", exclusive=True)
    async def _score(self, at: int) -> None:
        draft, version, text = self.draft, self.editor.version, self.editor.text
        begin = max(0, at - _BEFORE_CURSOR)
        try:
            client = await self.services.generator.ready(draft.model, draft.checkpoint, progress=self._loading)
            tokens = await client.score(text[begin : at + _AFTER_CURSOR], start=at - begin)
        except EngineError as error:
            self.complain(error, self._advice(error))
            return
        self.tell("")
        token = next((token for token in tokens if token.text), None)
        if token is None or draft is not self.draft or version != self.editor.version:
            return
        self._show_words(begin + token.position, token)

    def _show_words(self, start: int, token: Scored) -> None:
        self._token = start, start + len(token.text)
        self.editor.mark(*self._token)
        others = [other for other in token.alternatives if "\ufffd" not in other.text]
        replaced, whose = self._rest(start)
        words = len(self.editor.text[self._token[1] : replaced].split())
        lost = f", in place of the {words} {whose} after it" if words else ""
        does = f"Enter puts it there, and the model writes on{lost}. Space only puts it there. ← → other places."
        if self.draft_is_read_only:
            does = "This draft may only be read here."
        glued = self.editor.text[max(0, start - 1) : start].isalnum()
        self.alternatives.show(token.text, token.probability, others, does, glued=glued)
        self.call_after_refresh(self.editor.move_to, start)  # the list takes room: the word stays in sight

    @property
    def draft_is_read_only(self) -> bool:
        return self.desk is not None and self.desk.read_only

    def _rest(self, start: int) -> tuple[int, Literal["words of the model's", "words of yours"]]:
        """What is written anew when a word is chosen: a model's passage to its end, else the rest of the paragraph."""
        for first, last, author in self.editor.spans():
            if author == Author.MODEL and first <= start < last:
                return last, "words of the model's"
        text = self.editor.text
        end = text.find("\n", max(start, self._token[1]))
        return (end if end >= 0 else len(text)), "words of yours"

    @on(Alternatives.Taken)
    def _take_word(self, event: Alternatives.Taken) -> None:
        event.stop()
        if self.draft_is_read_only:
            return
        start, end = self._token
        self.back_to_text()
        if not event.rewrite:
            continuation = self.editor.begin_continuation(start, replace_to=end)
            continuation.append(event.alternative.text)
            continuation.finish()
            self.editor.move_to(start + len(event.alternative.text))
            return
        self._rewrite(start, event.alternative)

    def _rewrite(self, start: int, word: Alternative) -> None:
        """The word, and what the model writes after it: together one step, and another try of this place."""
        request = self._request("continuation", self.editor.text[:start] + word.text)
        if request is None:
            return
        until, _ = self._rest(start)
        self.tries = Tries(start, request.prompt, prefix=word.text, replaced=until - start)
        continuation = self.editor.begin_continuation(start, replace_to=until)
        continuation.append(word.text)
        self.editor.move_to(continuation.end)
        self._write(request, continuation)

    @on(Alternatives.Left)
    def _leave_words(self, event: Alternatives.Left) -> None:
        event.stop()
        self.editor.move_to(self._words_from)
        self.back_to_text()
