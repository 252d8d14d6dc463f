"""What the writer writes is kept: drafts, the writer's own files, and what stands beside them."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import files
from engine.errors import BusyError, StorageError
from engine.events import Alternative, Token
from gpt_tui import drafts
from gpt_tui.drafting import desk, kept_tries, own_file
from gpt_tui.drafting.composing import Try, placed
from gpt_tui.drafting.desk import Desk, Opened, open_draft, open_file
from gpt_tui.drafts import Draft

ODD = "One\r\ntwo\nthree\rfour\x0cfive\x85six\u2028seven\x00 e\u0301 👩‍👩‍👧 שלום\n\n"


def saved(text: str, **fields: object) -> Draft:
    draft = drafts.new("novel", text=text)
    for name, value in fields.items():
        setattr(draft, name, value)
    drafts.save(draft)
    return draft


def test_a_draft_comes_back_as_it_was_left() -> None:
    settings = {"temperature": 1.1, "seed": None, "until": "sentence"}
    draft = saved(ODD, spans=[(0, 3, "model"), (5, 8, "edited")], cursor=7, settings=settings, checkpoint="40")
    back = drafts.load(draft.id)
    assert (back.text, back.spans, back.cursor) == (ODD, draft.spans, 7)
    assert (back.model, back.checkpoint, back.settings) == ("novel", "40", settings)


def test_its_text_is_a_plain_file() -> None:
    draft = saved(ODD)
    assert (draft.folder / "draft.txt").read_bytes() == ODD.encode()


def test_death_between_the_two_files_loses_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = saved("The old gate.", spans=[(4, 7, "model")])
    monkeypatch.setattr(files, "replacing", lambda path: (_ for _ in ()).throw(StorageError("full")))
    draft.text, draft.spans = "The very old gate.", [(9, 12, "model")]
    record = draft.folder / drafts.RECORD

    def write_only_the_record(path: Path, text: str) -> None:
        assert path == record
        path.write_text(text)

    monkeypatch.setattr(files, "write_text", write_only_the_record)
    with pytest.raises(StorageError):
        drafts.save(draft)
    back = drafts.load(draft.id)
    assert (back.text, back.spans) == ("The old gate.", [(4, 7, "model")])


def test_a_record_that_is_damaged_leaves_the_text() -> None:
    draft = saved("My words.")
    for damaged in ("", "[1]", '{"cursor": "x", "spans": [[5, 2, "model"], 3], "settings": 7}', "{" * 10_000):
        (draft.folder / drafts.RECORD).write_text(damaged)
        back = drafts.load(draft.id)
        assert (back.text, back.spans, back.cursor) == ("My words.", [], 0)


def test_what_is_not_there_is_said_in_a_line() -> None:
    with pytest.raises(drafts.DraftNotFoundError, match="cannot be opened"):
        drafts.load("20200101-000000-abcdef")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", "Untitled"),
        ("\n\n  The   gate \nwas open", "The gate"),
        ("word " * 40, "word word word word word word word word word…"),
    ],
)
def test_a_draft_without_a_name_is_called_by_its_first_words(text: str, title: str) -> None:
    assert drafts.title_of(text) == title


def test_search_finds_words_in_titles_and_texts() -> None:
    saved("It rained.\nThe ÖLD dog slept by the gate.", name="Rain")
    saved("It snowed.", name="Snow, and a dog")
    saved("Nothing of the kind.")
    assert {found.title for found in drafts.search("dog")} == {"Rain", "Snow, and a dog"}
    (found,) = drafts.search("öld  DOG")
    assert "ÖLD dog" in found.passage
    assert len(drafts.search("  ")) == 3 and drafts.search("zebra") == []


def test_deleting_is_undone() -> None:
    draft = saved("Keep me.")
    drafts.delete(draft.id)
    assert drafts.summaries() == []
    drafts.restore(draft.id)
    assert drafts.load(draft.id).text == "Keep me."


def test_a_name_is_given_without_touching_the_text() -> None:
    draft = saved("Words.", spans=[(0, 2, "model")])
    before = (draft.folder / "draft.txt").stat().st_mtime_ns
    drafts.rename(draft.id, "  The\nharbour ")
    back = drafts.load(draft.id)
    assert (back.name, back.spans) == ("The harbour", [(0, 2, "model")])
    assert (draft.folder / "draft.txt").stat().st_mtime_ns == before


words = st.text(alphabet="ab \n", max_size=40)


@given(words, words)
def test_a_difference_makes_the_new_text_of_the_old_one(old: str, new: str) -> None:
    start, end, new_end = drafts.difference(old, new)
    assert old[:start] + new[start:new_end] + old[end:] == new


@given(words, words, st.data())
def test_spans_keep_to_their_words(old: str, new: str, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(old)))
    last = data.draw(st.integers(first, len(old)))
    start, end, new_end = drafts.difference(old, new)
    moved = drafts.carried([(first, last, "model")], start, end, new_end)
    kept = "".join(new[s:e] for s, e, _ in moved)
    assert kept == old[first : min(last, start)] + old[max(first, end) : last]


# Two programs


HOLDING = """
import sys, time
from gpt_tui.drafts import Hold
hold = Hold(sys.argv[1]).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_another_program_that_has_it_open_is_named_and_its_death_noticed() -> None:
    draft = saved("Ours.")
    other = subprocess.Popen([sys.executable, "-c", HOLDING, draft.id], stdout=subprocess.PIPE, env=os.environ)
    assert other.stdout is not None and other.stdout.readline().strip() == b"held"
    opened = open_draft(draft.id)
    assert opened.hold is None and f"process {other.pid}" in opened.busy and opened.draft.text == "Ours."
    with pytest.raises(BusyError):
        drafts.delete(draft.id)
    other.kill()
    other.wait()
    other.stdout.close()
    opened = open_draft(draft.id)
    assert opened.hold is not None and any("as it stood" in note for note in opened.notes)
    opened.hold.release()


