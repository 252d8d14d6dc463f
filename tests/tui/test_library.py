"""The library: what it shows, what can be done there, and that it keeps up with what happens outside."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from engine import locations
from engine.events import Eval, Sample, Start, Step, to_json
from engine.store import models
from engine.training import runs
from engine.training.tickets import State, Ticket
from gpt_tui import app as app_module
from gpt_tui import navigation, shelf
from gpt_tui.app import GptTui
from gpt_tui.phrases import ago, lasting, without_options
from gpt_tui.screens.library import LibraryScreen
from gpt_tui.widgets.dialogs import Choose
from gpt_tui.widgets.model_columns import MARK, Columns
from gpt_tui.widgets.model_list import ModelList
from gpt_tui.widgets.welcome import Welcome

pytestmark = pytest.mark.asyncio


STEP: dict[str, Any] = {
    "tokens": 1, "loss": 3.0, "lr": 0.1, "grad_norm": 1.0, "tokens_per_second": 9.0, "memory": 1, "epoch": 0.5
}  # fmt: skip


class Stay(GptTui):
    """The app, whose library stays where it is: where one would have gone is noted."""

    CSS_PATH = Path(app_module.__file__).parent / "styles/app.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.went: list[navigation.Open] = []

    def _note(self, message: navigation.Open) -> None:
        message.prevent_default()
        self.went.append(message)

    async def on_open_compose(self, message: navigation.OpenCompose) -> None:
        self._note(message)

    async def on_open_chat(self, message: navigation.OpenChat) -> None:
        self._note(message)

    async def on_open_corpora(self, message: navigation.OpenCorpora) -> None:
        self._note(message)

    async def on_open_training(self, message: navigation.OpenTraining) -> None:
        self._note(message)


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


def the_list(pilot: Pilot[Any]) -> ModelList:
    return pilot.app.screen_stack[0].query_one(ModelList)


def names(pilot: Pilot[Any]) -> list[str]:
    return [item.name for item in the_list(pilot).shown]


def chosen(pilot: Pilot[Any]) -> str | None:
    item = the_list(pilot).item
    return item.name if item is not None else None


async def filled(pilot: Pilot[Any], *expected: str) -> None:
    await until(pilot, lambda: set(expected) <= set(names(pilot)))
    await until(pilot, lambda: the_list(pilot).has_focus)


async def choose(pilot: Pilot[Any], name: str) -> None:
    the_list(pilot).select(name)
    await pilot.pause()


def begin_run(name: str, **status: Any) -> Ticket:
    """A run as its process would tell of it, were there one."""
    ticket = Ticket.new({"texts": ["tales"], "options": {"name": name}}, {"name": name, "message": "Starting"})
    ticket.tell({"name": name, "since": time.time() - 60, "message": "", **status})
    return ticket


@contextmanager
def alive(ticket: Ticket) -> Iterator[None]:
    with ticket.lock():
        yield


def begun_model(name: str, *, progress: float = 0.43) -> Path:
    """A model that is half trained, with its log and a state that can be gone on with."""
    source = locations.models_dir() / "novel"
    folder = models.duplicate("novel", name)
    record = models.read_record(source)
    start = Start(
        name=name, path=str(folder), corpus=record.corpus, model={}, train={}, parameters={"total": 1}, device="cpu"
    )
    evaluation: dict[str, Any] = {"tokens": 1, "val_loss": 3.0, "perplexity": 20.0, "train_loss": 3.0, "best": True}
    log = [
        start,
        Step(elapsed=1.0, step=1, eta=99.0, progress=0.1, **STEP),
        Eval(elapsed=2.0, step=1, bits_per_byte=3.5, **evaluation),
        Eval(elapsed=9.0, step=2, bits_per_byte=2.125, **evaluation),
        Sample(elapsed=9.0, step=2, prompt="On day 1", text=" the dog sang."),
        Step(elapsed=10.0, step=2, eta=68.0, progress=progress, **STEP),
    ]
    (folder / "run/events.jsonl").write_text("".join(to_json(event) + "\n" for event in log), encoding="utf-8")
    unfinish(folder)
    return folder


def unfinish(folder: Path) -> None:
    """Let its training's state say that it is not finished. (Only its head is read before it is gone on with.)"""
    head = json.dumps({"__metadata__": {"state": json.dumps({"finished": False})}}).encode()
    (folder / "run/state.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)


# What it shows


async def test_models_are_listed_with_what_tells_them_apart(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        record = models.read_record(locations.models_dir() / "novel")
        await until(pilot, says(pilot, "Corpus", f"{record.summary['bits_per_byte']:.3f}", "2 models"))
        assert "just now" in screen(pilot) or "min ago" in screen(pilot)


async def test_the_chosen_models_details_stand_beside_the_list(store: Path) -> None:
    async with Stay().run_test(size=(120, 44)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "talk")
        await until(pilot, says(pilot, "bits per byte: at each", "It writes", "42.1 k parameters", "60 steps", "Kept"))
        sample = shelf.read_details(the_list(pilot).item).sample  # type: ignore[arg-type]
        assert sample[0].strip().split()[0] in screen(pilot)


@pytest.mark.parametrize("size", [(160, 50), (80, 24), (40, 15)])
async def test_at_every_size_the_names_and_the_quality_can_be_read(store: Path, size: tuple[int, int]) -> None:
    async with Stay().run_test(size=size) as pilot:
        await filled(pilot, "novel", "talk")
        quality = models.read_record(locations.models_dir() / "novel").summary["bits_per_byte"]
        await until(pilot, says(pilot, "novel", "talk", f"{quality:.3f}"))


async def test_a_damaged_model_says_what_is_wrong_and_can_only_be_deleted(store: Path) -> None:
    path = locations.models_dir() / "novel" / models.RECORD
    path.write_text(path.read_text("utf-8").replace("format = 1", "format = 77"), encoding="utf-8")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await until(pilot, says(pilot, "damaged: its format is 77"))
        await choose(pilot, "novel")
        for key in ("enter", "t", "r", "d", "e", "m"):
            await pilot.press(key)
            await pilot.pause()
        assert pilot.app.went == [] and len(pilot.app.screen_stack) == 1  # type: ignore[attr-defined]
        assert "novel is damaged" in toasts(pilot)
        await pilot.press("x")
        await until(pilot, lambda: names(pilot) == ["talk"])


async def test_names_are_shown_as_they_are(store: Path) -> None:
    models.rename("novel", "[red]new")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "[red]new")
        await choose(pilot, "[red]new")
        await until(pilot, lambda: screen(pilot).count("[red]new") == 2)  # in the list, and beside it


# Going elsewhere


async def test_keys_lead_to_writing_chatting_watching_and_a_new_model(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "talk")
        await pilot.press("enter", "c", "t", "w", "n")
        await pilot.pause()
        went = pilot.app.went  # type: ignore[attr-defined]
        assert [type(message).__name__ for message in went] == [
            "OpenCompose", "OpenCompose", "OpenChat", "OpenTraining", "OpenCorpora"
        ]  # fmt: skip
        assert went[0].model == went[2].model == went[3].name == "talk"


async def test_a_double_click_writes(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await pilot.click(ModelList, offset=(8, names(pilot).index("novel")))
        assert chosen(pilot) == "novel" and pilot.app.went == []  # type: ignore[attr-defined]
        await pilot.double_click(ModelList, offset=(8, names(pilot).index("novel")))
        await pilot.pause()
        assert [message.model for message in pilot.app.went] == ["novel"]  # type: ignore[attr-defined]


async def test_training_on_offers_what_is_possible(store: Path) -> None:
    unfinish(locations.models_dir() / "novel")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "talk")
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        assert pilot.app.screen.query_one(OptionList).option_count == 2
        await pilot.press("down", "enter")
        await until(pilot, lambda: pilot.app.went)  # type: ignore[attr-defined]
        assert pilot.app.went[0].from_model == "talk" and pilot.app.went[0].text is None  # type: ignore[attr-defined]
        await choose(pilot, "novel")
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        assert "Go on" in str(pilot.app.screen.query_one(OptionList).options[0].prompt)


async def test_opening_the_library_for_a_model_chooses_it(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        for name in ("novel", "talk"):
            pilot.app.post_message(navigation.OpenLibrary(name))
            await until(pilot, lambda name=name: chosen(pilot) == name)


# Changing what there is


async def test_a_model_is_renamed_and_stays_chosen(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "novel")
        await pilot.press("r")
        await until(pilot, lambda: pilot.app.screen.query(Input))
        pilot.app.screen.query_one(Input).value = "talk"
        await pilot.press("enter")
        await until(pilot, says(pilot, "called talk already"))
        pilot.app.screen.query_one(Input).value = "annas"
        await pilot.press("enter")
        await until(pilot, lambda: sorted(names(pilot)) == ["annas", "talk"] and chosen(pilot) == "annas")
        assert models.find("annas").is_dir()


async def test_a_copy_is_whole_and_chosen(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "novel")
        await pilot.press("d")
        await until(pilot, lambda: pilot.app.screen.query(Input))
        assert pilot.app.screen.query_one(Input).value == "novel-2"
        await pilot.press("enter")
        await until(pilot, lambda: chosen(pilot) == "novel-2")
        assert (models.find("novel-2") / "weights.safetensors").stat().st_size > 0


async def test_what_is_deleted_comes_back(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "novel")
        await pilot.press("x")
        await until(pilot, lambda: names(pilot) == ["talk"])
        assert "novel is in the trash. u brings it back." in toasts(pilot)
        await pilot.press("u")
        await until(pilot, lambda: chosen(pilot) == "novel")
        assert models.read_record(models.find("novel")).name == "novel"


async def test_what_was_deleted_long_ago_is_offered_from_the_trash(store: Path) -> None:
    models.delete("novel")
    models.delete("talk")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: pilot.app.screen.query_one(Welcome).display)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        assert [str(option.prompt) for option in pilot.app.screen.query_one(OptionList).options] == ["talk", "novel"]
        await pilot.press("down", "enter")
        await until(pilot, lambda: names(pilot) == ["novel"])


async def test_an_export_lies_where_it_was_wished(store: Path, tmp_path: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "novel")
        await pilot.press("e")
        await until(pilot, lambda: pilot.app.screen.query("#folder"))
        pilot.app.screen.query_one("#folder", Input).value = str(tmp_path / "out")
        pilot.app.screen.query_one("#folder", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: "novel" in toasts(pilot), seconds=60)
        assert (tmp_path / "out/novel/config.json").is_file(), toasts(pilot)


# Keeping up with what happens outside


async def test_models_come_and_go_by_themselves_and_the_chosen_one_stays(store: Path) -> None:
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await choose(pilot, "talk")
        models.duplicate("novel", "third")
        await until(pilot, lambda: "third" in names(pilot))
        assert chosen(pilot) == "talk"
        models.delete("novel")
        await until(pilot, lambda: "novel" not in names(pilot))
        assert chosen(pilot) == "talk"


async def test_a_training_is_shown_live_on_top(store: Path) -> None:
    folder = begun_model("learner")
    ticket = begin_run("learner", state=State.TRAINING, folder=str(folder))
    with alive(ticket):
        async with Stay().run_test(size=(120, 40)) as pilot:
            await filled(pilot, "learner", "novel")
            assert names(pilot)[0] == "learner" and names(pilot).count("learner") == 1
            await choose(pilot, "learner")
            await until(pilot, says(pilot, "43%", "2.125", "1:08 left", "It is learning", "the dog sang"))
            with (folder / "run/events.jsonl").open("a", encoding="utf-8") as log:
                log.write(to_json(Step(elapsed=50.0, step=9, eta=30.0, progress=0.75, **STEP)) + "\n")
            await until(pilot, says(pilot, "75%", "0:30 left"))
            await pilot.press("x", "enter")
            await until(pilot, lambda: pilot.app.went)  # type: ignore[attr-defined]
            assert pilot.app.went[0].name == "learner" and folder.is_dir()  # type: ignore[attr-defined]


async def test_a_training_that_is_prepared_says_what_it_does(store: Path) -> None:
    ticket = begin_run("fresh", state=State.PREPARING, message="Reading the text")
    with alive(ticket):
        async with Stay().run_test(size=(120, 30)) as pilot:
            await filled(pilot, "fresh")
            await until(pilot, says(pilot, "Reading the text …"))
            await choose(pilot, "fresh")
            await pilot.press("c")
            await pilot.pause()
            assert "cannot write" in toasts(pilot)


async def test_a_training_that_died_can_be_gone_on_with(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begun_model("learner")
    begin_run("learner", state=State.TRAINING, folder=str(folder))
    resumed: list[str] = []
    monkeypatch.setattr(runs, "resume_run", lambda name: resumed.append(name) or runs.find(name))
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "learner", "novel")
        await until(pilot, says(pilot, "broke off at 43%"))
        await choose(pilot, "learner")
        await until(pilot, says(pilot, "Its training was broken off"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.went)  # type: ignore[attr-defined]
        assert resumed == ["learner"] and pilot.app.went[0].name == "learner"  # type: ignore[attr-defined]


async def test_a_training_that_died_can_be_dismissed_and_its_model_stays(store: Path) -> None:
    folder = begun_model("learner")
    begin_run("learner", state=State.TRAINING, folder=str(folder))
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "learner", "novel")
        await choose(pilot, "learner")
        await pilot.press("x")
        await until(pilot, lambda: all(item.run is None for item in the_list(pilot).shown))
        assert chosen(pilot) == "learner" and folder.is_dir()


async def test_a_training_that_failed_beside_a_model_of_its_name_leaves_that_alone(store: Path) -> None:
    begin_run("novel", state=State.FAILED, error="NameTakenError", message="novel: it is taken. Use --replace then.")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk")
        await until(pilot, lambda: names(pilot).count("novel") == 2)
        assert "failed: it is taken." in screen(pilot) and "--replace" not in screen(pilot)
        await pilot.press("home", "x")
        await until(pilot, lambda: sorted(names(pilot)) == ["novel", "talk"])
        assert models.find("novel").is_dir()


# The list


async def test_words_narrow_the_list_and_escape_shows_all(store: Path) -> None:
    models.duplicate("novel", "third")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk", "third")
        await pilot.press("slash", *"THI", "enter")
        await until(pilot, lambda: names(pilot) == ["third"])
        assert the_list(pilot).has_focus
        await pilot.press("slash", *"xyz")
        await until(pilot, says(pilot, "Nothing here holds these words"))
        await pilot.press("escape")
        await until(pilot, lambda: len(names(pilot)) == 3)
        await pilot.press("slash", *"novel")  # the corpus counts too
        await until(pilot, lambda: sorted(names(pilot)) == ["novel", "third"])


async def test_the_list_is_sorted_by_keys_and_by_clicks_and_stays_so(store: Path) -> None:
    models.duplicate("talk", "a first")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk", "a first")
        await pilot.press("s")
        await until(pilot, lambda: names(pilot) == ["a first", "novel", "talk"])
        await pilot.press("S")
        await until(pilot, lambda: names(pilot) == ["talk", "novel", "a first"])
        columns = Columns.fitting(the_list(pilot).scrollable_content_region.width)
        at = MARK + columns.widths["name"] + 3
        await pilot.click("ListHeading", offset=(at, 0))
        await until(pilot, lambda: the_list(pilot).order == "corpus" and names(pilot)[0] == "novel")
    async with Stay().run_test(size=(120, 30)) as pilot:
        await filled(pilot, "novel", "talk", "a first")
        assert the_list(pilot).order == "corpus"


async def test_very_many_models_are_read_bit_by_bit(home: Path, store: Path) -> None:
    text = (locations.models_dir() / "novel/model.toml").read_text("utf-8")
    for number in range(300):
        folder = locations.models_dir() / f"m{number:03}"
        folder.mkdir()
        (folder / "model.toml").write_text(text, encoding="utf-8")
    async with Stay().run_test(size=(100, 30)) as pilot:
        await filled(pilot, "m299")
        await pilot.press("end")
        await until(pilot, says(pilot, "302 models"), seconds=60)
        assert chosen(pilot) in screen(pilot)  # type: ignore[operator]


# The first model


async def test_an_empty_library_trains_a_first_model_by_enter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def start(*texts: str, **options: Any) -> runs.Run:
        started.append((texts, options))
        return runs.Run("tales", None)

    monkeypatch.setattr(runs, "start", start)
    async with Stay().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: pilot.app.screen.query_one(Welcome).has_focus_within)
        await until(pilot, says(pilot, "Welcome", "2 minutes"))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.went)  # type: ignore[attr-defined]
        assert started == [(("tales",), {"minutes": 2.0, "device": "auto"})]
        assert pilot.app.went[0].name == "tales"  # type: ignore[attr-defined]


