"""The training loop: a generator of events.

    for event in train("novel.txt", minutes=5): ...

The loop reads top to bottom in `Trainer.run`. What it decides by (steps, epochs or wall-clock) is the `Budget`'s; what a step computes is
`steps`'; what is kept on disk is `engine.store.checkpoint`'s.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from engine.data.dataset import Batches
from engine.errors import OutOfMemoryError, StorageError
from engine.events import Checkpoint, End, Eval, Event, Pause, Resume, Sample, Start, Step, Warning, to_json
from engine.generation.language_model import LanguageModel
from engine.model.evaluate import Evaluation, evaluate
from engine.store import checkpoint as store
from engine.store.models import write_record
from engine.training.budget import Budget, make_budget
from engine.training.optim import FlatParameters, Optimizer, rate_scale
from engine.training.preparation import Job, Request, prepare, thread_limit
from engine.training.steps import DTYPES, Threads, make_step, memory_used

LOG = "run/events.jsonl"
SAMPLE_TOKENS = 80
LEARNED_BY_HEART = 0.4
"""A held-out loss this much (nats) above the best means that the text is being learned by heart."""


class Control:
    """Requests to a running training from another thread or a signal handler, seen between two steps."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._pause = threading.Event()

    def stop(self) -> None:
        """Save and end."""
        self._stop.set()

    def pause(self) -> None:
        self._pause.set()

    def resume(self) -> None:
        self._pause.clear()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        return self._pause.is_set() and not self.stopping


