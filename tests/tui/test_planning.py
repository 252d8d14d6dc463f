"""What the way to a new model computes: paths that were dropped, a first look at texts, plans, words."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from engine.config import ModelConfig, TrainConfig
from engine.data import census
from engine.data.census import count
from engine.data.preview import PAGE, Preview
from engine.errors import ConfigError, CorpusError
from engine.store import models
from engine.training.foresight import Foresight
from engine.training.planner import Machine, plan
from gpt_tui.choosing import listing, plan_words, planning
from gpt_tui.choosing.dropped import looks_like_paths, paths_in
from gpt_tui.choosing.planning import Choices

MACHINE = Machine(name="a machine", float32=1e11, bfloat16=1e11)


# Paths


@pytest.mark.parametrize(
    "dropped", ["{0}", "'{0}'", '"{0}"', "{1}", "file://{2}", "  {0}  ", "'{0}' ", "{0}\n", "file://localhost{2}"]
)
def test_a_dropped_file_is_found_however_the_terminal_writes_it(tmp_path: Path, dropped: str) -> None:
    path = tmp_path / "my first novel.txt"
    path.write_text("text")
    escaped, url = str(path).replace(" ", "\\ "), str(path).replace(" ", "%20")
    assert paths_in(dropped.format(path, escaped, url)) == ([str(path)], "")


def test_several_dropped_files_are_several_texts(tmp_path: Path) -> None:
    one, two = tmp_path / "one file.txt", tmp_path / "two"
    one.write_text("1")
    two.mkdir()
    both = [str(one), str(two)]
    for text in (f"'{one}' {two}", f"{one}\n{two}\n", f'"{one}" "{two}"', str(one).replace(" ", "\\ ") + f" {two}"):
        assert paths_in(text) == (both, "")


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    paths, problem = paths_in(str(tmp_path / "nowhere.txt"))
    assert paths == []
    assert problem.endswith("nowhere.txt: no such file or folder.")
    assert paths_in("\n") == ([], "Give the path of a file or a folder.")
    assert paths_in("'never closed")[1]


def test_words_are_not_taken_for_paths() -> None:
    assert looks_like_paths("/home/me/a.txt") and looks_like_paths("'~/a b.txt'") and looks_like_paths("file:///a")
    assert looks_like_paths("C:\\texts\\a.txt")
    assert not looks_like_paths("my novel") and not looks_like_paths("novel.txt")


# A first look


def seen(preview: Preview) -> str:
    return "".join(part.text for part in preview.more())


def test_a_preview_reads_no_further_than_it_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("A line of the text.\n" * 20_000)
    preview = Preview([str(path)])
    first = seen(preview)
    assert PAGE <= len(first) <= 2 * PAGE and not preview.ended
    whole = first
    while not preview.ended:
        whole += seen(preview)
    assert whole == path.read_text()


def test_a_preview_decodes_as_the_readers_do(tmp_path: Path) -> None:
    text = "Das Café öffnet früh.\r\nEs schließt spät — sehr spät.\r\n" * 50
    for name, encoding in (("u16", "utf-16"), ("w", "cp1252"), ("u8", "utf-8-sig"), ("u16le", "utf-16-le")):
        path = tmp_path / f"{name}.txt"
        path.write_bytes(text.encode(encoding))
        assert seen(Preview([str(path)])) == text.replace("\r\n", "\n")


def test_a_character_that_is_cut_at_the_heads_end_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "wide.txt"
    path.write_text("x" + "漢字" * 60_000, encoding="utf-8")
    assert "\ufffd" not in seen(Preview([str(path)]))


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (bytes(range(256)) * 40, "binary, not text"), (None, "no such file")]
)
def test_what_is_no_text_is_explained_in_one_line(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "odd.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=words) as caught:
        Preview([str(path)]).more()
    assert "\n" not in str(caught.value)


def test_a_folder_is_previewed_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("First.\n")
    (tmp_path / "b" / "c.txt").write_text("Second.\n")
    (tmp_path / "b" / "picture.png").write_bytes(b"\x89PNG\0\0\0\1" * 9)
    (tmp_path / ".hidden.txt").write_text("Never.\n")
    parts = Preview([str(tmp_path)]).more()
    assert [(part.begins, part.text) for part in parts] == [("a.txt", "First.\n"), ("b/c.txt", "Second.\n")]


def test_counts_of_a_text_of_moderate_size_become_exact(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("The dog and the cat.\n" * 3000)
    *_, last = count([str(path)])
    assert (last.bytes, last.words, last.distinct_words, last.documents) == (63_000, 15_000, 4, 1)
    assert last.exact and last.done


def test_counts_of_what_ships_are_exact() -> None:
    *_, last = count(["letters"])
    assert last.exact and last.documents > 10 and last.words is not None and 15_000 < last.words < 25_000


def test_counts_of_a_large_text_are_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "EXACT", 100_000)
    path = tmp_path / "text.txt"
    path.write_text("".join(f"Line {n} of this long text.\n" for n in range(200_000)))
    found = list(count([str(path)]))
    assert not any(counts.exact for counts in found) and found[-1].done
    assert found[-1].bytes == path.stat().st_size
    assert found[-1].words == pytest.approx(1_200_000, rel=0.05)
    assert found[-1].distinct_words is not None and found[-1].distinct_words > 5000


def test_counting_stops_when_nobody_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("The dog and the cat.\n" * 30_000)
    assert not any(counts.done for counts in count([str(path)], lambda: False))


def test_too_little_text_is_said_as_the_trainer_says_it(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Milk, bread.")
    with pytest.raises(CorpusError, match="too few to learn from"):
        list(count([str(path)]))


# Choices and plans


def test_a_plan_is_the_engines() -> None:
    made = planning.make_plan(1_200_000, MACHINE, Choices(minutes=5))
    assert repr(made) == repr(plan(1_200_000, MACHINE, minutes=5))  # what is not known, nan, equals nothing


def test_the_users_own_settings_win() -> None:
    choices = Choices(settings={"n_layer": "3", "learning_rate": "1e-3", "steps": "50", "device": "cpu"})
    made = planning.make_plan(1_200_000, MACHINE, choices)
    assert (made.model.n_layer, made.train.learning_rate, made.steps) == (3, 1e-3, 50)
    asked = planning.options(choices)
    assert asked["steps"] == 50 and "minutes" not in asked and asked["device"] == "cpu"
    assert asked["settings"] == ["n_layer=3", "learning_rate=1e-3"]


@pytest.mark.parametrize("preset", ["auto", "nano", "small", "medium", "large", "classic"])
@pytest.mark.parametrize("tokenizer", ["bpe", "byte", "word"])
def test_every_size_has_a_plan_in_words(preset: str, tokenizer: str) -> None:
    choices = Choices(preset=preset, tokenizer=tokenizer)
    lines = plan_words.outlook(planning.make_plan(300_000, MACHINE, choices, distinct_words=6000))
    assert "parameters" in lines[0][0] and "steps" in lines[2][0]
    assert not any("nan" in word for line in lines for word in line[:2])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"n_head": "3"}, "n_head: 3 heads do not divide"),
        ({"steps": "5", "epochs": "1"}, "give one budget"),
        ({"steps": "0"}, "steps: 0 is too small"),
        ({"vocab_size": "100"}, "vocab_size: 100 is too small"),
        ({"stride": "4000"}, "stride: "),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        planning.make_plan(1_200_000, MACHINE, Choices(settings=settings))


def test_going_on_from_a_model_keeps_its_shape(store: Path) -> None:
    base = models.read_record(store / "models" / "novel")
    choices = Choices(from_model="novel", preset="large", tokenizer="word", settings={"dropout": "0.1"})
    made = planning.make_plan(50_000, MACHINE, choices, base)
    assert made.model == replace(base.model, dropout=0.1)
    asked = planning.options(choices)
    assert asked["from_model"] == "novel" and "preset" not in asked and "tokenizer" not in asked
    with pytest.raises(ConfigError, match="n_layer: the model that it goes on from"):
        planning.make_plan(50_000, MACHINE, replace(choices, settings={"n_layer": "2"}), base)


def test_left_open_the_plan_is_the_better_of_two(store: Path, shipped: Path) -> None:
    assert not Choices().base
    copytree(store / "models" / "novel", shipped)
    assert Choices().base == str(shipped) and Choices(from_model="novel").base == "novel"
    own_shape = (
        {"preset": "nano"},
        {"tokenizer": "word"},
        {"settings": {"n_layer": "2"}},
        {"settings": {"steps": "9"}},
    )
    for asked in ({"from_model": "scratch"}, *own_shape):
        assert not Choices(**asked).base, asked
    assert Choices(settings={"learning_rate": "1e-3"}).base == str(shipped)
    copytree(store / "models" / "talk", store / "models" / "english")  # another of that name is not meant
    base = planning.base_record(Choices(), {"english": models.read_record(store / "models" / "english")})
    assert base == models.read_record(shipped)
    for stands, shape in ((1.5, base.model.n_embd), (9.0, 128), (math.nan, 128)):
        made = planning.make_plan(50_000, MACHINE, Choices(), base, foreseen=Foresight(2.0, stands))
        assert made.model.n_embd == shape and bool(made.reason) == (stands == 1.5)
    (shipped / models.RECORD).write_text("no record")
    assert planning.base_record(Choices(), {}) is None and "english" in listing.gather()[2]
    assert planning.options(Choices()) == {"device": "auto", "minutes": 2.0, "preset": "auto"}
    assert planning.options(Choices(from_model="scratch"))["from_model"] == "scratch"


def test_every_setting_is_offered_with_its_meaning_and_bounds() -> None:
    offered = {setting.name for setting in planning.settings()}
    fields = set(ModelConfig.__dataclass_fields__) | set(TrainConfig.__dataclass_fields__)
    assert offered == fields - set(planning.CHOSEN_ELSEWHERE)
    for setting in planning.settings():
        assert setting.meaning and setting.bounds, setting.name
    bounds = {setting.name: setting.bounds for setting in planning.settings()}
    assert (
        bounds["n_layer"] == "1 to 256" and bounds["family"] == "gpt2 or qwen3" and bounds["compile"] == "true or false"
    )
    assert bounds["learning_rate"] == "more than 0, at most 1" and bounds["dropout"] == "0 to less than 1"


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("n_layer", "0", "0 is too small; at least 1."),
        ("n_layer", "two", "'two' is not a whole number."),
        ("learning_rate", "5", "5.0 is too large; at most 1.0."),
        ("compile", "perhaps", "'perhaps' is neither true nor false."),
        ("optimizer", "sgd", "'sgd' is none of muon, adamw, adam."),
        ("n_head", "3", ""),
        ("n_layer", "", ""),
        ("n_embd", "1_024", ""),
    ],
)
def test_a_wrong_value_is_named_alone(name: str, text: str, wrong: str) -> None:
    assert planning.setting_problem(name, text) == wrong


def test_minutes_are_read_as_people_write_them() -> None:
    for text, minutes in (("2", 2.0), ("1.5", 1.5), ("1,5", 1.5), ("½", 0.5), ("2½", 2.5), (" 90 ", 90.0)):
        assert planning.minutes_of(text) == minutes
    for text in ("", "x", "0", "-1", "1e9", "nan", "inf", "1.2.3"):
        assert planning.minutes_of(text) is None


def test_names(store: Path) -> None:
    text = store / "novel.txt"
    assert planning.own_name(("tales",)) == "tales"
    assert planning.own_name((str(text),)) == "novel-2"
    assert planning.is_taken("novel") and not planning.is_taken("other") and not planning.is_taken("a/b")
    assert planning.name_problem("a/b") == "A name cannot hold a path, so not 'a/b'."
    assert planning.name_problem("") == "" and planning.name_problem("my novel") == ""


def test_quality_has_words_when_it_is_known() -> None:
    made = planning.make_plan(1_200_000, MACHINE, Choices())
    said = plan_words.outlook(replace(made, bits_per_byte=1.6))
    assert any("1.6 bits per byte" in more for _, more, _ in said)
    assert not any(
        "bits per byte" in strong for strong, _, _ in plan_words.outlook(replace(made, bits_per_byte=math.nan))
    )
    assert plan_words.quality_in_words(9.0) and not plan_words.quality_in_words(math.nan)
