"""All that the library tells of one model: what its quality means, what it is made of, its curve, a line it wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from engine.training.tickets import State
from gpt_tui.phrases import ago, choices, joined, lasting, moment
from gpt_tui.progress.wording import quality
from gpt_tui.shelf import Details, Item, RunView, number_of
from gpt_tui.terminal import byte_size, count, duration, visible
from gpt_tui.widgets.curve import Curve
from gpt_tui.widgets.facts import Facts

if TYPE_CHECKING:
    from engine.store.models import ModelRecord

Parts = list[Content | str | tuple[str, str]]


class ModelDetails(VerticalScroll):
    """`item`: the model; `details`: what was read of it meanwhile, None until it is read.

    With the class -flat it has two columns.
    """

    DEFAULT_CSS = """
    ModelDetails { padding: 0 2; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    ModelDetails #about, ModelDetails #shown { height: auto; width: 1fr; }
    ModelDetails Static { height: auto; }
    ModelDetails #model-name { color: $primary; text-style: bold; }
    ModelDetails Curve { height: 5; margin-top: 1; }
    ModelDetails Facts, ModelDetails #voice { margin-top: 1; }
    ModelDetails #voice { max-height: 11; }
    ModelDetails Facts.beside { display: none; }
    ModelDetails.-flat { layout: horizontal; }
    ModelDetails.-flat #about { margin-right: 3; }
    ModelDetails.-flat Facts.beside { display: block; }
    ModelDetails.-flat Facts.below { display: none; }
    ModelDetails.-flat Curve { height: 2; margin-top: 0; }
    """

    item: reactive[Item | None] = reactive(None)
    details: reactive[Details | None] = reactive(None)
    braille: reactive[bool] = reactive(True)

    def compose(self) -> ComposeResult:
        with Vertical(id="about"):
            yield Static(id="model-name", markup=False)
            yield Static(id="state", markup=False)
            yield Facts(classes="beside")
        with Vertical(id="shown"):
            yield Curve()
            yield Static(id="caption", markup=False)
            yield Static(id="voice", markup=False)
        yield Facts(classes="below")

    def watch_item(self, before: Item | None, item: Item | None) -> None:
        self._show()
        if before is None or item is None or before.key != item.key:
            self.scroll_home(animate=False)

    def watch_details(self) -> None:
        self._show()

    def watch_braille(self, braille: bool) -> None:
        if self.is_mounted:
            self.query_one(Curve).braille = braille

    def on_mount(self) -> None:
        self.query_one(Curve).braille = self.braille
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        item, details = self.item, self.details or Details()
        points = item.run.points if item is not None and item.run is not None and item.run.points else details.points
        sample = item.run.sample if item is not None and item.run is not None and item.run.sample[1] else details.sample
        self._say("#model-name", Content(visible(item.name)) if item is not None else Content(""))
        self._say("#state", _state(item, details) if item is not None else Content(""))
        for facts in self.query(Facts):
            facts.rows = _facts(item.record, details) if item is not None and item.record else {}
        curve = self.query_one(Curve)
        curve.display = len(points) > 1
        curve.points = points
        self._say("#caption", _caption(points, item.bits_per_byte if item is not None else math.nan))
        self._say("#voice", _voice(*sample))

    def _say(self, selector: str, content: Content) -> None:
        static = self.query_one(selector, Static)
        static.display = bool(content.plain)
        static.update(content)


def _state(item: Item, details: Details) -> Content:
    """How it stands, and what its bits per byte mean."""
    if item.problem:
        return Content.assemble(
            ("This model is damaged: ", "$error"),
            visible(item.problem),
            ("\n\nx moves it to the trash. It lies in ", "$faint"),
            (visible(str(item.folder)), "$faint"),
        )
    parts: Parts = []
    if item.run is not None:
        parts += [_how_it_runs(item, item.run), "\n"]
    elif details.resumable and not math.isnan(details.progress):
        share = f"{details.progress:.0%}"
        parts += [(f"Its training was stopped when {share} was done; m goes on with it.", "$warning"), "\n"]
    if math.isfinite(item.bits_per_byte):
        parts += [
            (f"{item.bits_per_byte:.3f} bits per byte: ", "$model-text bold"),
            _meaning(item.bits_per_byte, item.record),
        ]
    return Content.assemble(*parts).rstrip()


def _meaning(bits_per_byte: float, record: ModelRecord | None) -> str:
    among = choices(bits_per_byte, _letter(record))
    return f"at each letter of a text new to it, it wavers as if among {among}. {quality(bits_per_byte)}"


def _how_it_runs(item: Item, run: RunView) -> Content:
    said = run.message.rstrip(". ")
    match run.state:
        case State.PREPARING:
            return Content.assemble(("It is being prepared. ", "$primary"), f"{said}.\n" if said else "\n")
        case State.PAUSED:
            return Content.assemble(("Its training is paused. ", "$warning"), "w shows it, there it goes on.\n")
        case State.TRAINING:
            left = f", {duration(run.eta)} left" if math.isfinite(run.eta) else ""
            words = f"It is learning: {run.progress or 0:.0%}{left}. "
            return Content.assemble((words, "$primary"), "It learns on when you leave. w watches it.\n")
    what = "Its training was broken off" if run.state == State.DIED else "Its training failed"
    share = f" when {run.progress:.0%} was done" if run.progress and item.record is not None else ""
    offer = "Enter goes on from what was saved last; x dismisses this." if run.resumable else "x dismisses this."
    return Content.assemble((f"{what}{share}: ", "$warning"), f"{visible(said)}.\n", (f"{offer}\n", "$faint"))


def _facts(record: ModelRecord, details: Details) -> dict[str, str]:
    corpus, summary, model = record.corpus, record.summary, record.model
    documents, size = _whole(corpus, "documents"), _whole(corpus, "bytes")
    times, base = number_of(record, "epochs"), corpus.get("from_model")
    text = [str(corpus.get("name", "")), byte_size(size) if size else ""]
    shape = [f"{count(model.parameter_counts()['total'])} parameters", f"{_layers(model.n_layer)} of {model.n_embd:,}"]
    learned = [lasting(number_of(record, "seconds")), f"{_whole(summary, 'steps'):,} steps"]
    return {
        "Text": joined([*text, f"{documents:,} documents" if documents > 1 else ""]),
        "Model": joined([*shape, f"sees {model.block_size:,} tokens"]),
        "Tokens": joined([f"{model.vocab_size:,}", record.train.tokenizer]),
        "Learned": joined([*learned, f"the text {times:.1f} times" if math.isfinite(times) else ""]) if summary else "",
        "When": joined([ago(moment(record.created)), f"on {summary['device']}" if summary.get("device") else ""], ", "),
        "From": f"the model {base}" if base else "",
        "Kept": joined([f"{details.moments} earlier moments" if details.moments else "", byte_size(details.size)])
        if details.size
        else "",
    }


def _caption(points: tuple[tuple[float, float], ...], reached: float) -> Content:
    """From where to where: `reached` is measured on all that is held out, the points on a part of it."""
    if len(points) < 2:
        return Content("")
    first, best = points[0][1], reached if math.isfinite(reached) else min(bits for _, bits in points)
    return Content.styled(f"{first:.2f} → {best:.2f} bits per byte in {lasting(points[-1][0])}", "$faint")


def _voice(prompt: str, text: str) -> Content:
    """What it wrote, the words that it was given before it in another colour."""
    if not text.strip():
        return Content("")
    title = ("It writes\n", "$primary bold")
    prompt, text = (re.sub(r"\n{2,}", "\n", part) for part in (prompt.lstrip("\n"), text.rstrip()))
    return Content.assemble(title, (visible(prompt), "$faint"), (visible(text), "$model-text"))


def _letter(record: ModelRecord | None) -> float:
    """Bytes that a character of its text has."""
    if record is None:
        return 1.0
    characters = _whole(record.corpus, "characters")
    return _whole(record.corpus, "bytes") / characters if characters else 1.0


def _layers(number: int) -> str:
    return f"{number} layers" if number != 1 else "1 layer"


def _whole(table: Mapping[str, Any], key: str) -> int:
    value = table.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
