"""What one sees of a training: a live panel on a terminal, plain lines in a file, JSON for programs, or nothing.

A report is entered, told of every event by `show`, and left. None of them knows where the events come from.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from engine import events
from gpt_tui.terminal import complain, console_on, count, duration, is_first_process, is_screen, visible

BARS = "▁▂▃▄▅▆▇█"


class Report(Protocol):
    """How a training is shown."""

    stopping: bool
    """Set when the training was asked to stop: the report says so."""

    def __enter__(self) -> Report: ...
    def __exit__(self, *exception: object) -> None: ...
    def show(self, event: events.Event) -> None: ...


class QuietReport:
    """Shows nothing, but warnings on standard error."""

    stopping = False

    def __enter__(self) -> QuietReport:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, event: events.Event) -> None:
        if isinstance(event, events.Warning):
            complain(f"warning: {event.message}")


class JsonReport(QuietReport):
    """Every event as a line of JSON; with `only_end`, the last alone."""

    def __init__(self, *, only_end: bool = False) -> None:
        self.only_end = only_end

    def show(self, event: events.Event) -> None:
        if not self.only_end or isinstance(event, events.End):
            print(events.to_json(event), flush=True)


class LineReport(QuietReport):
    """Plain lines, for a file or a pipe: evaluations, rounds, and between them a line every ten seconds at most."""

    INTERVAL = 10.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._next = -math.inf

    def show(self, event: events.Event) -> None:
        if isinstance(event, events.Warning):
            super().show(event)
            return
        line = self._line(event)
        rare = isinstance(event, events.Eval | events.Round | events.Start)
        if line and (rare or self.clock() >= self._next):
            print(visible(line), flush=True)
            self._next = self.clock() + self.INTERVAL

    def _line(self, event: events.Event) -> str:
        match event:
            case events.Prepare():
                return event.message
            case events.Start():
                return f"{event.name}: {', '.join(describe(event))}"
            case events.Step():
                speed, left = count(event.tokens_per_second), duration(event.eta)
                return f"step {event.step} ({event.progress:.0%}): loss {event.loss:.3f}, {speed} tokens/s, {left} left"
            case events.Eval():
                best = ", the best so far" if event.best else ""
                quality = f"{event.bits_per_byte:.3f} bits per byte, held-out loss {event.val_loss:.3f}"
                return f"step {event.step}: {quality}{best}"
            case events.Round():
                return f"step {event.step}: round {event.number} of {event.count} begins"
            case _:
                return ""


class LiveReport(QuietReport):
    """A panel that is drawn anew in its place, at most four times a second."""

    INTERVAL = 0.25

    def __init__(self, console: Console, name: str = "") -> None:
        self.panel = TrainingPanel(name)
        self._live = Live(get_renderable=lambda: self.panel, console=console, auto_refresh=False)
        self._next = -math.inf

    def __enter__(self) -> LiveReport:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.transient = self.panel.start is None  # a training that never began leaves nothing behind
        with contextlib.suppress(OSError):
            self._live.stop()

    def show(self, event: events.Event) -> None:
        if isinstance(event, events.Warning):
            self._live.console.print(Text(f"Warning: {visible(event.message)}", style="yellow"))
        self.panel.stopping = self.stopping
        self.panel.update(event)
        now = time.monotonic()
        if now >= self._next or not isinstance(event, events.Step | events.Prepare):
            self._live.refresh()
            self._next = now + self.INTERVAL


class TrainingPanel:
    """All there is to see of a training at one moment, fitted to the terminal's size."""

    SAMPLE_LINES = 5
    SMOOTHING = 0.9  # a step's loss is that of a few windows and jumps; what is shown is its running mean

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.stopping = False
        self.paused = False
        self.start: events.Start | None = None
        self.preparing: events.Prepare | None = None
        self.step: events.Step | None = None
        self.eval: events.Eval | None = None
        self.sample: events.Sample | None = None
        self.round: events.Round | None = None
        self.end: events.End | None = None
        self.loss = math.nan
        self.curve: list[float] = []

    def update(self, event: events.Event) -> None:
        match event:
            case events.Prepare():
                self.preparing = event
            case events.Start():
                self.start, self.name = event, event.name
            case events.Step():
                self.step, self.preparing, self.paused = event, None, False
                known = math.isfinite(self.loss) and math.isfinite(event.loss)
                self.loss += (1 - self.SMOOTHING) * (event.loss - self.loss) if known else 0.0
                self.loss = self.loss if known else event.loss
            case events.Eval():
                self.eval = event
                self.curve.append(event.bits_per_byte)
            case events.Sample():
                self.sample = event
            case events.Round():
                self.round = event
            case events.Pause():
                self.paused = True
            case events.Resume():
                self.paused = False
            case events.End():
                self.end = event

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, 100)
        room = options.size.height - 1  # the line below, where the cursor rests
        title = Text(visible(self.name) or "training", style="bold", overflow="ellipsis", no_wrap=True)
        title.truncate(max(8, width - 6), overflow="ellipsis")
        body = self._body(width - 4, options.ascii_only, airy=room >= 18)
        taken = sum(len(console.render_lines(part, options.update(width=width - 4, height=None))) for part in body) + 2
        if self.sample is not None and room - taken >= 3:  # a box of one line at least
            body.append(self._sample_box(console, width - 4, room - taken - 2))
        yield _box(Group(*body), title, width)
        yield Text("")  # the cursor rests on a line of its own: an echoed ^C must not break the panel's last

    def _body(self, width: int, ascii_only: bool, *, airy: bool) -> list[RenderableType]:
        """The panel's parts from top to bottom, all but the sample."""
        gap: list[RenderableType] = [Text("")] if airy else []
        body: list[RenderableType] = []
        if self.start is not None:
            body += [joined(describe(self.start), width, "bright_black"), *gap]
        body += [self._progress(width)]
        if self.eval is not None:
            body += [*gap, self._quality(width, ascii_only)]
        if self.step is not None:
            body += [*([] if self.eval else gap), joined(self._figures(), width, "default"), *gap]
        return body

    def _progress(self, width: int) -> RenderableType:
        """The bar with what is left; before the first step, what is being prepared."""
        if self.step is None or self.preparing is not None:
            message = visible(self.preparing.message) if self.preparing is not None else "Starting"
            share = self.preparing.progress if self.preparing is not None else None
            text = Text(f"{message} …" if share is None else message, no_wrap=True, overflow="ellipsis")
            return text if share is None else _bar(share, f"{share:4.0%}  {message}", width, longest=max(6, width // 3))
        share = self.step.progress
        if self.end is not None:
            share = 1.0 if self.end.reason in ("budget", "converged") else share
            state = "done" if self.end.reason == "budget" else self.end.reason
        elif self.stopping:
            state = "stopping"
        else:
            state = "paused" if self.paused else f"{duration(self.step.eta)} left"
        return _bar(share, f"{share:4.0%}  {state:<12}", width)  # as wide as 1:00:00 left: the bar keeps its length

    def _quality(self, width: int, ascii_only: bool) -> Text:
        assert self.eval is not None
        text = Text.assemble((f"{self.eval.bits_per_byte:.3f}", "bold cyan"), (" bits per byte", "default"))
        room = min(width - text.cell_len - 2, 40)
        if len(self.curve) > 1 and room >= 4 and not ascii_only:
            text.append("  " + sparkline(self.curve, room), style="cyan")
        return text

    def _figures(self) -> list[str]:
        assert self.step is not None
        parts = [f"loss {self.loss:.3f}"]
        if self.eval is not None:
            parts.append(f"held out {self.eval.val_loss:.3f}")
        parts += [f"{count(self.step.tokens_per_second)} tokens/s", f"step {self.step.step}"]
        return [*parts, f"round {self.round.number} of {self.round.count}"] if self.round is not None else parts

    def _sample_box(self, console: Console, width: int, room: int) -> Panel:
        """The newest sample, wrapped, in `room` lines (five at most): always as many: the panel stays."""
        assert self.sample is not None
        text = Text(visible((self.sample.prompt + self.sample.text).strip("\n")).expandtabs(4))
        text.rstrip()
        lines, height = text.wrap(console, width - 4), max(1, min(room, self.SAMPLE_LINES))
        shown = [*lines[:height], *[Text("")] * (height - len(lines))]
        if len(lines) > height:
            shown[-1].rstrip()
            shown[-1].truncate(width - 6)
            shown[-1].append(" …")
        return _box(Text("\n").join(shown), Text(f"step {self.sample.step} writes", style="bright_black"), width)


def describe(start: events.Start) -> list[str]:
    """What is trained, in a few words each: parameters, tokens, where."""
    tokens = f"{start.train.get('tokenizer', 'bpe')} tokens"
    vocabulary = start.model.get("vocab_size")
    parts = [f"{count(start.parameters.get('total', 0))} parameters"]
    parts.append(f"{tokens}, vocabulary {vocabulary:,}" if isinstance(vocabulary, int) else tokens)
    parts.append(start.device)
    stood = start.plan.get("base_bits")
    if start.corpus.get("from_model") and isinstance(stood, float) and math.isfinite(stood):
        parts.append(f"from {start.corpus['from_model']}, which stood at {stood:.2f} bits per byte")
    return [*parts, f"resumed at step {start.resumed_from}"] if start.resumed_from else parts


def sparkline(values: list[float], width: int) -> str:
    """The values as bars of eight heights; where there are more than `width`, each bar is the mean of its share."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    columns = min(width, len(finite))
    edges = [round(column * len(finite) / columns) for column in range(columns + 1)]
    means = [sum(finite[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((mean - low) * scale)] for mean in means)


def joined(parts: list[str], width: int, style: str) -> Text:
    """The parts with dots between them, broken into lines between parts only."""
    lines = [""]
    for part in map(visible, parts):
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if lines[-1] and len(longer) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    return Text("\n".join(lines), style=style, overflow="ellipsis", no_wrap=True)


def _box(body: RenderableType, title: Text, width: int) -> Panel:
    return Panel(body, box=ROUNDED, title=title, title_align="left", border_style="bright_black", width=width)


def _bar(share: float, words: str, width: int, longest: int = 1000) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    room = max(6, min(longest, width - len(words) - 2))
    share = min(1.0, max(0.0, share))
    bar: Any = ProgressBar(total=1.0, completed=share, width=room, complete_style="cyan", finished_style="cyan")
    grid.add_row(bar, Text(words, no_wrap=True, overflow="ellipsis"))
    return grid


def choose_report(*, name: str, json: bool, quiet: bool) -> Report:
    """The report that fits what standard output is. Of several processes of one training, the first alone speaks."""
    if not is_first_process():
        return QuietReport()
    if json:
        return JsonReport(only_end=quiet)
    if quiet:
        return QuietReport()
    return LiveReport(console_on(sys.stdout), name) if is_screen(sys.stdout) else LineReport()
