"""How a model is laid out in a line of the library: which columns fit, and what stands in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import set_cell_size
from textual.content import Content

from engine.training.tickets import State
from gpt_tui.phrases import ago
from gpt_tui.shelf import Item, RunView
from gpt_tui.terminal import count, duration, visible

MARK = 3
"""Columns before the name: the cursor's mark, and how it stands."""
GAP = 2
_TITLES = {
    "name": ("Name", "Name"),
    "corpus": ("Corpus", "Corpus"),
    "parameters": ("Params", "Parameters"),
    "bits": ("Bits/byte", "Bits per byte"),
    "curve": ("Learning", "Learning"),
    "when": ("When", "When"),
}
"""Each column's title, where room is short and where it is not."""
_RIGHT = ("parameters", "bits")
_STYLES = {"bits": "$foreground bold", "curve": "$eval-curve"}
_SMALLEST = {"name": 14, "corpus": 10, "parameters": 6, "bits": 9, "curve": 10, "when": 10}
_ROOMY = {**_SMALLEST, "parameters": 10, "bits": 13, "curve": 16}
_GIVEN_UP = ("corpus", "curve", "parameters", "when")
"""What is left out where the width does not suffice, in this order."""

ORDERS: Mapping[str, tuple[str, bool]] = {
    "when": ("newest first", True),
    "name": ("by name", False),
    "bits": ("by quality", False),
    "parameters": ("largest first", True),
    "corpus": ("by corpus", False),
}
"""What the list can be sorted by, in words, and whether the larger comes first."""


