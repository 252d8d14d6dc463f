"""Words and sentences: how many there are, and where they begin and end."""

from __future__ import annotations

import re

_IDEOGRAPH = "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_COUNTED = re.compile(f"[{_IDEOGRAPH}]|[^\\s{_IDEOGRAPH}]+")
_IS_WORD = re.compile(r"[\w'\u2019\u0300-\u036f\u200d\ufe0f]")
_IS_IDEOGRAPH = re.compile(f"[{_IDEOGRAPH}]")
_WORD = re.compile(f"[{_IDEOGRAPH}]|(?:(?![{_IDEOGRAPH}])[\\w'\u2019\u0300-\u036f\u200d\ufe0f])+")
_NEXT_WORD = re.compile(r"\s*\S+")
_SENTENCE = re.compile(
    "[.!?\u2026]+[\"'\u201d\u2019\u00bb)\\]]*(?=\\s|$)|[\u3002\uff01\uff1f]+[\u300d\u300f]*|(?<=\\S)\\s*\n"
)


def count_words(text: str) -> int:
    """How many words: what stands between spaces; where a script puts none, each sign of it."""
    return len(text.split()) if text.isascii() else len(_COUNTED.findall(text))


def is_word(character: str) -> bool:
    """Whether it belongs to a word (apostrophes do)."""
    return _IS_WORD.match(character) is not None


def is_ideograph(character: str) -> bool:
    """Whether it is a sign of a script without spaces, in which each sign is taken for a word."""
    return _IS_IDEOGRAPH.match(character) is not None


def word_around(text: str, at: int) -> tuple[int, int]:
    """Where the word begins and ends that holds the character at `at`; else the run of like characters there."""
    for found in _WORD.finditer(text):
        if found.start() <= at < found.end():
            return found.span()
    if at >= len(text):
        return at, at
    alike = re.compile(r"\s") if text[at].isspace() else re.compile(re.escape(text[at]))
    start, end = at, at
    while start > 0 and alike.match(text, start - 1):
        start -= 1
    while end < len(text) and alike.match(text, end):
        end += 1
    return start, end


def next_word_end(text: str) -> int:
    """How far it is over spaces and signs to the end of the next word."""
    found = _WORD.search(text)
    return found.end() if found else len(text)


def previous_word_start(text: str) -> int:
    """Where the last word of a text begins; 0 when it has none."""
    start = 0
    for found in _WORD.finditer(text):
        start = found.start()
    return start


def first_word(text: str) -> str:
    """The first word of a text with the spaces before it: what is taken of a suggestion at a time."""
    found = _NEXT_WORD.match(text)
    return found.group() if found else text


def first_sentence(text: str) -> str:
    """The first sentence of a text, with what closes it; all of it where none ends."""
    found = _SENTENCE.search(text)
    return text[: found.end()] if found else text
