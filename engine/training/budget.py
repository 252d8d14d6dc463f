"""What a run may use, minutes or steps, and when within it to evaluate, sample and save.

A budget of minutes is wall-clock from the command's start, so everything is fitted to the clock: the learning rate,
the intervals, and what is set aside for the final evaluation. A budget of steps or epochs depends on no clock where
the weights or the choice of the best depend on it, so that the same run ends the same on any day.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from engine.config import TrainConfig

EVALUATIONS = 24
SAMPLES = 12
EARLIEST_MOMENT = 0.01
SAVE_SECONDS = 30.0
DEAREST = 25
"""An evaluation, a sample, a moment: each comes again after so many times what it took at the soonest."""
QUICK_TOKENS = 2**15
LARGEST_FINAL_TOKENS = 2**21
FINAL_SHARE, FINAL_WINDOWS, FINAL_MOST = 0.03, 64, 0.05
"""Of a budget of minutes, for the final evaluation; more, up to the last of these, where it takes that for so many
windows. Fewer are a poor measure: of tiny shakespeare, tales and two novelists a choice of sixteen, evenly spread,
stood 1.9% off the whole held-out text, of thirty-two 1.1% and of sixty-four 0.5% (standard deviations)."""
ALMOST_ALL = 0.65
"""So large a part of the held-out text is no saving worth the error."""
EXACT_COST = 2.2
"""What an evaluation in float32 costs where one in bfloat16 costs 1: in half the time twice the windows tell more than
digits do that are 0.0001 bits per byte off."""
EXIT_SECONDS = 0.35
"""What a process needs to write its last files and to end."""


class Final(NamedTuple):
    """How the weights are measured at the end: on how many windows of the held-out text, and whether in float32."""

    windows: int
    exact: bool


class Budget(Protocol):
    """Asked by the trainer between two steps."""

    quick_windows: int

    def begin(self, step: int) -> None: ...
    def stepped(self) -> None: ...
    def used_up(self, step: int) -> bool: ...
    def text_is_read(self, step: int) -> bool: ...
    def progress(self, step: int) -> float: ...
    def seconds_left(self, step: int) -> float: ...
    def tokens_per_second(self, tokens: int) -> float: ...
    def evaluation_due(self, step: int) -> bool: ...
    def evaluated(self, tokens: int, seconds: float) -> None: ...
    def final(self, tokens: int, candidates: int) -> Final: ...
    def sample_due(self, step: int) -> bool: ...
    def sampled(self, step: int) -> bool: ...
    def sample_took(self, seconds: float) -> None: ...
    def moment_due(self, step: int) -> bool: ...
    def moment_took(self, seconds: float) -> None: ...
    def save_due(self) -> bool: ...
    def saved(self, seconds: float = 0.0) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


def make_budget(
    config: TrainConfig, clock: Callable[[], float], block: int, heldout_tokens: int, windows: int
) -> Budget:
    """The budget that a config asks for. `block` is the block size, `windows` how many make an epoch."""
    heldout = math.ceil(heldout_tokens / block)
    per_epoch = windows / (config.batch_size * config.accumulate)
    if config.budget == "minutes":
        most = math.ceil(config.most_epochs * per_epoch) if config.most_epochs else None
        return MinutesBudget(config, clock, block, heldout, most)
    steps = config.steps or math.ceil(config.epochs * per_epoch)
    return StepsBudget(config, clock, block, heldout, max(1, steps))


class _Common:
    """What both budgets share: the speed, the saves, and the moments, spread evenly on a logarithmic scale of
    progress."""

    def __init__(self, config: TrainConfig, clock: Callable[[], float], block: int, windows: int) -> None:
        self.config, self.clock, self.block, self.windows = config, clock, block, windows
        self.quick_windows = min(windows, max(8, QUICK_TOKENS // block))
        self.last_sample = -1
        self.moments_kept = 0
        self.save_seconds = 0.0
        self.last_save = self.started = 0.0
        self.recent: list[tuple[float, int]] = []

    def begin(self, step: int) -> None:
        self.last_save = self.started = self.clock()

    def stepped(self) -> None:
        pass

    def tokens_per_second(self, tokens: int) -> float:
        """Over the last seconds, what is between the steps included."""
        now = self.clock()
        self.recent.append((now, tokens))
        while len(self.recent) > 2 and now - self.recent[0][0] > 5.0:
            self.recent.pop(0)
        then, before = self.recent[0]
        if now <= then:
            return 0.0
        return (tokens - before) / (now - then)

    def sampled(self, step: int) -> bool:
        return self.last_sample == step

    def sample_took(self, seconds: float) -> None:
        pass

    def moment_took(self, seconds: float) -> None:
        pass

    def text_is_read(self, step: int) -> bool:
        """Whether the run ends because more passes over the text would teach nothing."""
        return False

    def progress(self, step: int) -> float:
        raise AssertionError("each budget measures its own progress")

    def moment_due(self, step: int) -> bool:
        """Kept at a hundredth of the way, and from there in equal ratios; the last moment is kept at the end."""
        count = self.config.moments
        if not count or step == 0:
            return False
        wanted = EARLIEST_MOMENT ** (1 - self.moments_kept / max(1, count - 1))
        if self.moments_kept >= count - 1 or self.progress(step) < wanted:
            return False
        self.moments_kept += 1
        return True

    def save_due(self) -> bool:
        return self.clock() - self.last_save > max(SAVE_SECONDS, 40 * self.save_seconds)

    def saved(self, seconds: float = 0.0) -> None:
        self.last_save = self.clock()
        self.save_seconds = max(self.save_seconds, seconds)

    def state(self) -> dict[str, Any]:
        return {"quick_windows": self.quick_windows, "moments_kept": self.moments_kept, "last_sample": self.last_sample}

    def restore(self, state: dict[str, Any]) -> None:
        self.quick_windows, self.moments_kept = state["quick_windows"], state["moments_kept"]
        self.last_sample = state["last_sample"]


class StepsBudget(_Common):
    """A number of steps: nothing that the weights depend on depends on the clock."""

    def __init__(self, config: TrainConfig, clock: Callable[[], float], block: int, windows: int, steps: int) -> None:
        super().__init__(config, clock, block, windows)
        self.total = steps
        self.eval_interval = config.eval_interval or max(1, round(steps / EVALUATIONS))
        self.sample_interval = config.sample_interval or max(1, round(steps / SAMPLES))
        early = {max(1, round(steps * share)) for share in (0.005, 0.01, 0.02, 0.03)}
        self.early = early if not config.eval_interval else set()
        self.first_step = 0

    def begin(self, step: int) -> None:
        super().begin(step)
        self.first_step = step

    def used_up(self, step: int) -> bool:
        return step >= self.total

    def progress(self, step: int) -> float:
        return step / self.total

    def seconds_left(self, step: int) -> float:
        done = step - self.first_step
        return (self.clock() - self.started) / max(1, done) * (self.total - step)

    def evaluation_due(self, step: int) -> bool:
        return step % self.eval_interval == 0 or step in self.early

    def evaluated(self, tokens: int, seconds: float) -> None:
        pass

    def final(self, tokens: int, candidates: int) -> Final:
        """All of the held-out text, unless it is so large that reading it would cost a good part of the training."""
        affordable = min(LARGEST_FINAL_TOKENS, max(2 * QUICK_TOKENS, tokens // 8))
        return Final(min(self.windows, max(1, affordable // self.block)), exact=True)

    def sample_due(self, step: int) -> bool:
        if step % self.sample_interval:
            return False
        self.last_sample = step
        return True


class MinutesBudget(_Common):
    """Wall-clock seconds from the command's start; evaluations are dense at first, when much changes, and take a few
    hundredths. A text that is read `most_steps` before the time is up ends the run: the rate falls for that end."""

    def __init__(
        self, config: TrainConfig, clock: Callable[[], float], block: int, windows: int, most_steps: int | None = None
    ) -> None:
        super().__init__(config, clock, block, windows)
        self.most_steps = most_steps
        self.total = 60 * config.minutes
        self.exact_cost = 1.0 if config.dtype == "float32" else EXACT_COST
        self.origin = -1.0
        self.cost_per_token = self.sample_seconds = self.moment_seconds = 0.0
        self.next_evaluation = self.next_sample = self.next_moment = 0.0
        self.last_step_at = self.slowest_step = 0.0

    def begin(self, step: int) -> None:
        super().begin(step)
        now = self.clock()
        if self.origin < 0:
            self.origin = now
            self.next_evaluation = now + min(1.0, 0.02 * self.total)
            self.next_sample = now + max(2.0, 0.04 * self.total)
            self.quick_windows = min(self.windows, max(8, int(QUICK_TOKENS / 4) // self.block))
        self.last_step_at = now

    def stepped(self) -> None:
        now = self.clock()
        took = now - self.last_step_at
        self.slowest_step = took if not self.slowest_step else 0.9 * self.slowest_step + 0.1 * took
        self.last_step_at = now

    @property
    def reserve(self) -> float:
        """Seconds that the end needs: the final evaluation, a sample, saving, leaving. Where all of the held-out text
        is soon read, there is time to do it for two weights."""
        final = self.final(0, 1)
        one = self.cost_per_token * (self.exact_cost if final.exact else 1.0) * final.windows * self.block
        evaluation = min(2.5 * one, 1.25 * max(one, self._for_final))
        needed = evaluation + self.sample_seconds + self.moment_seconds
        return min(0.25 * self.total, needed + 2 * self.save_seconds + EXIT_SECONDS)

    @property
    def _for_final(self) -> float:
        """Seconds for the final evaluation at most."""
        enough = self.cost_per_token * FINAL_WINDOWS * self.block
        return self.total * max(FINAL_SHARE, min(FINAL_MOST, enough / self.total))

    def _end(self) -> float:
        return self.total - self.reserve

    def used_up(self, step: int) -> bool:
        """One more step must fit, however slow steps are here; the first is always taken."""
        if self.text_is_read(step):
            return True
        return step > 0 and self.clock() + 0.5 * self.slowest_step >= self._end()

    def text_is_read(self, step: int) -> bool:
        return self.most_steps is not None and step >= self.most_steps

    def progress(self, step: int) -> float:
        by_time = (self.clock() - self.origin) / max(1e-9, self._end() - self.origin)
        return max(by_time, step / self.most_steps) if self.most_steps else by_time

    def seconds_left(self, step: int) -> float:
        left = max(0.0, self.total - self.clock())
        progress = self.progress(step)
        return min(left, (self.clock() - self.origin) * (1 - progress) / progress) if 0 < progress <= 1 else left

    def evaluation_due(self, step: int) -> bool:
        if self.config.eval_interval:
            return step % self.config.eval_interval == 0
        return self.clock() >= self.next_evaluation

    def evaluated(self, tokens: int, seconds: float) -> None:
        self.cost_per_token = seconds / max(tokens, 1)
        now = self.clock()
        interval = min(max(0.2 * (now - self.origin), 0.5), self.total / EVALUATIONS)
        self.next_evaluation = now + max(interval, DEAREST * seconds)

    def final(self, tokens: int, candidates: int) -> Final:
        """All of the held-out text in float32 where the budget's share is enough for that; else as much of it as goes
        into that share, in the type that the steps have, or all where little would be left out."""
        affordable = self._for_final / candidates / max(self.cost_per_token, 1e-12)
        whole = self.windows * self.block
        if self.exact_cost * whole <= affordable and whole <= LARGEST_FINAL_TOKENS:
            return Final(self.windows, exact=True)
        windows = max(8, int(min(affordable, LARGEST_FINAL_TOKENS)) // self.block)
        return Final(self.windows if windows > ALMOST_ALL * self.windows else windows, exact=False)

    def sample_due(self, step: int) -> bool:
        if self.config.sample_interval:
            due = step % self.config.sample_interval == 0
        else:
            due = self.clock() >= self.next_sample
        if due:
            self.next_sample = self.clock() + self.total / SAMPLES
            self.last_sample = step
        return due

    def sample_took(self, seconds: float) -> None:
        self.sample_seconds = seconds
        self.next_sample = max(self.next_sample, self.clock() + DEAREST * seconds)

    def moment_due(self, step: int) -> bool:
        return self.clock() >= self.next_moment and super().moment_due(step)

    def moment_took(self, seconds: float) -> None:
        self.moment_seconds = seconds
        self.next_moment = self.clock() + DEAREST * seconds

    def state(self) -> dict[str, Any]:
        clock = {"origin": self.origin, "next_evaluation": self.next_evaluation, "next_sample": self.next_sample}
        return {**super().state(), **clock, "cost_per_token": self.cost_per_token}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.origin, self.cost_per_token = state["origin"], state["cost_per_token"]
        self.next_evaluation, self.next_sample = state["next_evaluation"], state["next_sample"]
