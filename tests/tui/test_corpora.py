"""The way to a new model, as its user goes it: by keys, on what the screen says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, Static

from engine.errors import BusyError
from engine.training import runs
from engine.training.foresight import Foresight
from engine.training.machine import remember
from engine.training.planner import Machine
from gpt_tui import navigation
from gpt_tui.app import GptTui
from gpt_tui.choosing import planning
from gpt_tui.screens.corpora import CorporaScreen
from gpt_tui.widgets.choice_row import ChoiceRow
from gpt_tui.widgets.choices import ChoicesPanel
from gpt_tui.widgets.corpus_list import CorpusList
from gpt_tui.widgets.file_browser import FileBrowser
from gpt_tui.widgets.plan_panel import PlanPanel
from gpt_tui.widgets.text_facts import TextFacts
from gpt_tui.widgets.text_preview import TextPreview
from gpt_tui.widgets.train_settings import TrainSettings

pytestmark = pytest.mark.asyncio
Started = list[tuple[tuple[str, ...], dict[str, Any]]]


@pytest.fixture(autouse=True)
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files to choose from, where the app is started; and a machine that was measured before."""
    remember(Machine(device="cpu", name="a machine", float32=1e11, bfloat16=1e11))
    seen = Foresight(2.0)  # else a process would count for seconds
    monkeypatch.setattr(planning, "foresee_in_child", lambda _, base: seen._replace(base_bits=1.5) if base else seen)
    folder = tmp_path / "texts"
    (folder / "scenes").mkdir(parents=True)
    (folder / "novel one.txt").write_text("It was a dark night, and nobody slept.\n" * 900)
    (folder / "scenes" / "first.md").write_text("The curtain rises on an empty stage.\n" * 400)
    (folder / "noise.bin").write_bytes(bytes(range(256)) * 20)
    (folder / ".secret.txt").write_text("Nobody shall see this.\n" * 90)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """What trainings were asked for; none begins."""
    asked: Started = []

    def start(*texts: str, **options: Any) -> runs.Run:
        asked.append((texts, options))
        return runs.Run(options.get("name") or "new", None)

    monkeypatch.setattr(runs, "start", start)
    return asked


