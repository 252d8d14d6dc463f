"""Where a continuation ends by itself: with the sentence, with the paragraph, or nowhere. Told piece by piece.

Whether a full stop ends a sentence is seen only from what follows it: until then it is held back.
"""

from __future__ import annotations

import re

UNTIL = ("length", "sentence", "paragraph")
"""What a continuation goes on to."""

_CLOSE = "[\"'”’»›)\\]*_]*"
_STOP = re.compile(rf"([.!?…]+{_CLOSE})(\s+)(?=\S)|([。！？]+[」』”’）]*)(?=[^」』”’）])", re.DOTALL)
_PERHAPS = re.compile(rf"(?:[.!?…]+{_CLOSE}|[。！？]+[」』”’）]*)\s*\Z")
_SHORT = frozenset(re.findall(r"\w+", "mr mrs ms dr st prof rev capt col gen lt jr sr hon mme mlle no vol cf etc vs"))
_LAST_WORD = re.compile(r"(\w+)\W*\Z")
_BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
_NEWLINE = re.compile(r"\r?\n")
_PERHAPS_BLANK = re.compile(r"(?:\r|\r?\n[ \t\r]*)\Z")


class Ending:
    """Text that comes in pieces → what of it is shown. `over`: the end was reached, nothing more is wanted."""

    def __init__(self, until: str, before: str = "") -> None:
        """`before`: the text that is continued; it tells what a paragraph looks like here."""
        self.until = until
        self.over = False
        self._held = ""
        self._begun = False
        self._said = before[-40:]  # the end of what was shown, to know an abbreviation by
        lines = before[-4000:].strip().replace("\r\n", "\n")
        self._break = _NEWLINE if "\n" in lines and "\n\n" not in lines else _BLANK_LINE

    def push(self, piece: str) -> str:
        """What may be shown now."""
        if self.over:
            return ""
        text, self._held = self._held + piece, ""
        if self.until == "sentence":
            text = self._to_sentence(text)
        elif self.until == "paragraph":
            text = self._to_paragraph(text)
        self._said = (self._said + text)[-40:]
        self._begun = self._begun or any(map(str.isalnum, text))
        return text

    def finish(self) -> str:
        """What was held back, now that nothing more comes."""
        text, self._held = self._held, ""
        return text

    def _to_sentence(self, text: str) -> str:
        """A continuation that begins with the full stop of the sentence before it does not end there."""
        for match in _STOP.finditer(text):
            stop = match[1] or match[3]
            head = text[: match.start()]
            following = text[match.end() : match.end() + 1]
            goes_on = following.islower() and "\n\n" not in (match[2] or "")
            if self._has_word(head) and not goes_on and not self._is_short(head, stop):
                return self._end(head + stop)
        perhaps = _PERHAPS.search(text)
        if perhaps is not None and self._has_word(text[: perhaps.start()]):
            self._held = text[perhaps.start() :]
            return text[: perhaps.start()]
        return text

    def _has_word(self, head: str) -> bool:
        return self._begun or any(map(str.isalnum, head))

    def _is_short(self, head: str, stop: str) -> bool:
        """Whether the full stop ends no sentence but an abbreviation or an initial."""
        word = _LAST_WORD.search((self._said + head)[-40:])
        if not stop.startswith(".") or word is None:
            return False
        return word[1].casefold() in _SHORT or (len(word[1]) == 1 and word[1].isupper() and word[1] != "I")

    def _to_paragraph(self, text: str) -> str:
        """Newlines before the first word belong to the paragraph that is to come."""
        start = 0 if self._begun else len(text) - len(text.lstrip())
        end = self._break.search(text, start)
        if end is not None:
            return self._end(text[: end.start()])
        perhaps = _PERHAPS_BLANK.search(text, start)
        if perhaps is not None:
            self._held = text[perhaps.start() :]
            return text[: perhaps.start()]
        return text

    def _end(self, text: str) -> str:
        self.over = True
        return text
