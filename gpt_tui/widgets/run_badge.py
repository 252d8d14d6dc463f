"""The trainings that go on, in a few words at the right of the top bar. A click goes to the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from gpt_tui.navigation import OpenTraining
from gpt_tui.terminal import visible
from gpt_tui.widgets.line import Line

if TYPE_CHECKING:
    from gpt_tui.progress.watching import RunStatus, Watcher


class RunBadge(Line):
    """Shows what the app's watcher finds; where the app has none, nothing."""

    DEFAULT_CSS = """
    RunBadge { display: none; width: auto; max-width: 40; padding: 0 1 0 2; color: $primary; text-wrap: nowrap; }
    RunBadge.-running { display: block; }
    RunBadge:hover { background: $foreground 10%; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._runs: tuple[RunStatus, ...] = ()

    def on_mount(self) -> None:
        watcher: Watcher | None = getattr(self.app, "watcher", None)
        if watcher is not None:
            watcher.changed.subscribe(self, self.show)
            self.show(watcher.runs)

    def on_resize(self) -> None:
        self.show(self._runs)

    def show(self, runs: tuple[RunStatus, ...]) -> None:
        """The newest of them, and how many more there are."""
        self._runs = runs
        self.set_class(bool(runs), "-running")
        if runs:
            self.put(badge_text(runs, self.app.size.width))

    def on_click(self) -> None:
        if self._runs:
            self.post_message(OpenTraining(self._runs[0].name))


def badge_text(runs: tuple[RunStatus, ...], width: int) -> Content:
    """As much as a screen of that width has room for beside the places."""
    run = runs[0]
    how = "…" if run.progress is None else f"{run.progress:.0%}"
    if run.state == "paused":
        how += " paused" if width >= 100 else " ⏸"
    words = how
    if width >= 78:
        name = visible(run.name)
        longest = 20 if width >= 110 else 8
        words = f"{name if len(name) <= longest else name[: longest - 1] + '…'} {how}"
    if width >= 110 and run.bits_per_byte is not None:
        words += f" · {run.bits_per_byte:.2f} bits/byte"
    if len(runs) > 1 and width >= 78:
        words += f" +{len(runs) - 1}"
    return Content(words)
