"""The training loop: a generator of events.

    for event in train("novel.txt", minutes=5): ...

The loop reads top to bottom in `Trainer._events`. What it decides by, minutes or steps, is the budget's; what changes
and is kept is the state's; what a step computes is in `worker` and `steps`. Under torchrun, one process of several has
this loop, and the others follow it.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from engine.config import to_table
from engine.errors import OutOfMemoryError, StorageError
from engine.events import Checkpoint, End, Eval, Event, Pause, Resume, Round, Sample, Start, Step, Warning, to_json
from engine.files import ends_in_a_line, storage_error
from engine.generation.language_model import LanguageModel
from engine.model.evaluate import Evaluation
from engine.store import checkpoint as store
from engine.training import bigrams, handover
from engine.training.control import Clock, Control
from engine.training.log import LOG
from engine.training.parallel import RankLost, Ranks
from engine.training.preparation import Job, Request, prepare, use_machine
from engine.training.state import TrainingState
from engine.training.steps import DTYPES, memory_used
from engine.training.worker import Worker

SAMPLE_TOKENS = 80
SHOWN_SECONDS = 0.25
"""Steps are reported at least this often, and at least every ten."""


def train(
    *texts: str | Path,
    name: str | None = None,
    replace: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    preset: str = "auto",
    tokenizer: str | None = None,
    vocab_size: int | None = None,
    device: str = "auto",
    seed: int | None = None,
    from_model: str | None = None,
    resume: bool = False,
    settings: Sequence[str] | Mapping[str, Any] = (),
    control: Control | None = None,
    began: float | None = None,
) -> Iterator[Event]:
    """Train a GPT on texts (files, folders, `-`, corpora by name); yields events, the last of them an `End`.

    `settings` are further fields of ModelConfig and TrainConfig, as a mapping or as `KEY=VALUE`; `began` is the
    `time.monotonic()` from which `elapsed` and a budget of minutes count. Interrupted by `control.stop()`, by
    KeyboardInterrupt or by being closed, it saves; `resume=True` with the same name goes on. Raises an `EngineError`.

    Started by torchrun, all its processes train one model together, of which `batch_size` is one batch; the first
    yields the events, the others the `End` alone.
    """
    request = Request(
        texts=tuple(str(text) for text in texts),
        name=name,
        replace=replace,
        minutes=minutes,
        steps=steps,
        epochs=epochs,
        preset=preset,
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        device=device,
        seed=seed,
        from_model=from_model,
        resume=resume,
        settings=settings,
    )
    control = control or Control()
    clock = Clock(began, control)
    early: list[Event] = []
    with Ranks.from_environment() as ranks:
        if ranks.first:
            job = yield from _prepared(request, control, clock, early, ranks)
            handover.give(job, ranks, control)
        else:
            job = handover.take(ranks, control)
        try:
            yield from _trained(job, control, clock, early, ranks)
        finally:
            job.lock.release()


def _trained(job: Job, control: Control, clock: Clock, early: list[Event], ranks: Ranks) -> Iterator[Event]:
    """This process's part in training a settled job."""
    try:
        use_machine(job, ranks)
        ranks.join(job.device)
        state = TrainingState(job, clock, ranks)
        worker = Worker(job, state, ranks, control)
        yield from Trainer(job, control, clock, early, state, worker).run() if ranks.first else worker.follow()
    except torch.OutOfMemoryError:
        half = max(1, job.record.train.batch_size // 2)
        share = " --set sharded=on," if ranks.several and not job.sharded else ""
        raise OutOfMemoryError(
            f"The {job.device}'s memory does not hold this model with batches of {job.record.train.batch_size}: "
            f"try{share} --set batch_size={half}, or a smaller model."
        ) from None
    except RankLost as error:
        saved = (job.folder / store.STATE).exists()
        advice = f"Go on with: gpt-tui train --resume --name {job.record.name}." if saved else "Nothing is saved yet."
        raise RankLost(f"{error} {advice}") from error


def _prepared(
    request: Request, control: Control, clock: Clock, early: list[Event], ranks: Ranks
) -> Generator[Event, None, Job]:
    """Yield what preparing reports, noted in `early` for the log; returns the job. A stop before there is one is an
    interruption."""
    preparing = prepare(request, clock, ranks)
    while True:
        try:
            event = next(preparing)
        except StopIteration as finished:
            job: Job = finished.value
            return job
        early.append(event)
        yield event
        if control.stopping:
            preparing.close()
            raise KeyboardInterrupt


class Trainer:
    """One run of a settled job, as its first process sees it: what comes next, what is reported, what is kept."""

    def __init__(
        self, job: Job, control: Control, clock: Clock, early: list[Event], state: TrainingState, worker: Worker
    ) -> None:
        self.job, self.control, self.clock, self.early = job, control, clock, early
        self.state, self.budget, self.worker = state, state.budget, worker
        self.config, self.folder = job.record.train, job.folder
        self.log: TextIO | None = None

    def run(self) -> Iterator[Event]:
        """Train until the budget is used, a stop is asked, or nothing more is learned. Yields events, and keeps them
        in the log."""
        try:
            with contextlib.closing(self._events()) as events:
                for event in events:
                    self._record(event)
                    if isinstance(event, End):
                        self.worker.dismiss(event)
                    yield event
        except (KeyboardInterrupt, GeneratorExit, RankLost) as error:
            self._save_what_is_whole(error)
            if isinstance(error, GeneratorExit):
                self.worker.dismiss(None)
            raise
        finally:
            if self.log is not None:
                with contextlib.suppress(OSError):  # what a full disk did not take
                    self.log.close()

    def _save_what_is_whole(self, error: BaseException) -> None:
        """In the middle of an update the weights are neither old nor new: then the last save stands. So it does where
        a GPU may wait for the lost one for ever, and where a part of the weights is lost with it."""
        stuck = self.worker.broken_off or (isinstance(error, RankLost) and self.job.device == "cuda")
        if not stuck and not self.worker.updating and self.state.step > self.state.saved_step:
            self.worker.take_back()
            with contextlib.suppress(StorageError):
                self.state.save()

    # The loop

    def _events(self) -> Generator[Event, None, None]:
        state, budget = self.state, self.budget
        resumed_from = state.take_up()
        self._open_log(resumed_from)
        yield self._start(resumed_from)
        if resumed_from:
            yield Resume(elapsed=self.clock(), step=state.step)
            if state.rounds.current:
                yield self._round_event()
        if self.config.bigram_steps and not resumed_from and bigrams.fits(self.job.model):
            counts = bigrams.count_bigrams(self.job.tokens.train, self.job.model.config.vocab_size)
            steps, dtype = self.config.bigram_steps, DTYPES[self.config.dtype]
            bigrams.fit_bigrams(state.flat.source, counts, steps, dtype)
        self.worker.begin()
        budget.begin(state.step)
        if self.job.record.corpus.get("from_model") and not state.step:
            yield self._before()
        reason, shown = "budget", -math.inf
        while not budget.used_up(state.step):
            if self.control.stopping:
                reason = "stopped"
                break
            if self.control.paused:
                yield from self._pause()
                continue
            begun = state.rounds.current
            loss, norm = self.worker.step()
            budget.stepped()
            if state.rounds.current > begun:
                yield self._round_event()
            now = self.clock()
            if state.step % 10 == 0 or now - shown > SHOWN_SECONDS or state.step == 1:
                shown, state.loss = now, float(loss)
                if not math.isfinite(state.loss):
                    reason = "diverged"
                    break
                yield self._step_event(norm)
            if budget.evaluation_due(state.step):
                yield self._evaluate()
                if self.config.patience and state.bad_evals >= self.config.patience:
                    reason = "converged"
                    break
            if budget.sample_due(state.step):
                yield self._sample()
            if budget.moment_due(state.step):
                yield from self._keep_moment()
            if budget.save_due():
                yield from self._autosave()
        if reason == "budget" and budget.text_is_read(state.step):
            reason = "converged"
        yield from self._finish(reason)

    def _pause(self) -> Iterator[Event]:
        yield from self._autosave()
        yield Pause(elapsed=self.clock(), step=self.state.step)
        self.clock.wait()
        if not self.control.stopping:
            yield Resume(elapsed=self.clock(), step=self.state.step)

    # What it reports

    def _start(self, resumed_from: int) -> Start:
        record = self.job.record
        return Start(
            elapsed=self.clock(),
            name=record.name,
            path=str(self.folder),
            corpus=record.corpus,
            model=to_table(record.model),
            train=to_table(record.train),
            parameters=record.model.parameter_counts(),
            device=self.job.device,
            plan=self.job.plan.to_table(),
            resumed_from=resumed_from,
        )

    def _step_event(self, norm: Tensor) -> Step:
        state, budget = self.state, self.budget
        return Step(
            elapsed=self.clock(),
            step=state.step,
            tokens=state.tokens,
            loss=state.loss,
            lr=self.worker.rate * self.config.learning_rate,
            grad_norm=float(norm),
            tokens_per_second=budget.tokens_per_second(state.tokens),
            memory=memory_used(self.job.device),
            eta=budget.seconds_left(state.step),
            progress=min(1.0, budget.progress(state.step)),
            epoch=state.batches.epoch,
        )

    def _round_event(self) -> Round:
        rounds = self.state.rounds
        return Round(elapsed=self.clock(), step=rounds.first_step, number=rounds.current + 1, count=rounds.count)

    def _evaluate(self) -> Eval:
        """A quick evaluation, on the same windows each time."""
        with self.state.rounds.averaged():
            found = self._measure(self.budget.quick_windows, exact=False)
            better = self.state.consider(found)
        return self._eval_event(found, better)

    def _before(self) -> Eval:
        """How the model did that is gone on from: what comes must be better to be kept."""
        stood = self.job.stood
        if stood is None or stood.windows != self.budget.quick_windows:
            return self._evaluate()
        return self._eval_event(stood.found, self.state.consider(stood.found))

    def _measure(self, windows: int, *, exact: bool) -> Evaluation:
        """Evaluate the weights as they are on that many windows of the held-out text, in float32 when `exact`."""
        begun = time.monotonic()
        found = self.worker.evaluate(windows, exact=exact)
        self.budget.evaluated(found.tokens, time.monotonic() - begun)
        return found

    def _eval_event(self, found: Evaluation, better: bool, step: int | None = None) -> Eval:
        """Of the weights after `step` steps; without it, of those that there are now."""
        now = self.state.step
        step = now if step is None else step
        return Eval(
            elapsed=self.clock(),
            step=step,
            tokens=self.state.tokens * step // max(now, 1),
            val_loss=found.loss,
            perplexity=found.perplexity,
            bits_per_byte=found.bits_per_byte,
            train_loss=self.state.loss,
            best=better,
        )

    def _sample(self) -> Sample:
        """What the model writes now, from the same words each time."""
        job, begun = self.job, time.monotonic()
        options: dict[str, Any] = {"temperature": 0.8, "top_p": 0.95, "seed": self.config.seed}
        with self.state.rounds.averaged():
            model = LanguageModel(self.state.flat.gathered(), job.tokenizer, documents=job.record.corpus["documents"])
            self.state.text = model.generate(job.prompt, max_new_tokens=SAMPLE_TOKENS, **options)
        job.model.train()
        self.budget.sample_took(time.monotonic() - begun)
        return Sample(elapsed=self.clock(), step=self.state.step, prompt=job.prompt, text=self.state.text)

    # What it keeps

    def _keep_moment(self) -> Iterator[Event]:
        step, begun = self.state.step, time.monotonic()
        try:
            with self.state.rounds.averaged():
                store.save_moment(self.folder, self.state.flat.tensors(), step, self.config.moments)
        except StorageError as error:
            yield Warning(elapsed=self.clock(), message=f"{error} Training goes on.")
            return
        self.budget.moment_took(time.monotonic() - begun)
        yield Checkpoint(elapsed=self.clock(), step=step, kind="moment", path=str(self.folder / store.moment(step)))

    def _autosave(self) -> Iterator[Event]:
        """Save everything; a full disk is reported, and training goes on: there may be room at the next time."""
        try:
            self.state.save()
        except StorageError as error:
            self.budget.saved()
            yield Warning(elapsed=self.clock(), message=f"{error} Training goes on; it is tried again later.")
            return
        yield Checkpoint(elapsed=self.clock(), step=self.state.step, kind="last", path=str(self.folder / store.STATE))

    # The end

    def _finish(self, reason: str) -> Iterator[Event]:
        state = self.state
        if reason == "stopped":
            if state.best is None and state.step:
                yield self._evaluate()
            yield from self._autosave()
            yield self._end(reason)
            return
        if reason == "diverged" and state.bring_best():
            state.rounds.forget()
            state.flat.swap_best()
            state.flat.keep_best()  # the last weights are no numbers any more
            state.step = state.best_step
        state.rounds.end(self.budget.progress(state.step))
        yield from self._final_evaluation()
        if not self.budget.sampled(state.step):
            yield self._sample()
        self._save_result()
        if self.config.moments:
            yield from self._keep_moment()
        yield Checkpoint(elapsed=self.clock(), step=state.best_step, kind="best", path=str(self.folder / store.WEIGHTS))
        yield self._end(reason)

    def _save_result(self) -> None:
        """Save for good. Where the disk is full the earlier moments make room: the result is worth more than they."""
        try:
            self.state.save(finished=True)
        except StorageError:
            store.drop_moments(self.folder)
            self.state.save(finished=True)

    def _final_evaluation(self) -> Iterator[Event]:
        """Measure the last weights and, if an earlier moment was better on the quick windows, that one too, on as
        much of the held-out text as the budget allows; the better of the two is kept as best."""
        state = self.state
        earlier = state.best_step != state.step and state.bring_best()
        windows, exact = self.budget.final(state.tokens, 2 if earlier else 1)
        found = self._measure(windows, exact=exact)
        if earlier:
            state.flat.swap_best()
            try:
                before = self._measure(windows, exact=exact)
            finally:
                if not self.worker.broken_off:
                    state.flat.swap_best()
            if before.loss < found.loss:
                state.best = before
                yield self._eval_event(found, False)
                yield self._eval_event(before, True, state.best_step)
                return
        state.keep_as_best(found)
        yield self._eval_event(found, True)

    def _end(self, reason: str) -> End:
        state = self.state
        best = state.best
        messages = {
            "stopped": f"Stopped and saved. Go on with: gpt-tui train --resume --name {self.job.record.name}",
            "converged": "More passes would only teach it this text by heart, so it stopped early.",
            "diverged": "The loss became infinite: the best weights before that are kept. Try a smaller learning_rate.",
        }
        return End(
            elapsed=self.clock(),
            reason=reason,
            name=self.job.record.name,
            path=str(self.folder),
            step=state.step,
            tokens=state.tokens,
            val_loss=best.loss if best else math.nan,
            perplexity=best.perplexity if best else math.nan,
            bits_per_byte=best.bits_per_byte if best else math.nan,
            best_step=state.best_step,
            seconds=self.clock(),
            message=messages.get(reason, ""),
        )

    # The log

    def _open_log(self, resumed_from: int) -> None:
        path = self.folder / LOG
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.log = path.open("a" if resumed_from else "w", encoding="utf-8")
            if resumed_from and not ends_in_a_line(path):  # its process was killed
                self.log.write("\n")
        except OSError as error:
            raise storage_error(path, error) from error
        if not resumed_from:
            for event in self.early:
                self._record(event)

    def _record(self, event: Event) -> None:
        """Append to the run's log, which the app follows. A full disk must not end a training."""
        if self.log is not None:
            with contextlib.suppress(OSError):
                self.log.write(to_json(event) + "\n")
                self.log.flush()
