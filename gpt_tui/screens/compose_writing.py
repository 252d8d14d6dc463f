"""Compose, the part that writes on: continuations, other tries of them, and suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.timer import Timer

from engine.errors import DamagedModelError, EngineError, ModelNotFoundError
from engine.generation.protocol import GeneratorLostError
from gpt_tui.drafting.composing import SUGGESTED_TOKENS, Kind, Request, Tries, Try, sample_settings
from gpt_tui.screens.compose_sight import LooksAhead
from gpt_tui.widgets.editor import Continuation, Editor

if TYPE_CHECKING:
    from gpt_tui.app import Services
    from gpt_tui.widgets import editor_messages

_ENDS = {
    "length": "Written",
    "end_of_text": "The model would end the text here",
    "sentence": "A sentence",
    "paragraph": "A paragraph",
    "stopped": "Stopped",
}


class WritesOn(LooksAhead):
    """One thing is written at a time; each belongs to the draft that was open when it was asked for."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.tries: Tries | None = None
        """The last place that was written on, and what was tried there."""
        self._coming: tuple[Request, Continuation] | None = None
        """What is being written, and where it comes in."""
        self._standing: tuple[Continuation, int] | None = None
        """The continuation that stands there, and the version of the text right after it."""
        self._idle: Timer | None = None

    def forget_writing(self) -> None:
        """Another draft comes: nothing of what was written for this one goes there."""
        self.stop_writing()
        self.tries = self._standing = None
        self.alternatives.close()
        self.branches.close()

    def stop_writing(self) -> bool:
        """Stop what is being written; whether there was anything."""
        request = self.composer.stop()
        if request is not None:
            self._settle(request)
        self.branches.writing = False
        return request is not None

    def _request(
        self, kind: Kind, prompt: str, *, seed: int | None = None, samples: int = 1, **changes: Any
    ) -> Request | None:
        """What is to be written, with this draft's model and values; None when it cannot be, which is then said."""
        draft = self.draft
        if self.desk is not None and self.desk.read_only:
            self.tell("This draft may only be read here")
            return None
        if draft.model not in self.models:
            self.say_no_model()
            return None
        settings, until = sample_settings(self.values, seed)
        self.notice.clear()
        return Request(
            draft.id,
            kind,
            draft.model,
            draft.checkpoint,
            prompt,
            settings | {k: v for k, v in changes.items() if k != "until"},
            until=changes.get("until", until),
            samples=samples,
        )

    def say_no_model(self) -> None:
        raise NotImplementedError

    # Continuations

    def action_go(self) -> None:
        """Continue from the cursor; while it writes: stop."""
        current = self.composer.current
        if current is not None and current.kind != "suggestion":
            self.stop_writing()
            return
        at = self.editor.cursor
        request = self._request("continuation", self.editor.text[:at])
        if request is not None:
            self.tries = Tries(at, request.prompt)
            self._write(request, self.editor.begin_continuation(at))

    def action_again(self) -> None:
        """Take the last continuation back, and write another."""
        if self.stop_writing() and self.tries is None:
            return
        tries = self.tries
        if tries is None or (tries.tries and not self._locate(tries)):
            self.action_go()
            return
        request = self._request("continuation", tries.prompt, seed=tries.next_seed)
        if request is not None:
            continuation = self._replace_standing(tries)
            continuation.append(tries.prefix)
            self._write(request, continuation)

    def action_step(self, by: int) -> None:
        """Show another of the tries that were made here."""
        tries = self.tries
        if self.composer.current is not None or tries is None or not tries.tries or not self._locate(tries):
            self.tell("No other tries here: Ctrl+R writes one")
            return
        continuation = self._replace_standing(tries, by=by)
        standing = tries.standing
        if standing is not None:
            self._put(continuation, standing)
            self.tell(f"Try {tries.index + 1} of {len(tries.tries)}")

    def _locate(self, tries: Tries) -> bool:
        """Whether what stands there still does; edits before it may have moved it."""
        if self._standing is not None and self._standing[1] == self.editor.version:
            return True
        text = self.editor.text
        if not tries.stands(text) and (standing := tries.standing) is not None and len(standing.text) > 8:
            found = text.find(standing.text, max(0, tries.start - 10_000))
            if found >= 0:
                tries.start, tries.prompt = found, text[:found]
        return tries.stands(text)

    def _replace_standing(self, tries: Tries, by: int = 0) -> Continuation:
        """Take out what stands there; where nothing was changed since, as if it had never been."""
        standing = tries.standing
        end = tries.start + len(standing.text if standing is not None else "")
        if by:
            tries.step(by)
        if self._standing is not None and self._standing[1] == self.editor.version:
            self._standing[0].withdraw()
            end = tries.start + tries.replaced
        return self.editor.begin_continuation(tries.start, replace_to=end)

    def _put(self, continuation: Continuation, try_: Try) -> None:
        """A try that was made before stands there now."""
        continuation.append(try_.text)
        continuation.finish()
        self._standing = continuation, self.editor.version

    def _write(self, request: Request, continuation: Continuation) -> None:
        self.composer.stop("replaced")
        self.editor.dismiss()
        self._standing = None
        self._coming = request, continuation
        self.tell("Writing…", "busy", stays=True)
        self._run(request)

    def _add(self, request: Request, new: list[str]) -> None:
        """What came is put where it belongs. A continuation that was undone meanwhile wants no more."""
        if request.draft != self.draft.id:
            request.end("replaced")
            return
        match request.kind:
            case "continuation":
                if self._coming is None or self._coming[0] is not request:
                    request.end("replaced")
                    return
                if not self._coming[1].append(new[0]):
                    self.stop_writing()
                    return
                self.editor.show_now()
            case "suggestion":
                self.editor.suggest(request.texts[0])
            case "branches":
                self.branches.show(request.texts)
        if self.show_stream(request) and request.kind != "suggestion":
            self.tell(f"Writing{_speed(request)} · Esc stops", "busy", stays=True)

    @work(group="write")
    async def _run(self, request: Request) -> None:
        """Write it to its end, or say in a line why that cannot be. What was written until then stays."""
        try:
            await self.composer.write(request, self._add, self._loading)
        except EngineError as error:
            self._settle(request)
            self.branches.writing = False
            self.complain(error, self._advice(error))
            return
        self._settle(request)

    def _loading(self, words: str) -> None:
        self.tell(f"{words}…", "busy", stays=True)

    def _advice(self, error: EngineError) -> str:
        if isinstance(error, GeneratorLostError):
            return "Your text is safe. Ctrl+G starts it again and goes on."
        if isinstance(error, ModelNotFoundError | DamagedModelError):
            return "Your text is safe. F10 M chooses another model."
        return ""

    def _settle(self, request: Request) -> None:
        """It is over: one step to undo, one more try to step through."""
        if request.kind == "branches":
            self.branches.writing = False
            if self.composer.current is None:
                self.tell("")
        if self._coming is None or self._coming[0] is not request:
            return
        (_, coming), self._coming = self._coming, None
        undone = coming.ended and not coming.text
        coming.finish()
        self.editor.unmark()
        if self.tries is not None and not undone:
            self.tries.start = coming.start
            self.tries.add(Try(coming.text, request.seed, request.tokens[0]))
            self.keep_tries(self.tries.tries[-1:])
        self._standing = (coming, self.editor.version) if coming.text else None
        if request.reason == "lost":
            return
        self.tell("" if undone else f"{_ENDS.get(request.reason, '')} · {request.written} tokens{_speed(request)}")
        self.look_soon()

    def keep_tries(self, tries: list[Try]) -> None:
        """Keep what was written, with its probabilities, beside the draft."""
        if self.desk is not None:
            self.desk.add_tries(tries)

    # Suggestions

    def action_suggest(self) -> None:
        """Say in dim text how it could go on; asked again, say it otherwise."""
        if self.composer.current is not None and self.composer.current.kind != "suggestion":
            return
        self.composer.stop()
        self.editor.dismiss()
        prompt = self.editor.text[: self.editor.cursor]
        request = self._request("suggestion", prompt, until="sentence", max_new_tokens=SUGGESTED_TOKENS)
        if request is not None:
            self.editor.focus()
            self._run(request)

    @on(Editor.SuggestionEnded)
    def _suggestion_ended(self, event: editor_messages.SuggestionEnded) -> None:
        event.stop()
        current = self.composer.current
        if current is not None and current.kind == "suggestion" and not self.editor.suggestion:
            self.composer.stop()

    def suggest_when_idle(self) -> None:
        """Begin to wait: after as many seconds as are set, a suggestion comes of itself."""
        if self._idle is not None:
            self._idle.stop()
            self._idle = None
        if (after := self.services.settings.writing_suggest_after) > 0:
            self._idle = self.set_timer(after, self._suggest_idle)

    def _suggest_idle(self) -> None:
        self._idle = None
        resting = self.is_here and self.editor.has_focus and not self.editor.suggestion and not self.editor.reading
        if resting and self.composer.current is None and self.draft.model in self.models and self.editor.length:
            self.action_suggest()


def _speed(request: Request) -> str:
    """How fast it goes, once that can be told."""
    return f" · {request.tokens_per_second:.0f}/s" if request.written > 5 else ""
