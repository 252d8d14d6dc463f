"""Who speaks in a model's corpus: the voices that the catalogue describes, else those that are found in the text.

A text whose conversations are written out (`NAME: line`, or names over speeches) has speakers; in prose those who
`said` something are found. A model whose text is not there any more is asked through what it wrote while it learned.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_tui.conversations import shortened
from gpt_tui.conversing.talking import Style

if TYPE_CHECKING:
    from engine.store.models import ModelRecord

READ = 2 << 20
"""Characters of a corpus that are looked at."""

MOST = 60
"""Speakers that are kept: those who say most."""

_NAME = r"[^\W\d_a-z][\w'’.\-]*(?: [^\W_][\w'’.\-]*){0,3}"
_PATTERNS = (
    # how a turn begins; the share of lines, blank ones not counted, that must look so
    (re.compile(rf"^({_NAME}):[ \t]+(\S.*)$", re.M), ": ", 0.3),
    (re.compile(rf"(?:^|(?<=\n\n))({_NAME}):[ \t]*\n(\S.*)$", re.M), ":\n", 0.08),
    (re.compile(r"(?:^|(?<=\n\n))([A-Z][A-Z'’ \-]+[A-Z])\.[ \t]+(\S.*)$", re.M), ". ", 0.12),
)
_TITLED = r"(?:(?:Mrs|Mr|Dr|Miss|Lady|Lord|Sir|Aunt|Uncle|Captain)\.? )?"
_WHO = rf"((?:the|old) [a-z]+(?: [a-z]+)??|{_TITLED}[A-Z][\w’'\-]+(?: [A-Z][\w’'\-]+)?)"
_VERBS = "(?:said|asked|replied|answered|cried|whispered|called)"
_SAID = re.compile(rf"[\"”»] {_VERBS} {_WHO}(?=[,.;:\n]| to\b| and\b| with\b)")
_NOBODY = {"He", "She", "It", "They", "We", "You", "I", "The", "And", "But", "Then", "That", "This", "Mr", "Mrs", "Dr"}
_QUOTES = '“«"„'


@dataclass(frozen=True)
class Persona:
    """A speaker: what is known of them in a line, who they talk with most, and what others have said to them."""

    name: str
    words: str = ""
    count: int = 0
    partner: str = ""
    openings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cast:
    """The speakers of a model's text, and how it writes what they say."""

    style: Style
    personas: tuple[Persona, ...] = ()
    known: bool = True
    """Whether they were found in the text; if not, they are inventions to begin with."""
    names: tuple[str, ...] = field(default=())

    def find(self, name: str) -> Persona:
        """The speaker of that name, whatever its case; a stranger when there is none."""
        folded = name.casefold()
        return next((persona for persona in self.personas if persona.name.casefold() == folded), Persona(name))

    def pair(self, them: str = "", you: str = "") -> tuple[str, str]:
        """Two who may talk: (them, you), where they are given those."""
        asked = next((persona for persona in self.personas if persona.openings), self.personas[0])
        persona = self.find(them) if them else asked
        if you:
            return persona.name, you
        others = [other.name for other in self.personas if other.name != persona.name]
        partner = persona.partner if persona.partner in others else ""
        return persona.name, partner or (others[0] if others else "You")

    def scene(self, them: str, you: str) -> str:
        """What stands before the first turn, so that both are there; nothing where the names alone do it."""
        if not self.style.is_prose:
            return ""
        return f"One evening {you} met {them}, and they sat down to talk for a while."


STRANGERS = (
    Persona("the old woman", "sits by the stove and has seen much", partner="the visitor"),
    Persona("the captain", "came home from the sea this morning", partner="the visitor"),
    Persona("the child", "wants to know everything", partner="the visitor"),
    Persona("the visitor", "has come a long way"),
)
"""Who speaks where a text has no speakers."""


def cast(record: ModelRecord) -> Cast:
    """The speakers of a model. Reads its corpus, or what is left of it: not for the event loop."""
    from engine.data.corpus import catalog

    entries = {entry.name: entry for entry in catalog()}
    sources = [str(source) for source in record.corpus.get("sources", [])]
    voices: dict[str, str] = {}
    texts = []
    for source in sources:
        entry = entries.get(source)
        if entry is not None:
            voices |= entry.voices
            texts.append(_beginning(entry.path) if entry.path is not None else "")
        else:
            texts.append(_text(Path(source)))
    text = "\n\n\n".join(filter(None, texts)) or str(record.summary.get("sample", ""))
    found = speakers(text, fewest=1 if not any(texts) else 3)
    if not voices:
        return found
    described = [replace(found.find(name), name=name, words=words) for name, words in voices.items()]
    return replace(found, personas=tuple(described))