@pytest.mark.parametrize("keys", [["tab", "enter"], ["n"]])
async def test_an_empty_library_leads_to_ones_own_text(home: Path, keys: list[str]) -> None:
    async with Stay().run_test(size=(40, 15)) as pilot:
        await until(pilot, lambda: len(pilot.app.screen.focus_chain) == 2)  # both buttons are on the screen
        for key in keys:
            await pilot.press(key)
            if key == "tab":
                await until(pilot, lambda: pilot.app.screen.query_one("#own").has_focus)
        await until(pilot, lambda: pilot.app.went)  # type: ignore[attr-defined]
        assert isinstance(pilot.app.went[0], navigation.OpenCorpora)  # type: ignore[attr-defined]


async def test_the_first_model_takes_the_welcomes_place(home: Path, trained: Path) -> None:
    async with Stay().run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: pilot.app.screen.query_one(Welcome).display)
        import shutil

        shutil.copytree(trained / "models/novel", locations.models_dir() / "novel")
        await filled(pilot, "novel")
        assert not pilot.app.screen.query_one(Welcome).display
        models.delete("novel")
        await until(pilot, lambda: pilot.app.screen.query_one(Welcome).has_focus_within)


async def test_every_key_tells_what_it_does() -> None:
    for binding in [*LibraryScreen.BINDINGS, *ModelList.BINDINGS]:
        assert binding.id and binding.description and binding.tooltip  # type: ignore[union-attr]


async def test_times_in_words() -> None:
    now = 1_800_000_000.0
    passed = (5, 65, 7200, 90_000, 3 * 86_400)
    assert [ago(now - seconds, now) for seconds in passed] == [
        "just now",
        "1 min ago",
        "2 h ago",
        "yesterday",
        "3 days ago",
    ]
    assert all(len(ago(now - 3600.0 * hours, now)) <= 10 for hours in range(0, 20_000, 7)) and ago(0.0) == ""
    assert [lasting(s) for s in (45, 60, 119.8, 12_600)] == ["45 seconds", "1 minute", "2 minutes", "3.5 hours"]
    assert without_options("It is taken. Give another --name. Or wait.") == "It is taken. Or wait."