class Way:
    """The screen as a test sees it."""

    def __init__(self, app: GptTui, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot
        self.opened: list[navigation.Open] = []

    @property
    def screen(self) -> CorporaScreen:
        assert isinstance(self.app.screen, CorporaScreen)
        return self.app.screen

    @property
    def facts(self) -> str:
        return str(self.screen.query_one(TextFacts).content)

    @property
    def preview(self) -> str:
        return self.screen.query_one(TextPreview).text

    @property
    def plan(self) -> str:
        return str(self.screen.query_one(PlanPanel).content)

    async def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        for _ in range(int(seconds / 0.02)):
            if condition():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"never happened; facts: {self.facts!r}, plan: {self.plan!r}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def drop(self, text: str) -> None:
        """Drop something on the terminal, which comes as a paste."""
        (self.screen.focused or self.screen).post_message(events.Paste(text))
        await self.pilot.pause()


def opened(**options: Any) -> Any:
    """The app with the screen open, and the first text looked at; what it may become `foreseen`, or not yet."""

    class Opening:
        async def __aenter__(self) -> Way:
            app = GptTui()
            self._running = app.run_test(size=options.get("size", (150, 40)), notifications=True)
            pilot = await self._running.__aenter__()
            way = Way(app, pilot)
            await pilot.press("f3")
            for _ in range(500):
                if isinstance(app.screen, CorporaScreen) and app.screen.query(TextFacts):
                    break
                await pilot.pause(0.02)
            plan = "bits per byte" if options.get("foreseen", True) else "steps"
            await way.until(lambda: plan in way.plan and "counting" not in way.facts)
            return way

        async def __aexit__(self, *exception: Any) -> None:
            await self._running.__aexit__(*exception)

    return Opening()


def notices(app: GptTui) -> str:
    return " ".join(notification.message for notification in app._notifications)


async def test_the_first_text_is_chosen_and_everything_said_of_it() -> None:
    async with opened() as way:
        assert "Tales" in way.facts and "documents" in way.facts and "The best one to begin with" in way.facts
        assert len(way.preview) > 5000
        assert "parameters" in way.plan and "pieces of words" in way.plan and "of the text" in way.plan
        assert way.screen.query_one("#name", Input).placeholder == "tales"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
async def test_nothing_moves_when_the_quality_is_known(size: tuple[int, int]) -> None:
    async with opened(size=size, foreseen=False) as way:
        assert "is being worked out" in way.plan
        before = way.screen.query_one("#size").region
        await way.until(lambda: "bits per byte" in way.plan)
        assert way.screen.query_one("#size").region == before


async def test_four_keys_from_the_first_to_a_training(started: Started) -> None:
    async with opened() as way:  # F3 was the first
        await way.press("enter", "enter", "enter")
        await way.until(lambda: started)
        texts, options = started[0]
        assert texts == ("tales",)
        assert options == {"device": "auto", "minutes": 2.0, "preset": "auto"}
        await way.until(lambda: not isinstance(way.app.screen, CorporaScreen))
        assert way.app.current_mode == "training"


async def test_choices_change_the_plan_and_what_is_started(started: Started) -> None:
    async with opened() as way:
        before = way.plan
        await way.press("enter", "right", "down", "right", "down", "right")  # 5 minutes, nano, bytes
        await way.until(lambda: "257 bytes" in way.plan)
        assert way.plan != before
        await way.press("up", "up", "9", "0", "ctrl+s")
        await way.until(lambda: started)
        assert started[0][1] == {"device": "auto", "minutes": 90.0, "preset": "nano", "tokenizer": "byte"}


async def test_the_classic_size_comes_with_words_and_gives_them_back() -> None:
    async with opened() as way:
        panel = way.screen.query_one(ChoicesPanel)
        await way.pilot.click("#size", offset=(17, 0))
        await way.until(lambda: panel.preset == "nano")
        await way.press("end")
        await way.until(lambda: panel.tokenizer == "word")
        assert "words" in way.plan
        await way.press("left")
        await way.until(lambda: panel.tokenizer == "bpe")
        await way.press("up", ".", ".")
        words = way.screen.query_one("#words", Static)
        await way.until(lambda: "A number of minutes, please" in str(words.content))
        assert way.screen.query_one(ChoicesPanel).minutes == 2.0


async def test_a_dropped_file_is_the_text(folder: Path, started: Started) -> None:
    async with opened() as way:
        await way.drop(f"'{folder / 'novel one.txt'}' ")
        await way.until(lambda: "novel one.txt" in way.facts and "7,200 words" in way.facts)
        await way.until(lambda: "dark night" in way.preview and "by heart" in way.plan)
        assert way.screen.query_one(CorpusList).highlighted is None
        await way.press("enter", "enter")
        await way.until(lambda: started)
        assert started[0][0] == (str(folder / "novel one.txt"),)


async def test_a_path_on_the_name_line_is_a_text_and_words_are_a_name(folder: Path) -> None:
    async with opened() as way:
        way.screen.query_one("#name").focus()
        await way.until(lambda: way.screen.focused is way.screen.query_one("#name"))
        await way.drop("my tales")
        await way.until(lambda: way.screen.choices.name == "my tales")
        await way.drop(str(folder / "scenes"))
        await way.until(lambda: way.screen.texts == (str(folder / "scenes"),))
        await way.until(lambda: "── first.md ──" in way.preview)
        assert way.screen.choices.name == "my tales"


async def test_a_path_is_typed_and_a_wrong_one_is_named(folder: Path) -> None:
    async with opened() as way:
        await way.press("p", *"nowhere.txt".replace(".", "§"), "enter")
        await way.until(lambda: "no such file or folder" in notices(way.app))
        assert way.screen.texts == ("tales",)
        way.screen.query_one("#path", Input).value = str(folder / "novel one.txt")
        await way.press("enter")
        await way.until(lambda: way.screen.texts == (str(folder / "novel one.txt"),))


async def test_files_are_chosen_by_key_text_first_and_hidden_ones_off(folder: Path) -> None:
    async with opened() as way:
        files = way.screen.query_one(FileBrowser)
        await way.until(lambda: len(files.root.children) == 3)
        assert [node.data.path.name for node in files.root.children if node.data] == [
            "novel one.txt",
            "scenes",
            "noise.bin",
        ]
        await way.press("f", "down")
        await way.until(lambda: "dark night" in way.preview)
        await way.press("down", "down")
        await way.until(lambda: "noise.bin: binary, not text" in way.facts)
        assert "Choose a text" in way.plan
        await way.press("ctrl+s")
        await way.until(lambda: "binary" in notices(way.app))
        await way.press("full_stop")
        await way.until(lambda: len(files.root.children) == 4)


async def test_several_files_and_folders_are_one_text(folder: Path, started: Started) -> None:
    async with opened() as way:
        files = way.screen.query_one(FileBrowser)
        await way.until(lambda: len(files.root.children) == 3)
        await way.press("f", "down", "space", "down", "space", "enter")
        await way.until(lambda: "novel one.txt, scenes" in way.facts and "2 documents" in way.facts)
        await way.press("ctrl+s")
        await way.until(lambda: started)
        assert started[0][0] == (str(folder / "novel one.txt"), str(folder / "scenes"))


async def test_the_folder_above_is_shown_and_remembered(folder: Path) -> None:
    async with opened() as way:
        await way.press("f", "backspace")
        files = way.screen.query_one(FileBrowser)
        await way.until(lambda: files.folder == folder.parent and files.cursor_node is not None)
        await way.until(lambda: files.cursor_node.data.path.name == "texts")
    async with opened() as way:
        assert way.screen.query_one(FileBrowser).folder == folder.parent


async def test_every_setting_can_be_changed_and_a_wrong_one_is_named_under_its_line(started: Started) -> None:
    async with opened() as way:
        settings = way.screen.query_one(TrainSettings)
        await way.press("a", "down", "down", "down")  # family, vocab_size, block_size, n_layer
        await way.pilot.pause()
        assert settings.current.name == "n_layer"
        await way.press("0")
        words = settings.query_one("#setting-words", Static)
        await way.until(lambda: "0 is too small; at least 1." in str(words.content))
        assert "n_layer: 0 is too small" in way.plan
        await way.press("ctrl+s")
        assert not started
        await way.press("backspace", "3")
        await way.until(lambda: "in 3 blocks" in way.plan)
        await way.press("escape", "ctrl+s")
        await way.until(lambda: started)
        assert started[0][1]["settings"] == ["n_layer=3"]


async def test_settings_that_do_not_go_together_are_named_in_both_places() -> None:
    async with opened() as way:
        settings = way.screen.query_one(TrainSettings)
        await way.press("a", "down", "down", "down", "down", "3")
        await way.until(lambda: "3 heads do not divide" in way.plan)
        assert settings.current.name == "n_head"
        words = settings.query_one("#setting-words", Static)
        await way.until(lambda: "divide" in str(words.content))


async def test_a_taken_name_offers_another_or_replaces(store: Path, started: Started) -> None:
    async with opened() as way:
        way.screen.query_one("#name", Input).value = "novel"
        await way.press("ctrl+s")
        await way.until(lambda: len(way.app.screen_stack) > 1)
        await way.press("enter")
        await way.until(lambda: started)
        assert started[0][1]["name"] == "novel-2" and "replace" not in started[0][1]
        await way.press("f3")
        way.screen.query_one("#name", Input).value = "novel"
        await way.press("ctrl+s")
        await way.until(lambda: len(way.app.screen_stack) > 1)
        await way.press("down", "enter")
        await way.until(lambda: len(started) == 2)
        assert started[1][1]["name"] == "novel" and started[1][1]["replace"] is True


async def test_what_was_used_before_and_going_on_from_a_model(store: Path, started: Started) -> None:
    async with opened() as way:
        listed = way.screen.query_one(CorpusList)
        await way.until(lambda: len(listed.texts) == 7)
        assert {"novel", "talk"} <= {text.title for text in listed.texts}
        way.app.post_message(navigation.OpenCorpora(text=str(store / "novel.txt"), from_model="talk"))
        await way.until(
            lambda: way.screen.choices.from_model == "talk" and way.screen.texts == (str(store / "novel.txt"),)
        )
        await way.until(lambda: "in 1 blocks, 32 wide" in way.plan)
        await way.until(lambda: "going on pays: talk stands at 1.50 bits per byte" in way.plan)
        await way.press("ctrl+s")
        await way.until(lambda: started)
        assert started[0][1] == {"device": "auto", "minutes": 2.0, "from_model": "talk"}


async def test_what_ships_is_gone_on_from_unasked_and_scratch_can_be_asked_for(
    store: Path, shipped: Path, started: Started
) -> None:
    copytree(store / "models" / "talk", shipped)
    async with opened() as way:
        base = way.screen.query_one("#base", ChoiceRow)
        await way.until(lambda: "english" in {value.key for value in base.values})
        await way.until(lambda: "going on pays: english stands at 1.50 bits per byte" in way.plan)
        assert "in 1 blocks, 32 wide" in way.plan
        base.focus()
        await way.press("right")
        await way.until(lambda: "going on pays" not in way.plan and "128 wide" in way.plan)
        await way.press("ctrl+s")
        await way.until(lambda: started)
        assert started[0][1] == {"device": "auto", "minutes": 2.0, "from_model": "scratch", "preset": "auto"}


async def test_a_refused_start_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*texts: str, **options: Any) -> runs.Run:
        raise BusyError("tales: a training of that name is going on already. Stop it first, or choose another.")

    monkeypatch.setattr(runs, "start", refuse)
    async with opened() as way:
        await way.press("ctrl+s")
        await way.until(lambda: "going on already" in notices(way.app))
        assert isinstance(way.app.screen, CorporaScreen)


