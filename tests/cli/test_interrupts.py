"""Signals while something runs in the foreground."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from gpt_tui.commands.interrupts import Interrupts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no such signals")


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Who heard a signal, in order; `others` do outside. What was set before is set again."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    heard: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append("others"))
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_are_heard_within_and_given_back(heard: list[str]) -> None:
    with Interrupts(lambda: heard.append("ours")):
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == ["ours", "others"]


def test_who_has_last_words_to_say_goes_on_hearing_them(heard: list[str]) -> None:
    with Interrupts(lambda: heard.append("ours")) as interrupts:
        interrupts.stay()
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == ["ours"]
