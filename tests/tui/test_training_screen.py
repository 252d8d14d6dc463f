"""The Training screen: what it shows of a run at each moment of its life, what one can do with it, what is drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_run import FakeRun
from textual.geometry import Size
from textual.pilot import Pilot
from textual.widgets import OptionList
from textual_hires_canvas import TextAlign

from engine.events import End, Pause, Resume, Round, Token
from engine.training import runs
from engine.training.tickets import State, Wish
from gpt_tui import navigation, themes
from gpt_tui.app import GptTui
from gpt_tui.screens.training import TrainingScreen
from gpt_tui.widgets.childhood import Childhood
from gpt_tui.widgets.dot_canvas import FigureCanvas
from gpt_tui.widgets.outcome import Outcome
from gpt_tui.widgets.sample_reel import SampleReel

pytestmark = pytest.mark.asyncio


async def until(pilot: Pilot[Any], holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something to become true, on however busy a machine."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, f"it never came to that; the screen says:\n{screen(pilot)}"
        await pilot.pause(0.02)


def screen(pilot: Pilot[Any]) -> str:
    """What stands on the screen."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


def says(pilot: Pilot[Any], *words: str) -> Callable[[], bool]:
    return lambda: all(word in screen(pilot) for word in words)


def toasts(pilot: Pilot[Any]) -> str:
    return "\n".join(notice.message for notice in pilot.app._notifications)


@contextmanager
def fake(name: str = "demo") -> Iterator[FakeRun]:
    run = FakeRun(name)
    try:
        yield run
    finally:
        run.lock.release()


def app() -> GptTui:
    return GptTui(navigation.OpenTraining())


def panel(pilot: Pilot[Any]) -> Any:
    return pilot.app.screen.query_one("LossPanel")


def dots(pilot: Pilot[Any]) -> int:
    """Cells of the plot in which something is drawn in braille."""
    if not pilot.app.screen.query("LossPanel DotCanvas"):
        return 0
    return sum("\u2800" < character < "\u2900" for row in panel(pilot).plot.canvas._buffer for character in row)


async def choose(pilot: Pilot[Any], name: str) -> None:
    """Choose one of a list, once it is there."""
    await until(pilot, lambda: any(options.option_count for options in pilot.app.screen.query(OptionList)))
    options = pilot.app.screen.query_one(OptionList)
    shown = [str(options.get_option_at_index(place).prompt) for place in range(options.option_count)]
    place = next(place for place, words in enumerate(shown) if name in words)
    for _ in range(place - (options.highlighted or 0)):
        await pilot.press("down")
    await until(pilot, lambda: options.highlighted == place)
    await pilot.press("enter")
    await until(pilot, lambda: len(pilot.app.screen_stack) == 1)


# What it shows


async def test_without_any_training_it_leads_to_the_first(home: Path) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        await until(pilot, says(pilot, "Nothing is being trained", "Train a model"))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "corpora")


async def test_a_run_that_is_prepared_says_what_it_does(home: Path) -> None:
    with fake() as run:
        run.prepare("reading", "Reading the text")
        run.prepare("encoding", "Turning the text into tokens", 0.4)
        async with app().run_test(size=(100, 30)) as pilot:
            await until(
                pilot, says(pilot, "demo", "preparing", "Reading the text", "Turning the text into tokens", "40%")
            )
            run.start()
            run.learn(5)
            await until(pilot, says(pilot, "training", "step 5"))


@pytest.mark.parametrize("size", [(40, 15), (80, 24), (120, 36), (160, 50)])
async def test_a_run_that_learns_shows_how_far_it_is_and_its_curve(home: Path, size: tuple[int, int]) -> None:
    with fake() as run:
        run.start(minutes=2.0)
        run.learn(40)
        run.evaluate(1.9)
        run.write(" there was a gate")
        async with app().run_test(size=size) as pilot:
            await until(pilot, says(pilot, "demo", "40%"))
            await until(pilot, lambda: dots(pilot) > 10)
            run.learn(20)
            await until(pilot, says(pilot, "60%"))
            if size[0] >= 80:
                await until(pilot, says(pilot, "1:02 of 2:00", "0:40 left", "step 60 of about 100", "1.900", "12.4 k"))
                assert says(pilot, "nats per token", "training", "held out", "there was a gate")()


