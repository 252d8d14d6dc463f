"""What one sees of a training, in every form: panel, lines, JSON, nothing."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.cells import cell_len
from rich.console import Console

from engine import events
from gpt_tui.commands.display import JsonReport, LineReport, QuietReport, TrainingPanel, sparkline
from gpt_tui.terminal import byte_size, count, duration, visible


def start(**changes: object) -> events.Start:
    fields = {
        "name": "novel",
        "path": "/models/novel",
        "corpus": {},
        "model": {"vocab_size": 2048},
        "train": {"tokenizer": "bpe"},
        "parameters": {"total": 1_234_567},
        "device": "cpu",
        **changes,
    }
    return events.Start(**fields)  # type: ignore[arg-type]


def step(number: int, loss: float = 3.0, **changes: float) -> events.Step:
    fields = {
        "step": number, "tokens": number * 2048, "loss": loss, "lr": 1e-3, "grad_norm": 1.0, "epoch": 1.0,
        "tokens_per_second": 23_412.0, "memory": 10**8, "eta": 75.0, "progress": 0.4, **changes,
    }  # fmt: skip
    return events.Step(**fields)  # type: ignore[arg-type]


def evaluation(number: int, bits_per_byte: float) -> events.Eval:
    return events.Eval(
        step=number, tokens=1, val_loss=3.5, perplexity=33.0, bits_per_byte=bits_per_byte, train_loss=3.0, best=True
    )


def end(reason: str = "budget") -> events.End:
    return events.End(
        reason=reason, name="novel", path="/models/novel", step=500, tokens=1, val_loss=3.5, perplexity=33.0,
        bits_per_byte=2.3, best_step=500, seconds=60.0,
    )  # fmt: skip


def drawn(panel: TrainingPanel, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(panel, end="")
    return captured.get().splitlines()


def panel_in_the_middle() -> TrainingPanel:
    panel = TrainingPanel("novel")
    for event in (start(), step(1, 7.0), evaluation(50, 3.2), step(99), evaluation(100, 2.4)):
        panel.update(event)
    text = "Once upon a time there was a fox who lived by the old gate.\n" * 9
    panel.update(events.Sample(step=100, prompt="Once", text=text))
    return panel


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 15), (120, 50), (40, 12), (60, 8), (24, 24), (20, 5)])
def test_the_panel_fits_every_terminal(width: int, height: int) -> None:
    lines = drawn(panel_in_the_middle(), width, height)
    assert all(cell_len(line) <= width for line in lines)
    if height >= 8:
        assert len(lines) <= height


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 15)])
def test_the_panel_tells_what_matters(width: int, height: int) -> None:
    text = "\n".join(drawn(panel_in_the_middle(), width, height))
    for said in (
        "novel",
        "1.23 M parameters",
        "2,048",
        "cpu",
        "40%",
        "1:15 left",
        "2.400 bits per byte",
        "held out 3.500",
    ):
        assert said in text, said
    assert "23.4 k tokens/s" in text and "█" in text and "step 100 writes" in text and "Once upon" in text


def test_the_panel_tells_which_round_it_is() -> None:
    panel = panel_in_the_middle()
    assert "round" not in "\n".join(drawn(panel, 100, 24))
    panel.update(events.Round(step=100, number=2, count=3))
    assert "round 2 of 3" in "\n".join(drawn(panel, 100, 24))


def test_the_panel_keeps_its_height_whatever_the_sample() -> None:
    panel = panel_in_the_middle()
    before = len(drawn(panel, 80, 24))
    panel.update(events.Sample(step=150, prompt="", text="short"))
    assert len(drawn(panel, 80, 24)) == before


def test_the_panel_tells_what_is_being_prepared() -> None:
    panel = TrainingPanel("novel")
    assert "Starting" in "\n".join(drawn(panel, 40, 15))
    panel.update(events.Prepare(stage="encoding", message="Turning the text into tokens", progress=0.5))
    text = "\n".join(drawn(panel, 80, 15))
    assert "Turning the text into tokens" in text and "50%" in text


def test_a_sample_cannot_command_the_terminal() -> None:
    panel = panel_in_the_middle()
    panel.update(events.Sample(step=200, prompt="\x1b]0;title\x07", text="[bold]not markup[/bold] :smile: \x1b[2J"))
    text = "\n".join(drawn(panel, 80, 24))
    assert "␛]0;title␇[bold]not markup[/bold] :smile: ␛[2J" in text and "\x1b[2J" not in text


def test_a_loss_that_is_no_number_is_shown_and_not_stuck() -> None:
    panel = panel_in_the_middle()
    for loss in (math.nan, 4.0):
        panel.update(step(101, loss))
    assert "loss 4.000" in "\n".join(drawn(panel, 80, 24))


def test_lines_come_at_most_every_ten_seconds_and_with_each_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with LineReport(clock=lambda: now) as report:
        report.show(start())
        for number in range(1, 400):
            now += 0.1
            report.show(step(number))
            if number % 200 == 0:
                report.show(evaluation(number, 2.4))
        report.show(end())
    lines = capsys.readouterr().out.splitlines()
    assert 4 <= len(lines) <= 6
    assert lines[0].startswith("novel: 1.23 M parameters")
    assert sum("bits per byte" in line for line in lines) == 1
    assert not any("\x1b" in line for line in lines)


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonReport() as report:
        for event in (start(), step(1, math.nan), events.Warning(message="small"), end()):
            report.show(event)
    captured = capsys.readouterr()
    objects = [json.loads(line) for line in captured.out.splitlines()]
    assert [item["event"] for item in objects] == ["start", "step", "warning", "end"]
    assert objects[1]["loss"] is None and captured.err == ""


def test_quiet_shows_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with QuietReport() as report:
        for event in (start(), step(1), events.Warning(message="small"), end()):
            report.show(event)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == "gpt-tui: warning: small\n"


def test_a_sparkline_falls_with_its_values() -> None:
    assert sparkline([4.0, 3.0, 2.0], 10) == "█▅▁"
    assert sparkline([2.0, 2.0], 10) == "▁▁"
    assert sparkline([math.nan, 3.0, math.inf, 2.0], 10) == "█▁"
    assert len(sparkline([float(n) for n in range(1000)], 30)) == 30
    assert sparkline([], 10) == sparkline([math.nan], 10) == ""


def test_numbers_as_people_read_them() -> None:
    assert [count(n) for n in (0, 999, 1000, 23_412, 999_999, 1_234_567, 124e6, 2.5e9)] == [
        "0", "999", "1 k", "23.4 k", "1 M", "1.23 M", "124 M", "2.5 G",
    ]  # fmt: skip
    assert byte_size(12) == "12 bytes" and byte_size(1_234_567) == "1.23 MB"
    assert [duration(s) for s in (0, 59.6, 75, 3700)] == ["0:00", "1:00", "1:15", "1:01:40"]
    assert duration(float("nan")) == duration(float("inf")) == "?"  # as a damaged model.toml may say
    assert count(10**400) == "1e+09 G"


def test_control_characters_are_made_visible() -> None:
    assert visible("a\tb\nc") == "a\tb\nc"
    assert visible("\x00\x1b\r\x7f\x9b") == "␀␛␍␡\\x9b"
    assert visible("naïve “quotes” 小説 🙂") == "naïve “quotes” 小説 🙂"