# The writer's own file


@given(st.text().filter(lambda text: not text.startswith("\ufeff")), st.booleans())
def test_opening_and_saving_changes_no_byte(tmp_path_factory: pytest.TempPathFactory, text: str, bom: bool) -> None:
    path = tmp_path_factory.mktemp("own") / "novel.md"
    written = b"\xef\xbb\xbf" * bom + text.encode("utf-8", "replace")
    path.write_bytes(written)
    content = own_file.read(path)
    assert content is not None
    own_file.write(path, content.text, bom=content.bom)
    assert path.read_bytes() == written


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "novel.md", tmp_path / "link.md"
    path.write_text("One.")
    path.chmod(0o640)
    link.symlink_to(path)
    own_file.write(own_file.resolve(link), "Two.")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640 and link.is_symlink() and link.read_text() == "Two."


def test_other_encodings_are_offered_as_a_draft_and_binary_is_not(tmp_path: Path) -> None:
    path = tmp_path / "old.txt"
    path.write_bytes("Das schöne Mädchen grüßt den König, später hörte es auf.\n".encode("latin-1") * 20)
    with pytest.raises(own_file.NotUtf8Error):
        own_file.read(path)
    assert own_file.read_otherwise(path).startswith("Das schöne Mädchen")
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(own_file.FileRefusedError):
        own_file.read_otherwise(path)


@pytest.fixture
def novel_file(tmp_path: Path) -> Path:
    path = tmp_path / "novel.md"
    path.write_bytes(ODD.encode())
    return path


def opened_again(path: Path, change: str | None = None, unsaved: str | None = None) -> Opened:
    """The file opened once, with text that was not saved and a change made elsewhere meanwhile, and opened again."""
    first = open_file(path, Draft(""))
    assert first.hold is not None
    if unsaved is not None:
        first.draft.text = unsaved
        drafts.save(first.draft)
    first.hold.release()
    if change is not None:
        path.write_bytes(change.encode())
    again = open_file(path, Draft(""))
    assert again.hold is not None
    again.hold.release()
    return again


def test_a_file_has_one_draft(novel_file: Path) -> None:
    opened = opened_again(novel_file)
    assert opened.draft.text == ODD and not opened.unsaved and opened.theirs is None
    assert [found.file for found in drafts.summaries()] == [novel_file.resolve()]


def test_unsaved_text_is_there_again(novel_file: Path) -> None:
    opened = opened_again(novel_file, unsaved="Mine.")
    assert (opened.draft.text, opened.unsaved, opened.theirs) == ("Mine.", True, None)
    assert "not yet written to novel.md" in " ".join(opened.notes)
    assert novel_file.read_bytes() == ODD.encode()


def test_what_was_changed_elsewhere_is_taken_where_nothing_was_unsaved(novel_file: Path) -> None:
    opened = opened_again(novel_file, change="Theirs.")
    assert (opened.draft.text, opened.unsaved) == ("Theirs.", False)
    assert "changed elsewhere" in " ".join(opened.notes)