async def test_its_memory_rate_and_norm_are_there(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(10)
        async with app().run_test(size=(120, 36)) as pilot:
            await until(pilot, says(pilot, "0.004", "learning rate", "0.80", "gradient norm", "memory 310 MB", "CPU"))


async def test_what_is_trained_is_told_and_leads_on(store: Path) -> None:
    async with app().run_test(size=(100, 34)) as pilot:
        await until(pilot, says(pilot, "is trained", "bits per byte", "write with it"))
        name = pilot.app.screen.run_shown.name  # type: ignore[attr-defined]
        await pilot.press("2")
        await until(pilot, says(pilot, "step 60"))
        await pilot.press("k")
        await until(pilot, says(pilot, "Where its parameters are", "What the numbers mean"))
        await pilot.press("end")
        await until(pilot, says(pilot, "weight_decay"))
        await pilot.press("l")
        await until(pilot, lambda: pilot.app.current_mode == "library")
        await pilot.press("f4")
        await until(pilot, lambda: pilot.app.current_mode == "training" and name in screen(pilot))


async def test_the_plan_is_held_against_what_came_out(home: Path) -> None:
    with fake() as run:
        run.start(bits_per_byte=1.5)
        run.learn(100)
        run.evaluate(1.9)
        run.log(
            End(
                elapsed=120.0,
                reason="budget",
                name="demo",
                path=str(run.folder),
                step=100,
                tokens=9,
                val_loss=3.8,
                perplexity=40.0,
                bits_per_byte=1.9,
                best_step=100,
                seconds=120.0,
            )
        )
        run.end()
        async with app().run_test(size=(100, 34)) as pilot:
            await until(
                pilot, says(pilot, "demo is trained: 1.90 bits per byte", "Worse than the plan expected (1.50)")
            )


async def test_markup_and_control_characters_of_a_text_are_shown_as_they_are(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(9)
        run.write(" [bold]there[/] [/x] was\x1b[2J a gate")
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "[bold]there[/] [/x] was␛[2J a gate"))
            await pilot.press("2")
            await until(pilot, says(pilot, "[bold]there[/]"))


# What can be done with it


async def test_pause_go_on_stop_and_discard_are_asked_of_the_run(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(9)
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "step 9"))
            await pilot.press("space")
            await until(pilot, lambda: run.ticket.wish() == Wish.PAUSE)
            run.tell(state=State.PAUSED)
            await until(pilot, says(pilot, "paused"))
            await pilot.press("space")
            await until(pilot, lambda: run.ticket.wish() == Wish.RUN)
            run.tell(state=State.TRAINING)
            await until(pilot, lambda: "paused" not in screen(pilot))
            await pilot.press("s")
            await until(pilot, lambda: run.ticket.wish() == Wish.STOP)
            await until(pilot, says(pilot, "stopping"))
            await pilot.press("d")
            await until(pilot, says(pilot, "move what it has learned to the trash?"))
            await pilot.press("y")
            await until(pilot, lambda: run.ticket.wish() == Wish.DISCARD)


async def test_a_stop_while_it_is_prepared_asks_first(home: Path) -> None:
    with fake() as run:
        run.prepare("reading", "Reading the text")
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "Reading the text"))
            await pilot.press("s")
            await until(pilot, says(pilot, "still being prepared. Stop it?"))
            await pilot.press("n")
            assert run.ticket.wish() == Wish.RUN


async def test_a_run_that_died_says_so_and_can_be_gone_on_with(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with fake() as run, fake("second") as second:
        second.prepare("reading", "Reading it again")
        second.die()
        run.start()
        run.learn(9)
        run.save()

        def resume(name: str) -> runs.Run:
            asked.append(name)
            second.lock.acquire()
            return second.run

        monkeypatch.setattr(runs, "resume_run", resume)
        async with GptTui(navigation.OpenTraining("demo")).run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "step 9"))
            run.die()
            await until(pilot, says(pilot, "its process is gone", "resume it"))
            await pilot.press("r")
            await until(pilot, says(pilot, "Reading it again"))
    assert asked == ["demo"]


async def test_a_run_that_failed_says_why(home: Path) -> None:
    with fake() as run:
        run.tell(state=State.FAILED, error="CorpusError", message="/no/such.txt: there is no such file.")
        run.die()
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "failed", "/no/such.txt: there is no such file."))


