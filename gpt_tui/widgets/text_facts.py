"""What is known of the text that was chosen: its name, what it is, how much there is in it, and what to make of it."""

from __future__ import annotations

from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from gpt_tui.terminal import byte_size, visible

NARROW, SHORT = 60, 24
"""Columns, and rows of the screen, below which less is said."""


class Facts(NamedTuple):
    """Everything that there is to say. Numbers are None while they are not known."""

    title: str = ""
    about: str = ""
    """What it is."""
    advice: str = ""
    bytes: int | None = None
    words: int | None = None
    distinct_words: int | None = None
    documents: int | None = None
    exact: bool = False
    counting: bool = False
    notes: tuple[str, ...] = ()
    problem: str = ""


class TextFacts(Static):
    """`facts` are what it shows."""

    DEFAULT_CSS = """
    TextFacts { height: auto; }
    """

    facts: reactive[Facts] = reactive(Facts())

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)

    def watch_facts(self) -> None:
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        """On a narrow screen only what matters most: the text itself shall have room."""
        facts, brief = self.facts, self.size.width < NARROW
        lines = [Content.styled(visible(facts.title), "bold $primary")]
        if facts.problem:
            lines.append(Content.assemble(("✗ ", "bold $error"), (visible(facts.problem), "$error")))
        else:
            lines.append(Content.styled(_figures(facts, brief), "$foreground"))
            words = (_shortened(facts.advice or facts.about),) if brief else (facts.about, facts.advice)
            if self.app.size.height >= SHORT:
                lines += [Content.styled(visible(text), "$faint") for text in words if text]
        lines += [Content.assemble(("! ", "bold $warning"), (visible(note), "$faint")) for note in facts.notes]
        self.update(Content("\n").join(lines))


def _shortened(text: str, length: int = 100) -> str:
    """As many of its sentences as are about so long; one at least."""
    sentences = text.split(". ")
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) > length:
            return f"{kept}."
        kept = f"{kept}. {sentence}"
    return kept


def _figures(facts: Facts, brief: bool) -> str:
    """`1.2 MB · 245,026 words, 5,425 different · 673 documents`; what is estimated is rounded, and says so."""
    parts = []
    if facts.bytes is not None:
        parts.append(byte_size(facts.bytes))
    if facts.words is not None:
        words = f"{facts.words:,} words" if facts.exact or facts.words < 1000 else f"about {rounded(facts.words)} words"
        if facts.distinct_words is not None and not brief:
            distinct = f"{facts.distinct_words:,}" if facts.exact else f"about {rounded(facts.distinct_words)}"
            words += f", {distinct} different"
        parts.append(words)
    if facts.documents is not None and facts.documents > 1:
        parts.append(f"{facts.documents:,} documents")
    return " · ".join(parts) + (" · counting …" if facts.counting else "")


def rounded(number: int) -> str:
    """A large number as one says it: 215 million, 4.2 million, 31,000."""
    for size, name in ((1_000_000_000, "billion"), (1_000_000, "million")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    digits = max(0, len(str(number)) - 2)
    return f"{round(number, -digits):,}"
