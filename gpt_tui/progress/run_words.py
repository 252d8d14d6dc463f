"""A `Look` at a run in the words and figures that the Training screen shows. No Textual of its own, no engine logic."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import fields
from typing import NamedTuple

from engine.config import ModelConfig, TrainConfig
from engine.events import Eval, Start, Step
from engine.training.tickets import State
from gpt_tui.progress.following import Look
from gpt_tui.progress.wording import PARTS, REASONS, against_plan, quality
from gpt_tui.terminal import byte_size, count, duration
from gpt_tui.widgets.childhood import moment_titles
from gpt_tui.widgets.figures import Figure
from gpt_tui.widgets.outcome import NextStep
from gpt_tui.widgets.preparing import Stage
from gpt_tui.widgets.progress_line import Progress
from gpt_tui.widgets.sample_reel import Written

_STATES = {
    State.PREPARING: "preparing",
    State.TRAINING: "training",
    State.PAUSED: "paused",
    State.FAILED: "failed",
    State.DIED: "broken off",
}
_ENDS = {"stopped": "stopped", "diverged": "diverged", "discarded": "discarded"}


def progress_of(look: Look, asked: str = "") -> Progress:
    """How far it is. `asked`: what was asked of it and is not done yet, as `pausing`."""
    state = asked or _STATES.get(look.state) or _ENDS.get(look.report.reason, "done")
    over = not look.report.alive
    share = look.progress if look.step is not None else None
    return Progress(
        name=look.name,
        about=about(look.start) if look.start is not None else "",
        state=state,
        share=share,
        words=_budget_words(look) if look.step is not None else (),
        quiet=over or look.state == State.PAUSED,
    )


def about(start: Start) -> str:
    """What is trained, on what, where."""
    parts = [f"{count(start.parameters.get('total', 0))} parameters"]
    if name := start.corpus.get("name"):
        parts.append(str(name))
    return " · ".join([*parts, start.device.upper() if start.device in ("cpu", "mps") else start.device])


def _budget_words(look: Look) -> tuple[str, ...]:
    assert look.step is not None
    step, budget = look.step, look.start.train if look.start is not None else {}
    elapsed = duration(look.end.seconds if look.end is not None else step.elapsed)
    minutes, steps = budget.get("minutes") or 0.0, budget.get("steps") or 0
    if not look.report.alive:
        return (f"step {(look.end or step).step:,}", f"in {elapsed}")
    time = f"{elapsed} of {duration(60 * minutes)}" if minutes else elapsed
    left = (f"{duration(step.eta)} left",) if math.isfinite(step.eta) else ()
    which = tuple(f"round {one.number} of {one.count}" for one in look.rounds[-1:])
    return (time, *left, *which, _step_words(step, steps))


def _step_words(step: Step, steps: int) -> str:
    if steps:
        return f"step {step.step:,} of {steps:,}"
    if step.progress > 0.03:
        about = step.step / step.progress
        tens = 10 ** max(0, int(math.log10(about)) - 2)
        return f"step {step.step:,} of about {round(about / tens) * tens:,}"
    return f"step {step.step:,}"


def figures_of(look: Look) -> list[Figure]:
    """The numbers, the most important first."""
    if look.step is None:
        return []
    step, last, best = look.step, look.evals[-1] if look.evals else None, look.best
    figures = [
        Figure(_number(last.bits_per_byte, 3) if last else "…", "bits per byte", "$eval-curve"),
        Figure(_number(look.end.bits_per_byte, 3), "best")
        if look.end is not None
        else Figure(_number(best.bits_per_byte, 3) if best else "…", "best so far"),
        Figure(_number(last.val_loss, 3) if last else "…", "held out"),
        Figure(_number(look.loss, 3), "training", "$train-curve"),
        Figure(count(step.tokens_per_second), "tokens/s"),
        Figure(f"{step.lr:.2g}", "learning rate"),
        Figure(_number(step.grad_norm, 2), "gradient norm"),
        Figure(f"{step.epoch:.1f}", "passes"),
        Figure(byte_size(step.memory), "memory"),
    ]
    return figures


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else "?"


def stages_of(look: Look) -> list[Stage]:
    """What was prepared, and is being prepared."""
    stages = [Stage(one.message, one.progress) for one in look.prepared]
    told = look.report.message if look.state == State.PREPARING else ""
    if look.start is not None:
        told = "Taking the first step"
    if told and (not stages or stages[-1].words != told):
        stages.append(Stage(told))
    return stages or [Stage("Starting")]


def written_of(look: Look) -> list[Written]:
    """The samples, each with how good the model was by then."""
    evals, place, found = look.evals, 0, []
    last: Eval | None = None
    for sample in look.samples:
        while place < len(evals) and evals[place].step <= sample.step:
            last, place = evals[place], place + 1
        words = f"{last.bits_per_byte:.2f} bits per byte" if last is not None else ""
        found.append(Written(sample.step, sample.elapsed, sample.prompt, sample.text, words))
    return found


class Told(NamedTuple):
    """How a run that is over came out."""

    title: str
    more: str
    steps: tuple[NextStep, ...]
    bad: bool


COMPOSE = NextStep("c", "write with it", "compose")
CHAT = NextStep("t", "talk with it", "talk")
LIBRARY = NextStep("l", "library", "library")
GO_ON = NextStep("r", "resume it", "go_on")
ANEW = NextStep("F3", "train another", "anew")
UNDO = NextStep("u", "restore it", "bring_back")


def outcome_of(look: Look) -> Told | None:
    """What came out and what can be done next; None while it goes on."""
    report = look.report
    if report.alive:
        return None
    resume = (GO_ON,) if report.resumable else ()
    usable = (COMPOSE, CHAT, LIBRARY) if look.evals or look.end is not None else (LIBRARY,)
    if report.state in (State.FAILED, State.DIED):
        title = report.message or f"{report.name} broke off."
        more = "What it had learned by the last save is kept." if report.resumable else "Nothing was saved of it."
        if report.state == State.FAILED and look.start is None:
            more = "Nothing was changed. Mend that, and begin again."
        return Told(title, more, (*resume, *((*usable,) if report.resumable else (ANEW, LIBRARY))), True)
    if report.reason == "discarded":
        return Told(f"{report.name} was discarded.", "It lies in the trash.", (UNDO, ANEW, LIBRARY), False)
    if look.end is None and not look.evals:
        return Told(report.message or f"{report.name} was stopped.", "", (*resume, ANEW, LIBRARY), False)
    return _good_end(look, resume, usable)


def _good_end(look: Look, resume: tuple[NextStep, ...], usable: tuple[NextStep, ...]) -> Told:
    end, best = look.end, look.best
    reason = end.reason if end is not None else look.report.reason
    bits = end.bits_per_byte if end is not None else best.bits_per_byte if best is not None else math.nan
    verb = {"stopped": "was stopped", "diverged": "diverged"}.get(reason, "is trained")
    title = f"{look.name} {verb}: {_number(bits, 2)} bits per byte"
    plan = look.start.plan if look.start is not None else {}
    expected = plan.get("bits_per_byte")
    finished = reason in ("budget", "converged")
    parts = [quality(bits), against_plan(bits, expected if finished and isinstance(expected, float) else None)]
    in_time = look.start is None or look.start.train.get("minutes")
    parts.append("" if reason != "budget" else REASONS["time"] if in_time else REASONS["steps"])
    parts.append(REASONS.get(reason, ""))
    return Told(title, " ".join(filter(None, parts)), (*usable[:2], *resume, *usable[2:]), reason == "diverged")


# For learners


def moments_of(look: Look) -> dict[str, str]:
    """The moments of the model that are kept, by the names that the generator knows them by, each with its title."""
    steps, elapsed = look.columns.step, look.columns.elapsed

    def when(step: int) -> str:
        place = bisect_left(steps, step)
        return duration(elapsed[place]) if place < len(steps) else ""

    return moment_titles(look.kept, bool(look.evals), when)


def parts_of(start: Start) -> list[tuple[str, int, str]]:
    """The parameters by part, and what each part does; parts that this model has not are left out."""
    counts = start.parameters
    return [(name, counts[name], words) for name, words in PARTS if counts.get(name)]


def settings_of(table: dict[str, object], kind: type[ModelConfig] | type[TrainConfig]) -> dict[str, tuple[object, str]]:
    """The settings that were used, each with its meaning. What says nothing (a budget that was not given) is left
    out."""
    found = {}
    for field in fields(kind):
        if field.name in table and not (field.name in ("minutes", "steps", "epochs") and not table[field.name]):
            found[field.name] = (table[field.name], str(field.metadata["meaning"]))
    return found