class Clock:
    """Seconds since the command began; pauses do not count, nor what lay between an interruption and going on."""

    def __init__(self, began: float | None, control: Control) -> None:
        self.began = time.monotonic() if began is None else began
        self.control = control
        self.before = 0.0
        """Seconds that earlier commands gave to the same run."""
        self.paused = 0.0

    def __call__(self) -> float:
        return self.before + time.monotonic() - self.began - self.paused

    def wait(self) -> None:
        """Wait, off the clock, until the training is told to go on or to stop."""
        begun = time.monotonic()
        while self.control.paused:
            time.sleep(0.05)
        self.paused += time.monotonic() - begun


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
    settings: Any = (),
    control: Control | None = None,
    began: float | None = None,
) -> Iterator[Event]:
    """Train a GPT on texts (files, folders, `-`, corpora by name); yields events, the last of them an `End`.

    `settings` are further fields of ModelConfig and TrainConfig, as a mapping or as `KEY=VALUE`; `began` is the `time.monotonic()`
    from which `elapsed` and a budget of minutes count. Interrupted by `control.stop()`, by KeyboardInterrupt or by being closed, it
    saves; `resume=True` with the same name goes on. Raises an `EngineError`.
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
    preparing = prepare(request, clock)
    while True:
        try:
            event = next(preparing)
        except StopIteration as finished:
            job: Job = finished.value
            break
        early.append(event)
        yield event
        if control.stopping:
            preparing.close()
            raise KeyboardInterrupt
    try:
        thread_limit(job.record.train, job.device)
        yield from Trainer(job, control, clock, early).run()
    except torch.OutOfMemoryError:
        half = max(1, job.record.train.batch_size // 2)
        raise OutOfMemoryError(
            f"The {job.device}'s memory does not hold this model with batches of {job.record.train.batch_size}: "
            f"try --set batch_size={half}, or a smaller model."
        ) from None
    finally:
        job.lock.release()


class Trainer:
    """A run's state, which knows how to save itself and to take itself up again, and its loop."""

    def __init__(self, job: Job, control: Control, clock: Clock, early: list[Event]) -> None:
        self.job, self.control, self.clock, self.early = job, control, clock, early
        self.folder, self.model, self.config = job.folder, job.model, job.record.train
        self.flat = FlatParameters(job.model)
        self.optimizer = Optimizer(self.flat, job.model, self.config)
        self.compute = make_step(self.config, job.model, self.flat)
        self.batches = Batches(
            job.tokens.train,
            block_size=job.model.config.block_size,
            batch_size=self.config.batch_size,
            stride=self.config.stride or job.model.config.block_size,
            seed=self.config.seed,
            pin_memory=job.device == "cuda",
        )
        self.budget: Budget = make_budget(self.config, job, clock)
        self.threads = Threads(self.config, job.device)
        self.step = self.tokens = 0
        self.best: Evaluation | None = None
        self.best_step = 0
        self.best_weights: Tensor | None = None
        self.unsaved_best = False
        self.bad_evals = 0
        self.last_loss = math.nan
        self.saved_step = -1
        self.updating = False
        self.text = ""
        self.log: TextIO | None = None

    # ------------------------------------------------------------------ the loop

    def run(self) -> Iterator[Event]:
        """Train until the budget is used, a stop is asked, or nothing more is learned. Yields events."""
        try:
            with contextlib.closing(self._events()) as events:
                for event in events:
                    self._record(event)
                    yield event
        except KeyboardInterrupt:
            self._save_after_interruption()
            raise
        except GeneratorExit:
            self._save_after_interruption()
            raise
        finally:
            if self.log is not None:
                self.log.close()

    def _events(self) -> Iterator[Event]:
        resumed_from = self._take_up()
        self._open_log(resumed_from)
        yield self._start(resumed_from)
        if resumed_from:
            yield Resume(elapsed=self.clock(), step=self.step)
        self.budget.begin(self.step)
        reason, shown = "budget", -math.inf
        while not self.budget.used_up(self.step):
            if self.control.stopping:
                reason = "stopped"
                break
            if self.control.paused:
                yield from self._pause()
                continue
            loss, norm = self._train_step()
            now = self.clock()
            if self.step % 10 == 0 or now - shown > 0.25 or self.step == 1:
                shown = now
                self.last_loss = float(loss)
                if not math.isfinite(self.last_loss):
                    reason = "diverged"
                    break
                yield self._step_event(norm)
            if self.budget.evaluation_due(self.step):
                yield self._evaluate()
                if self.config.patience and self.bad_evals >= self.config.patience:
                    reason = "converged"
                    break
            if self.budget.sample_due(self.step):
                yield self._sample()
            if self.budget.moment_due(self.step):
                yield from self._keep_moment()
            if self.budget.save_due(self.step):
                yield from self._autosave()
        yield from self._finish(reason)

    def _train_step(self) -> tuple[Tensor, Tensor]:
        """One optimizer step; loss (nats per token) and the gradient's norm."""
        accumulate, config = self.config.accumulate, self.config
        self.flat.grad.zero_()
        loss = torch.zeros((), device=self.flat.data.device)
        with self.threads.watching():
            for _ in range(accumulate):
                ids, targets = next(self.batches)
                ids = ids.to(self.job.device, non_blocking=True)
                targets = targets.to(self.job.device, non_blocking=True)
                loss = loss + self.compute(ids, targets)
                self.tokens += ids.numel()
            if accumulate > 1:
                self.flat.grad.div_(accumulate)
            norm = self.flat.clip_gradients(config.grad_clip)
            self.updating = True
            self.rate = rate_scale(config, self.step, self.budget.progress(self.step))
            self.optimizer.step(self.rate)
            self.step += 1
            self.updating = False
        self.budget.stepped(self.step)
        return loss / accumulate, norm

    def _pause(self) -> Iterator[Event]:
        yield from self._autosave()
        yield Pause(elapsed=self.clock(), step=self.step)
        self.clock.wait()
        if not self.control.stopping:
            yield Resume(elapsed=self.clock(), step=self.step)

    # ------------------------------------------------------------------ what it reports

    def _start(self, resumed_from: int) -> Start:
        record = self.job.record
        from engine.config import to_table

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
        return Step(
            elapsed=self.clock(),
            step=self.step,
            tokens=self.tokens,
            loss=self.last_loss,
            lr=self.rate * self.config.learning_rate,
            grad_norm=float(norm),
            tokens_per_second=self.budget.tokens_per_second(self.tokens),
            memory=memory_used(self.job.device),
            eta=self.budget.seconds_left(self.step),
            progress=min(1.0, self.budget.progress(self.step)),
            epoch=self.batches.epoch,
        )

    def _evaluate(self) -> Eval:
        """A quick evaluation on the same windows each time; the best weights so far are kept in memory."""
        found = self._measure(self.budget.quick_windows)
        better = self.best is None or found.loss < self.best.loss
        if better:
            self.best, self.best_step, self.bad_evals = found, self.step, 0
            self.best_weights = self.flat.data.clone()
            self.unsaved_best = True
        else:
            self.bad_evals += 1
        return self._eval_event(found, better)

    def _measure(self, windows: int | None, *, exact: bool = False) -> Evaluation:
        begun = time.monotonic()
        tokens = self.job.tokens
        dtype = None if exact or self.config.dtype == "float32" else DTYPES[self.config.dtype]
        found = evaluate(
            self.model, tokens.heldout, tokens.heldout_bytes, first=tokens.end_of_text, max_windows=windows, dtype=dtype
        )
        self.budget.evaluated(found.tokens, time.monotonic() - begun)
        return found

    def _eval_event(self, found: Evaluation, better: bool) -> Eval:
        return Eval(
            elapsed=self.clock(),
            step=self.step,
            tokens=self.tokens,
            val_loss=found.loss,
            perplexity=found.perplexity,
            bits_per_byte=found.bits_per_byte,
            train_loss=self.last_loss,
            best=better,
        )

    def _sample(self) -> Sample:
        """What the model writes now, from the same words each time."""
        model = LanguageModel(self.model, self.job.tokenizer, documents=self.job.record.corpus["documents"])
        self.text = model.generate(
            self.job.prompt, max_new_tokens=SAMPLE_TOKENS, temperature=0.8, top_p=0.95, seed=self.config.seed
        )
        self.model.train()
        return Sample(elapsed=self.clock(), step=self.step, prompt=self.job.prompt, text=self.text)

    # ------------------------------------------------------------------ what it keeps

    def _keep_moment(self) -> Iterator[Event]:
        try:
            store.save_moment(self.folder, self.model, self.step, self.config.moments)
        except StorageError as error:
            yield Warning(elapsed=self.clock(), message=f"{error} Training goes on.")
            return
        path = self.folder / store.moment(self.step)
        yield Checkpoint(elapsed=self.clock(), step=self.step, kind="moment", path=str(path))

    def _autosave(self) -> Iterator[Event]:
        """Save everything; a full disk is reported, and training goes on: there may be room at the next time."""
        try:
            self.save()
        except StorageError as error:
            self.budget.saved(self.step)
            yield Warning(elapsed=self.clock(), message=f"{error} Training goes on; it is tried again later.")
            return
        yield Checkpoint(elapsed=self.clock(), step=self.step, kind="last", path=str(self.folder / store.STATE))

    def save(self, *, finished: bool = False) -> None:
        """The best weights if they are new, then the state to go on from, then model.toml. Raises `StorageError`."""
        begun = time.monotonic()
        if self.unsaved_best or not (self.folder / store.WEIGHTS).exists():
            flat = self.best_weights if self.best_weights is not None else self.flat.data
            store.save_tensors(self.folder / store.WEIGHTS, {name: self.flat.view(flat, name) for name in self.flat.spans})
            self.unsaved_best = False
        store.save_state(self.folder, self.model, self._tensors(), self._state(finished))
        write_record(self.folder, replace(self.job.record, summary=self._summary()))
        self.saved_step = self.step
        self.budget.saved(self.step, time.monotonic() - begun)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"optimizer.{name}": tensor for name, tensor in self.optimizer.state().items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if self.job.device == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        return tensors

    def _state(self, finished: bool) -> dict[str, Any]:
        best = self.best and {"loss": self.best.loss, "tokens": self.best.tokens, "bytes": self.best.bytes}
        return {
            "step": self.step,
            "tokens": self.tokens,
            "elapsed": self.clock(),
            "batches": self.batches.state(),
            "budget": self.budget.state(),
            "best": best,
            "best_step": self.best_step,
            "bad_evals": self.bad_evals,
            "text": self.text,
            "finished": finished,
        }

    def _take_up(self) -> int:
        """Restore what an earlier process saved; the step that it had reached, 0 for a new run."""
        if self.job.resumed is None:
            return 0
        tensors, state = self.job.resumed
        prefix = "optimizer."
        self.optimizer.restore({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        torch.set_rng_state(tensors["random.cpu"].cpu())
        if self.job.device == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"].cpu())
        self.step, self.tokens = state["step"], state["tokens"]
        self.clock.before = state["elapsed"]
        self.batches.restore(state["batches"])
        self.budget.restore(state["budget"])
        self.best_step, self.bad_evals, self.text = state["best_step"], state["bad_evals"], state["text"]
        if state["best"]:
            from engine.model.evaluate import evaluation

            best = state["best"]
            self.best = evaluation(best["loss"] * best["tokens"], best["tokens"], best["bytes"])
        self.saved_step = self.step
        return self.step

    def _summary(self) -> dict[str, Any]:
        best = self.best
        return {
            "steps": self.step,
            "tokens": self.tokens,
            "seconds": round(self.clock(), 2),
            "epochs": round(self.batches.epoch, 3),
            "best_step": self.best_step,
            "bits_per_byte": best.bits_per_byte if best else None,
            "val_loss": best.loss if best else None,
            "perplexity": best.perplexity if best else None,
            "train_loss": self.last_loss if math.isfinite(self.last_loss) else None,
            "parameters": self.job.record.model.parameter_counts()["total"],
            "device": self.job.device,
            "sample": self.job.prompt + self.text if self.text else None,
        }

    # ------------------------------------------------------------------ the end

    def _finish(self, reason: str) -> Iterator[Event]:
        if reason == "stopped":
            if self.best is None and self.step:
                yield self._evaluate()
            yield from self._autosave()
            yield self._end(reason)
            return
        if reason == "diverged":
            self._return_to_best()
        yield from self._final_evaluation()
        if not self.budget.sampled(self.step):
            yield self._sample()
        if self.config.moments:
            yield from self._keep_moment()
        self.save(finished=reason != "diverged")
        yield Checkpoint(elapsed=self.clock(), step=self.best_step, kind="best", path=str(self.folder / store.WEIGHTS))
        yield self._end(reason)

    def _return_to_best(self) -> None:
        """The last weights are no numbers any more: take the best again, from memory or from disk, if there are any."""
        if self.best_weights is not None:
            self.flat.data.copy_(self.best_weights)
        elif (self.folder / store.WEIGHTS).exists():
            kept = store.load_model(self.folder, "best", self.job.device)
            with torch.no_grad():
                for name, parameter in kept.named_parameters():
                    self.flat.view(self.flat.data, name).copy_(parameter)
        self.step = self.best_step

    def _final_evaluation(self) -> Iterator[Event]:
        """Measure the last weights and, if an earlier moment was better on the quick windows, that one too, on as much of the
        held-out text as the budget allows; the better of the two is kept as best."""
        windows = self.budget.final_windows(self.tokens)
        quick = self.best
        final = self._measure(windows, exact=True)
        earlier = self.best_weights if self.best_step != self.step else None
        if earlier is None and quick is not None and self.best_step != self.step and (self.folder / store.WEIGHTS).exists():
            kept = store.load_model(self.folder, "best", self.job.device)
            earlier = torch.cat([kept.get_parameter(name).detach().reshape(-1) for name in self.flat.spans])
        better = final
        if earlier is not None:
            last = self.flat.data.clone()
            self.flat.data.copy_(earlier)
            better = self._measure(windows, exact=True)
            self.flat.data.copy_(last)
        if earlier is None or final.loss <= better.loss or not math.isfinite(better.loss):
            better, self.best_step, self.best_weights = final, self.step, self.flat.data.clone()
            self.unsaved_best = True
        self.best = better
        yield self._eval_event(better, True)

    def _end(self, reason: str) -> End:
        best = self.best
        messages = {
            "stopped": f"Stopped and saved. Go on with: gpt-tui train --resume --name {self.job.record.name}",
            "converged": "It learned nothing more from this text, so it stopped early.",
            "diverged": "The loss became infinite: the best weights before that are kept. Try a smaller learning_rate.",
        }
        return End(
            elapsed=self.clock(),
            reason=reason,
            name=self.job.record.name,
            path=str(self.folder),
            step=self.step,
            tokens=self.tokens,
            val_loss=best.loss if best else math.nan,
            perplexity=best.perplexity if best else math.nan,
            bits_per_byte=best.bits_per_byte if best else math.nan,
            best_step=self.best_step,
            seconds=self.clock(),
            message=messages.get(reason, ""),
        )

    def _save_after_interruption(self) -> None:
        """Save between two steps; in the middle of an update the weights are neither old nor new, and the last save stands."""
        if not self.updating and self.step > self.saved_step:
            with contextlib.suppress(StorageError):
                self.save()

    # ------------------------------------------------------------------ the log

    def _open_log(self, resumed_from: int) -> None:
        path = self.folder / LOG
        path.parent.mkdir(parents=True, exist_ok=True)
        self.log = path.open("a" if resumed_from else "w", encoding="utf-8")
        if not resumed_from:
            for event in self.early:
                self._record(event)

    def _record(self, event: Event) -> None:
        """Append to the run's log, which the app follows. A full disk must not end a training."""
        if self.log is not None:
            with contextlib.suppress(OSError):
                self.log.write(to_json(event) + "\n")
                self.log.flush()
