"""What a model wrote while it learned: one sample at a time to step through, or all of them, from noise to prose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from gpt_tui.terminal import duration, visible


class Written(NamedTuple):
    """A sample: when it was written, from what, and what came. `loss`: of held-out text by then, where known."""

    step: int
    elapsed: float
    prompt: str
    text: str
    quality: str = ""

    @property
    def content(self) -> Content:
        """The prompt, and what the model went on with in its own colour."""
        beginning = visible(self.prompt).lstrip("\n")
        text = visible(self.text).rstrip()
        return Content.assemble((beginning, "$foreground"), (text if beginning else text.lstrip("\n"), "$model-text"))

    @property
    def title(self) -> str:
        return f"step {self.step:,} · {duration(self.elapsed)}" + (f" · {self.quality}" if self.quality else "")


class SampleReel(Vertical):
    """`samples`, one of them shown: the newest, until the reader steps back."""

    DEFAULT_CSS = """
    SampleReel { height: 1fr; }
    SampleReel #reel-title { height: auto; max-height: 2; text-wrap: nowrap; text-overflow: ellipsis; }
    SampleReel VerticalScroll { height: 1fr; scrollbar-size-vertical: 1; }
    SampleReel #reel-text { height: auto; }
    """

    ONE_ROW = 66
    """The width from which its title takes one row."""

    samples: reactive[Sequence[Written]] = reactive(())
    place: reactive[int | None] = reactive(None)
    """Which of them is shown; None: the newest, whichever that is."""

    def compose(self) -> ComposeResult:
        yield Static("", id="reel-title", markup=False)
        with VerticalScroll(can_focus=False):
            yield Static("", id="reel-text", markup=False)

    @property
    def shown(self) -> int:
        """The place of the sample that is shown; -1 when there is none."""
        last = len(self.samples) - 1
        return last if self.place is None else max(0, min(self.place, last))

    def step(self, by: int) -> None:
        """An earlier or a later one; past the newest it follows again."""
        if self.samples:
            wanted = self.shown + by
            self.place = None if wanted >= len(self.samples) - 1 else max(0, wanted)

    def show_at(self, step: int | None) -> None:
        """The one that was written at that step of training, or last before it; None: the newest."""
        if step is None or not self.samples:
            self.place = None
            return
        before = [place for place, sample in enumerate(self.samples) if sample.step <= step]
        self.place = before[-1] if before else 0

    def watch_samples(self) -> None:
        self._show()

    def watch_place(self) -> None:
        self._show()

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        title, text = self.query_one("#reel-title", Static), self.query_one("#reel-text", Static)
        if not self.samples:
            title.update(Content.styled("What it writes", "bold $primary"))
            text.update(Content.styled("The first sample comes soon.", "$faint"))
            return
        sample = self.samples[self.shown]
        number = f"{self.shown + 1} of {len(self.samples)}" + ("   [ and ] step" if len(self.samples) > 1 else "")
        apart = "\n" if self.size.width < self.ONE_ROW else "   "
        title.update(
            Content.assemble(("What it writes", "bold $primary"), (f"   {number}", "$faint"), apart, sample.title)
        )
        text.update(sample.content)


class SampleBook(VerticalScroll):
    """All `samples` below one another; it follows the newest until the reader scrolls up."""

    DEFAULT_CSS = """
    SampleBook { height: 1fr; scrollbar-size-vertical: 1; }
    SampleBook Static { height: auto; max-width: 100; padding: 0 1; }
    """

    samples: reactive[Sequence[Written]] = reactive(())

    def compose(self) -> ComposeResult:
        yield Static("", markup=False)

    def on_mount(self) -> None:
        self._show()
        self.anchor()

    def watch_samples(self) -> None:
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        if not self.samples:
            self.query_one(Static).update(Content.styled("What it writes while it learns will stand here.", "$faint"))
            return
        parts: list[Content] = []
        for sample in self.samples:
            parts += [Content.styled(sample.title, "bold $primary"), sample.content, Content("")]
        self.query_one(Static).update(Content("\n").join(parts[:-1]))