def test_where_both_were_changed_it_must_be_asked(novel_file: Path) -> None:
    opened = opened_again(novel_file, change="Theirs.", unsaved="Mine.")
    assert opened.draft.text == "Mine." and opened.theirs is not None and opened.theirs.text == "Theirs."


def test_a_file_that_went_away_leaves_its_text(novel_file: Path) -> None:
    first = open_file(novel_file, Draft(""))
    assert first.hold is not None
    first.hold.release()
    novel_file.unlink()
    again = open_draft(first.draft.id)
    assert again.draft.text == ODD and again.unsaved and "not there any more" in " ".join(again.notes)
    assert again.hold is not None
    again.hold.release()


# The desk


class Holder:
    """An editor, as far as the desk knows one."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.problems: list[str] = []

    def take(self) -> desk.Snapshot:
        return self.text, [], len(self.text), 3


async def until(condition: object, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_what_is_typed_is_on_the_disk_within_a_second() -> None:
    editor = Holder()
    table = Desk(Opened(drafts.new()), editor.take, editor.problems.append)
    table.touch()
    await asyncio.sleep(desk.KEEP_AFTER * 1.5)
    assert drafts.summaries() == []  # nothing was written: there is no draft of nothing
    editor.text = "It was late."
    began = time.monotonic()
    table.touch()
    path = table.draft.folder / "draft.txt"
    await until(path.exists)
    assert path.read_text() == "It was late."
    assert time.monotonic() - began < 5.0  # a second on a machine that is not busy
    await table.close()


@pytest.mark.asyncio
async def test_closing_keeps_the_last_words_and_lets_go() -> None:
    editor = Holder("It was late.")
    table = Desk(Opened(drafts.new()), editor.take, editor.problems.append)
    table.touch()
    await table.close()
    again = open_draft(table.draft.id)
    assert again.draft.text == "It was late." and again.hold is not None
    again.hold.release()


@pytest.mark.asyncio
async def test_what_the_model_wrote_comes_back_with_its_probabilities() -> None:
    token = Token(sample=0, id=7, text=" sun", probability=0.5, alternatives=(Alternative(8, " moon", 0.25),))
    first, second = Try(" sun", 1, [token]), Try(" sun\n", 2, [])
    editor = Holder("The sun")
    table = Desk(Opened(drafts.new()), editor.take, editor.problems.append)
    table.touch()
    table.add_tries([first])
    await table.close()
    kept = table.draft.folder / kept_tries.FILE
    kept.write_bytes(kept.read_bytes() + b'{"text": " mo')  # a crash in the middle of the next
    table = Desk(open_draft(table.draft.id), editor.take, editor.problems.append)
    table.add_tries([second])
    assert table.tries() == [first, second]
    await table.close()
    assert kept_tries.read(table.draft.folder) == [first, second]
    assert placed(table.tries(), "The sun set")[0].alternatives == token.alternatives


@pytest.mark.asyncio
async def test_a_full_disk_is_told_and_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    editor = Holder("One.")
    table = Desk(Opened(drafts.new()), editor.take, editor.problems.append)
    real = drafts.save

    def full(*_: object, **__: object) -> None:
        raise StorageError("No space left.")

    monkeypatch.setattr(drafts, "save", full)
    table.touch()
    assert not await table.keep() and "No space left" in editor.problems[0]
    monkeypatch.setattr(drafts, "save", real)
    editor.text = "One. Two."
    table.touch()
    assert await table.keep() and editor.problems[-1] == ""
    assert drafts.load(table.draft.id).text == "One. Two."
    await table.close()


@pytest.mark.asyncio
async def test_the_own_file_is_written_only_when_that_is_asked_for(novel_file: Path) -> None:
    opened = open_file(novel_file, Draft(""))
    editor = Holder("New.\r\n")
    table = Desk(opened, editor.take, editor.problems.append)
    table.touch()
    assert table.unsaved and await table.keep()
    assert novel_file.read_bytes() == ODD.encode() and drafts.load(opened.draft.id).text == "New.\r\n"
    await table.save_file()
    assert novel_file.read_bytes() == b"New.\r\n" and not table.unsaved
    assert not await table.changed_elsewhere()
    novel_file.write_bytes(b"Other.\r\n")
    assert await table.changed_elsewhere()
    await table.close()


def test_the_record_is_json(novel_file: Path) -> None:
    draft = saved("Text.")
    assert json.loads((draft.folder / "draft.json").read_text())["words"] == 1