def speakers(text: str, fewest: int = 3) -> Cast:
    """The speakers of a text, those who say most first; each says something at least `fewest` times."""
    lines = sum(1 for line in text.splitlines() if line.strip()) or 1
    best: tuple[float, Cast] | None = None
    for pattern, mark, share in _PATTERNS:
        turns = [(found[1], found[2].strip(), found.start()) for found in pattern.finditer(text)]
        counts = Counter(name for name, _, _ in turns)
        names = [name for name, count in counts.most_common(MOST) if count >= fewest]
        covered = sum(counts[name] for name in names) / lines
        if len(names) >= 2 and covered >= share and (best is None or covered / share > best[0]):
            gap = "\n\n" if mark == ":\n" or _apart(text, turns) else "\n"
            best = covered / share, Cast(Style(mark, gap), tuple(_personas(text, turns, names)), names=tuple(names))
    return best[1] if best is not None else _of_prose(text, fewest)


def _apart(text: str, turns: Sequence[tuple[str, str, int]]) -> bool:
    """Whether empty lines stand between the turns."""
    starts = [start for _, _, start in turns[1:400]]
    return sum(text[max(0, start - 2) : start] == "\n\n" for start in starts) > len(starts) / 2


def _personas(text: str, turns: Sequence[tuple[str, str, int]], names: Sequence[str]) -> Iterator[Persona]:
    counts: Counter[str] = Counter()
    partners: dict[str, Counter[str]] = {name: Counter() for name in names}
    openings: dict[str, list[str]] = {name: [] for name in names}
    questions: dict[str, list[str]] = {name: [] for name in names}
    first: dict[str, str] = {}
    before: tuple[str, str, int] | None = None
    for name, said, start in turns:
        counts[name] += 1
        if name in partners and before is not None and before[0] != name:
            partners[name][before[0]] += 1
            if _opens(before[1]):
                starts = text[max(0, before[2] - 2) : before[2]] in ("\n\n", "")
                (openings if starts else questions)[name].append(before[1])
        if 24 <= len(said) <= 90:
            first.setdefault(name, said)
        before = name, said, start
    for name in names:
        times = f"speaks {counts[name]:,} times" if counts[name] != 1 else "speaks once"
        words = f"{times}: “{shortened(first[name], 60)}”" if name in first else times
        partner = next((other for other, _ in partners[name].most_common() if other in names), "")
        first_words = openings[name] or [line for line in questions[name] if line.endswith("?")]
        yield Persona(name, words, counts[name], partner, tuple(_spread(first_words, 3)))


def _opens(line: str) -> bool:
    """Whether one may begin with it."""
    return len(line) < 72 and line.count(" ") >= 2 and line.endswith(("?", "!", "."))


def _spread(items: Sequence[str], number: int) -> list[str]:
    """A few of many, from all over."""
    different = list(dict.fromkeys(items))
    step = max(1, len(different) // number)
    return sorted(different[::step][:number], key=lambda item: not item.endswith("?"))


def _of_prose(text: str, fewest: int) -> Cast:
    """Those of whom a text says that they said something."""
    marks = Counter(character for character in text if character in _QUOTES)
    quote = marks.most_common(1)[0][0] if marks else '"'
    counts = Counter(who for who in _SAID.findall(text) if who.split()[0] not in _NOBODY and who not in _NOBODY)
    personas = [Persona(name, f"says something {n:,} times", n) for name, n in counts.most_common(MOST) if n >= fewest]
    if len(personas) < 2:
        return Cast(Style(quote=quote), STRANGERS, known=False)
    return Cast(Style(quote=quote), tuple(personas), names=tuple(persona.name for persona in personas))


# A corpus's beginning


def _text(path: Path) -> str:
    """The beginning of a file, or of the files of a folder; nothing where there is none any more."""
    try:
        if path.is_file():
            return _beginning(path)
        if path.is_dir():
            parts: list[str] = []
            for file in sorted(path.rglob("*.txt"))[:40]:
                parts.append(_beginning(file)[: READ // 8])
                if sum(map(len, parts)) > READ:
                    break
            return "\n\n\n".join(parts)
    except (OSError, ValueError):
        pass
    return ""


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(READ)
    except (OSError, ValueError):
        return ""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return raw.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