@dataclass(frozen=True)
class Columns:
    """The columns that fit into a width, with theirs."""

    widths: dict[str, int]
    roomy: bool

    @staticmethod
    @lru_cache(maxsize=8)
    def fitting(width: int) -> Columns:
        roomy = width >= 96
        widths = dict(_ROOMY if roomy else _SMALLEST)
        for name in _GIVEN_UP:
            if _taken(widths) <= width:
                break
            del widths[name]
            if name == "curve":  # from here on every column counts
                widths["bits"] = 5
        spare = width - _taken(widths)
        if "corpus" in widths:
            more = max(0, min(spare * 2 // 5, 18))
            widths["corpus"] += more
            spare -= more
        widths["name"] = max(4, widths["name"] + min(spare, 50))
        return Columns(widths, roomy)

    @property
    def after_name(self) -> int:
        """Columns from the name's end to the last column's end, the gap before them not counted."""
        return sum(self.widths.values()) - self.widths["name"] + GAP * (len(self.widths) - 2)

    def title(self, column: str) -> str:
        return "Bits" if column == "bits" and self.widths["bits"] < 9 else _TITLES[column][self.roomy]

    def at(self, x: int) -> str | None:
        """The column in which a cell lies."""
        edge = MARK
        for name, width in self.widths.items():
            edge += width + GAP
            if x < edge:
                return name
        return None


def _taken(widths: Mapping[str, int]) -> int:
    return MARK + sum(widths.values()) + GAP * (len(widths) - 1) + 1


def _sort_key(order: str, item: Item, *, rough: bool) -> tuple[bool, float | str, str]:
    """Whether it is not known, the value, and, where that is the same, the name."""
    name = item.name.casefold()
    if order == "name":
        return (False, name, "")
    if item.problem:
        return (True, "", name)
    if order == "corpus":
        return (not item.corpus, item.corpus.casefold(), name)
    when = item.changed if rough else item.trained
    number = {"when": when, "bits": item.bits_per_byte, "parameters": float(item.parameters)}[order]
    unknown = math.isnan(number) or (order != "bits" and number <= 0)
    return (unknown, 0.0 if unknown else number, name)


def sort(items: list[Item], order: str, *, reverse: bool = False) -> list[Item]:
    """In that order, or in the opposite one; what is not known comes last in either. While some are unread, what is
    read is sorted as these are: none leaves its place under the user's eyes but once."""
    rough = not all(item.read for item in items)
    keys = {item.key: _sort_key(order, item, rough=rough) for item in items}
    known = [item for item in items if not keys[item.key][0]]
    unknown = [item for item in items if keys[item.key][0]]
    known.sort(key=lambda item: keys[item.key][1:], reverse=ORDERS[order][1] != reverse)
    return known + sorted(unknown, key=lambda item: item.name.casefold())


def holds(item: Item, words: list[str]) -> bool:
    """Whether an item has every one of the words in its name or its corpus."""
    text = f"{item.name} {item.corpus}".casefold()
    return all(word in text for word in words)


def heading(columns: Columns, order: str, *, reverse: bool) -> Content:
    """The line of titles; an arrow shows what is sorted by."""
    arrow = "↓" if ORDERS[order][1] != reverse else "↑"
    parts: list[Content | tuple[str, str]] = [(" " * MARK, "")]
    for name, width in columns.widths.items():
        title = columns.title(name)
        if name == order:
            title = f"{title[: width - 2]} {arrow}"
        style = "$foreground bold" if name == order else "$faint"
        parts.append((_fit(title, width, right=name in _RIGHT) + " " * GAP, style))
    return Content.assemble(*parts)


def line(item: Item, columns: Columns, curve: str, *, now: float) -> Content:
    """An item's line but for the cursor's mark; `curve`: the small picture of how it learned."""
    if item.run is not None:
        return _run_line(item, item.run, columns, curve)
    if item.problem:
        return _remark("!", "$error", item.name, f"damaged: {item.problem}", "$error", columns)
    values = {
        "corpus": item.corpus,
        "parameters": count(item.parameters) if item.parameters else "",
        "bits": _bits(item.bits_per_byte),
        "curve": curve,
        "when": ago(item.trained, now),
    }
    parts: list[tuple[str, str]] = [("  ", ""), (_fit(visible(item.name), columns.widths["name"]), "$foreground")]
    for name in list(columns.widths)[1:]:
        cell = _fit(visible(values[name]), columns.widths[name], right=name in _RIGHT)
        parts += [(" " * GAP, ""), (cell, _STYLES.get(name, "$faint"))]
    return Content.assemble(*parts)


def _run_line(item: Item, run: RunView, columns: Columns, curve: str) -> Content:
    """A training's line: a bar where a model has corpus and parameters, the time left where that has its age."""
    if not run.alive:
        return _remark("!", "$warning", item.name, _ending(item, run), "$foreground", columns)
    sign, colour = ("‖", "$warning") if run.state == State.PAUSED else ("●", "$primary")
    if run.state == State.PREPARING:
        so_far = "" if run.progress is None else f" {run.progress:.0%}"
        return _remark(sign, colour, item.name, f"{run.message}{so_far} …", "$faint", columns)
    share = min(1.0, max(0.0, run.progress or 0.0))
    left = "paused" if run.state == State.PAUSED else f"{duration(run.eta)} left"
    parts: list[tuple[str, str]] = [
        (f"{sign} ", colour),
        (_fit(visible(item.name), columns.widths["name"]), "$foreground bold"),
    ]
    middle = sum(columns.widths[name] + GAP for name in ("corpus", "parameters") if name in columns.widths) - GAP
    if middle >= 6:
        room = middle - 5
        full = round(share * room)
        bar = [("━" * full, "$primary"), ("─" * (room - full), "$rule")] if room >= 4 else [(" " * room, "")]
        parts += [(" " * GAP, ""), *bar, (f" {share:4.0%}", "$foreground")]
    for name, value in (("bits", _bits(item.bits_per_byte)), ("curve", curve)):
        if name in columns.widths:
            parts += [(" " * GAP, ""), (_fit(value, columns.widths[name], right=name in _RIGHT), _STYLES[name])]
    if "when" in columns.widths:
        words = left if middle >= 6 else f"{share:.0%} {left.removesuffix(' left')}"
        parts += [(" " * GAP, ""), (_fit(words, columns.widths["when"]), "$faint")]
    return Content.assemble(*parts)


def _ending(item: Item, run: RunView) -> str:
    """How a training came to its end, and what can be done, in a few words."""
    share = f" at {run.progress:.0%}" if run.progress and item.record is not None else ""
    how = {State.DIED: f"broke off{share}", State.FAILED: "failed"}.get(run.state, "went astray")
    offer = "Enter goes on" if run.resumable else "Enter tells more"
    return f"{how}. {offer}, x dismisses." if run.state == State.DIED else f"{how}: {run.message}"


def _remark(sign: str, colour: str, name: str, words: str, style: str, columns: Columns) -> Content:
    """A line that has words in the place of numbers."""
    return Content.assemble(
        (f"{sign} ", colour),
        (_fit(visible(name), columns.widths["name"]), "$foreground bold"),
        (" " * GAP, ""),
        (_fit(visible(" ".join(words.split())), columns.after_name), style),
    )


def _bits(bits: float) -> str:
    return f"{bits:.3f}" if math.isfinite(bits) else ""


def _fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly so many cells, with an ellipsis where it is cut."""
    plain = text.replace("\n", " ").replace("\t", " ")
    content = Content(plain)
    if content.cell_length > width:
        return set_cell_size(set_cell_size(plain, max(width - 1, 0)).rstrip() + "…", width)
    blank = " " * (width - content.cell_length)
    return blank + plain if right else plain + blank