async def test_it_goes_on_while_one_is_elsewhere(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(9)
        async with app().run_test(size=(120, 36)) as pilot:
            await until(pilot, says(pilot, "step 9"))
            await pilot.press("f3")
            await until(pilot, lambda: pilot.app.current_mode == "corpora")
            run.learn(41)
            run.evaluate(1.7)
            await until(pilot, says(pilot, "demo 50%", "1.70 bits/byte"))  # on top, wherever one is
            await pilot.press("f4")
            await until(pilot, says(pilot, "step 50"))


async def test_its_end_is_told_wherever_one_is(store: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(9)
        async with GptTui().run_test(size=(120, 36)) as pilot:
            await until(pilot, says(pilot, "demo 9%"))
            run.end()
            await until(pilot, lambda: "demo is trained" in toasts(pilot))
            await until(pilot, lambda: "demo 9%" not in screen(pilot))


async def test_another_training_can_be_chosen(store: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(9)
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "step 9"))
            await pilot.press("o")
            await until(pilot, says(pilot, "Trainings", "novel", "talk"))
            await choose(pilot, "novel")
            await until(pilot, says(pilot, "novel is trained"))


# The curve


async def test_the_cursor_reads_values_and_shows_what_was_written_then(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(30)
        run.write(" early words")
        run.learn(60)
        run.write(" late words")
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "late words"))
            await until(pilot, lambda: panel(pilot).has_focus)
            await pilot.press("home")
            await until(pilot, says(pilot, "step 1", "this step", "early words"))
            await pilot.press("end")
            await until(pilot, says(pilot, "step 90", "late words"))
            before = screen(pilot)
            await pilot.press("left")
            await until(pilot, lambda: screen(pilot) != before)
            await pilot.press("escape")
            await until(pilot, lambda: "this step" not in screen(pilot))


async def test_axis_unit_scale_and_part_can_be_changed(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(90)
        run.evaluate(1.9)
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "nats per token", "time →", "whole run", "1:00"))
            await pilot.press("x")
            await until(pilot, says(pilot, "steps →", "80"))
            await pilot.press("x")
            await until(pilot, says(pilot, "tokens read →", "40 k"))
            await pilot.press("y")
            await until(pilot, says(pilot, "bits per byte  "))
            await pilot.press("g")
            await until(pilot, says(pilot, "logarithmic →"))
            await pilot.press("f")
            await until(pilot, says(pilot, "the last 25%"))
            await pilot.press("plus")
            await until(pilot, says(pilot, "the last 12%"))
            await pilot.press("f")
            await until(pilot, says(pilot, "whole run"))


@pytest.mark.parametrize("align", [TextAlign.CENTER, TextAlign.LEFT])
async def test_a_figure_at_the_end_of_an_axis_is_whole(align: TextAlign) -> None:
    canvas = FigureCanvas(12, 1)
    canvas.reset(Size(12, 1))
    canvas.write_text(11, 0, "1:30", align)
    assert "".join(canvas._buffer[0]).rstrip() == ("        1:30" if align == TextAlign.CENTER else "           1")


async def test_pauses_and_samples_are_marked(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(40)
        run.write(" there was")
        run.log(Pause(elapsed=42.0, step=40), Resume(elapsed=42.0, step=40))
        run.learn(40)
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "┊ pause", "▲ sample"))
            await until(pilot, lambda: screen(pilot).count("┊") > 3 and screen(pilot).count("▲") == 2)