async def test_escape_goes_back_step_by_step() -> None:
    async with opened() as way:
        await way.press("enter", "a")
        await way.until(lambda: way.screen.settings_open)
        await way.press("escape")
        await way.until(lambda: not way.screen.settings_open)
        await way.press("escape")
        await way.until(lambda: way.screen.focused is way.screen.query_one(CorpusList))
        await way.press("escape")
        await way.until(lambda: way.app.current_mode == "library")


async def test_scrolling_reads_further(folder: Path) -> None:
    (folder / "long.txt").write_text("".join(f"This is line {n} of a long text.\n" for n in range(20_000)))
    async with opened() as way:
        await way.drop(str(folder / "long.txt"))
        await way.until(lambda: "This is line 5 " in way.preview)
        assert "This is line 2500 " not in way.preview
        await way.press("t")
        for _ in range(3):
            read = len(way.preview)
            await way.press("end")
            await way.until(lambda read=read: len(way.preview) > read)
        assert "This is line 2500 " in way.preview


async def test_names_that_look_like_markup_or_commands_do_no_harm(folder: Path) -> None:
    odd = folder / "[red]odd[b] \x1b[31m.txt"
    odd.write_text("Nothing [b]bold[/b] here, \x1b[31m nor red.\n" * 200)
    async with opened() as way:
        await way.drop(f"'{odd}'")
        await way.until(lambda: "Nothing [b]bold" in way.preview)
        assert "\x1b" not in way.preview and "\x1b" not in way.facts and "[red]odd" in way.facts


@pytest.mark.parametrize("size", [(40, 15), (80, 24)])
async def test_at_every_size_start_is_reached_by_keys(size: tuple[int, int], started: Started) -> None:
    async with opened(size=size) as way:
        await way.press("enter", "enter")
        start = way.screen.query_one("#start")
        await way.until(lambda: way.screen.focused is start)
        await way.until(lambda: way.app.screen.region.contains_region(start.region) and start.region.height == 1)
        await way.press("enter")
        await way.until(lambda: started)
