"""A training in the foreground: its events shown, the signals heard, its end told."""

from __future__ import annotations

import sys
from typing import Any

from engine import events
from engine.errors import EngineError, PeerError, RequestError
from gpt_tui.commands.display import QuietReport, choose_report
from gpt_tui.commands.interrupts import Interrupts
from gpt_tui.terminal import (
    DONE,
    FAILED,
    INTERRUPTED,
    complain,
    duration,
    has_peers,
    hush,
    is_first_process,
    let_the_first_speak,
    quoted,
    say,
    visible,
)


def run_training(texts: list[str], options: dict[str, Any], *, json: bool, quiet: bool, began: float | None) -> int:
    """Train with the display that fits; returns the exit status.

    `options` are those of `engine.training.trainer.train`. Raises what it raises. Of several processes of one training
    the first speaks; another says only what it alone knows.
    """
    from engine.training.attended import Attended
    from engine.training.control import Control

    control = Control()
    attended = Attended(texts, options, control) if is_first_process() else None
    report = choose_report(name=options.get("name") or "", json=json, quiet=quiet)
    start = end = None
    with Interrupts(control.stop) as interrupts:
        try:
            with report:
                from engine.training.trainer import train  # only now: a second passes in importing torch

                for event in train(*texts, **options, control=control, began=began):
                    start = event if isinstance(event, events.Start) else start
                    end = event if isinstance(event, events.End) else end
                    if attended is not None:
                        attended.note(event)
                    report.stopping = interrupts.heard > 0 or control.stopping
                    try:
                        report.show(event)
                    except OSError as error:  # its reader has left, or the terminal was closed: stop, and save
                        hush()
                        if not isinstance(error, BrokenPipeError):
                            complain(f"standard output takes no more: {error.strerror or error}. Training stops.")
                        report = QuietReport()
                        control.stop()
        except BaseException as error:
            if attended is not None:
                attended.conclude(error)
            if not isinstance(error, KeyboardInterrupt) and interrupts.heard < 2:
                if not is_first_process() and not isinstance(error, RequestError | PeerError):
                    say(str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}")
                if has_peers():  # the signal that ends this one may come before what is wrong has been said
                    interrupts.stay()
                raise  # after a second Ctrl-C, whatever is raised comes of it
            name = start.name if start is not None else None
            complain(f"given up; {_how_to_go_on(name)}" if name else "interrupted before training began.")
            return INTERRUPTED
    if attended is not None and attended.conclude() and end is not None:
        complain(f"discarded, as was asked elsewhere. Bring it back with: gpt-tui restore {quoted(end.name)}")
        return INTERRUPTED
    return _conclude(end, json=json, quiet=quiet) if end is not None else INTERRUPTED


def _conclude(end: events.End, *, json: bool, quiet: bool) -> int:
    """Tell how it ended, and what to do next; returns the exit status."""
    if not is_first_process():
        status = {"stopped": INTERRUPTED, "diverged": FAILED}.get(end.reason, DONE)
        if status != DONE:
            let_the_first_speak()
        return status
    if end.reason == "stopped":
        complain(f"stopped at step {end.step:,}; {_how_to_go_on(end.name)}")
        return INTERRUPTED
    if end.reason == "diverged":
        complain(end.message or f"{end.name}: training diverged at step {end.step:,}; try a lower learning rate.")
        return FAILED
    if not json:
        early = ", as more passes would only teach it by heart" if end.reason == "converged" else ""
        took = f"in {duration(end.seconds)}{early}"
        print(visible(f"{end.name}: {end.bits_per_byte:.3f} bits per byte after {end.step:,} steps {took}."))
        if not quiet:
            print(visible(f"It lies in {end.path}"))
            print(visible(f'Write with it: gpt-tui generate {quoted(end.name)} "Once upon a time"'))
        sys.stdout.flush()
    return DONE


def _how_to_go_on(name: str) -> str:
    return f"go on with: gpt-tui train --resume --name {quoted(name)}"