async def test_a_round_is_marked_and_told(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(40)
        run.log(Round(elapsed=42.0, step=40, number=2, count=3))
        run.learn(40)
        async with app().run_test(size=(120, 34)) as pilot:
            await until(pilot, says(pilot, "╎ round", "round 2 of 3"))
            await until(pilot, lambda: screen(pilot).count("╎") > 3)


async def test_a_training_that_began_meanwhile_is_shown_when_one_comes_back(store: Path) -> None:
    async with GptTui(navigation.OpenTraining("novel")).run_test(size=(120, 36)) as pilot:
        await until(pilot, says(pilot, "novel is trained"))
        await pilot.press("f3")
        with fake() as run:
            run.start()
            run.learn(9)
            await until(pilot, says(pilot, "demo 9%"))
            await pilot.press("f4")
            await until(pilot, says(pilot, "step 9"))


async def test_another_run_chosen_while_one_is_being_shown(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake() as run:
        run.start()
        run.learn(9)
        tell = Outcome.tell

        async def tell_slowly(outcome: Outcome, *words: Any, **more: Any) -> None:
            await tell(outcome, *words, **more)
            monkeypatch.setattr(Outcome, "tell", tell)
            place = outcome.screen
            assert isinstance(place, TrainingScreen)
            place.begin_following(runs.find("demo"))

        monkeypatch.setattr(Outcome, "tell", tell_slowly)
        async with GptTui(navigation.OpenTraining("novel")).run_test(size=(120, 36)) as pilot:
            await until(pilot, says(pilot, "demo", "step 9"))


async def test_another_model_is_laid_over_and_taken_away(store: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(90)
        run.evaluate(1.9)
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "step 90", "held out"))
            for _ in range(2):
                await pilot.press("v")
                await until(pilot, says(pilot, "Lay over this curve"))
                await choose(pilot, "novel")
                if _ == 0:
                    await until(pilot, says(pilot, "others", "novel"))
            await until(pilot, lambda: "others" not in screen(pilot))


async def test_another_theme_colours_the_curve_too(home: Path) -> None:
    with fake() as run:
        run.start()
        run.learn(60)
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, lambda: dots(pilot) > 10)
            for theme in ("paper", "ink"):
                pilot.app.theme = theme
                wanted = themes.variables(pilot.app.current_theme)["train-curve"].lower()
                await until(pilot, lambda want=wanted: want in "".join(map("".join, panel(pilot).plot.canvas._styles)))


async def test_blocks_are_drawn_where_the_settings_say_so(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "settings.toml").write_text('[app]\nplot = "blocks"\n', encoding="utf-8")
    with fake() as run:
        run.start()
        run.learn(60)
        async with app().run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: pilot.app.screen.query("LossPanel") and says(pilot, "▀▀ training")())
            await until(pilot, lambda: "▀" in "".join(map("".join, panel(pilot).plot.canvas._buffer)))
            assert dots(pilot) == 0


# Samples and childhood


async def test_earlier_samples_are_stepped_back_to(home: Path) -> None:
    with fake() as run:
        run.start()
        for word in ("noise", "words", "prose"):
            run.learn(10)
            run.write(f" {word}")
        async with app().run_test(size=(100, 34)) as pilot:
            await until(pilot, says(pilot, "prose", "3 of 3"))
            await pilot.press("left_square_bracket", "left_square_bracket")
            await until(pilot, says(pilot, "noise", "1 of 3"))
            run.learn(10)
            run.write(" more")
            await until(pilot, lambda: len(pilot.app.screen.query_one(SampleReel).samples) == 4)
            assert says(pilot, "noise", "1 of 4")()  # one who reads is not disturbed
            await pilot.press("2")
            await until(pilot, says(pilot, "noise", "words", "prose", "more"))


class Scripted:
    """A generator that goes on with the name of the moment."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def ready(self, model: str, checkpoint: str = "best", **options: Any) -> Any:
        self.asked.append((model, checkpoint))
        return SimpleNamespace(generate=lambda prompt, **settings: Writing(f" as {checkpoint}"))

    async def close(self) -> None:
        pass


class Writing:
    def __init__(self, text: str) -> None:
        self.left = [[Token(sample=0, id=1, text=text, probability=1.0)]]

    def __aiter__(self) -> Writing:
        return self

    async def __anext__(self) -> list[Token]:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()

    async def aclose(self) -> None:
        pass


async def test_each_moment_of_a_model_writes_from_the_same_words(store: Path) -> None:
    opened = GptTui(navigation.OpenTraining("novel"))
    scripted = Scripted()
    opened.services.generator = scripted  # type: ignore[assignment]
    async with opened.run_test(size=(120, 36)) as pilot:
        await until(pilot, says(pilot, "novel is trained"))
        await pilot.press("4")
        await until(pilot, says(pilot, "Begin with", "are kept"))
        await pilot.press("enter")
        await until(pilot, says(pilot, "the best", "as best"))
        moments = [checkpoint for _, checkpoint in scripted.asked]
        assert moments[-1] == "best" and len(moments) > 2 and moments[:-1] == sorted(moments[:-1], key=int)
        assert says(pilot, f"as {moments[0]}")()
        assert not pilot.app.screen.query_one(Childhood).writing
