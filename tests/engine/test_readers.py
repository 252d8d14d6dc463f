"""What becomes of files, folders and standard input: their encodings, their newlines, and what is refused."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.data import readers
from engine.data.corpus import open_corpus
from engine.errors import CorpusError

ENGLISH = "The ferry was late again. “It’s the fog,” said the captain — and he was right.\n" * 20
FRENCH = "L’été dernier, nous avons mangé des crêpes près du château. « Où est le garçon ? » demanda-t-elle.\n" * 20
GERMAN = "Er überlegte, ob die Straße größer wäre. Die Mädchen fanden schöne Äpfel und süße Küsse.\n" * 20
RUSSIAN = "Все счастливые семьи похожи друг на друга. Всё смешалось в доме, и никто не знал, что делать.\n" * 20
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"
    "何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。\n"
    "吾輩はここで始めて人間というものを見た。しかもあとで聞くとそれは書生という種族であったそうだ。\n"
) * 10


def text_of(path: Path | str) -> str:
    return "".join(piece.text for piece in open_corpus([path]).pieces())


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-16-le-mark", "utf-16-be-mark"]
)
@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN], ids=["english", "russian"])
def test_unicode_encodings_are_recognised(tmp_path: Path, codec: str, text: str) -> None:
    path = tmp_path / "text.txt"
    bare = codec.removesuffix("-mark")
    path.write_bytes((("\ufeff" if codec.endswith("-mark") else "") + text).encode(bare))
    corpus = open_corpus([path])
    assert "".join(piece.text for piece in corpus.pieces()) == text
    assert bool(corpus.notes) == (codec in ("utf-16-le", "utf-16-be"))  # only what was assumed is worth a word


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (ENGLISH, "cp1252", "windows-1252"),
        (FRENCH, "cp1252", "windows-1252"),
        (GERMAN, "latin-1", "windows-1252"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (JAPANESE, "shift_jis", ""),
    ],
    ids=["english", "french", "german", "russian-1251", "russian-koi8", "japanese"],
)
def test_other_encodings_are_guessed_and_noted(tmp_path: Path, text: str, codec: str, name: str) -> None:
    path = tmp_path / "letters.txt"
    path.write_bytes(text.encode(codec))
    corpus = open_corpus([path])
    assert "".join(piece.text for piece in corpus.pieces()) == text
    (note,) = corpus.notes
    assert note.startswith(f"letters.txt: read as {name}")


def test_one_accent_in_a_long_plain_text_decides_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_bytes(
        b"She went down to the shore and waited.\n" * 60_000 + "He ordered a café au lait.\n".encode("cp1252")
    )
    assert "café" in text_of(path)


def test_damaged_utf8_is_read_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "damaged.txt"
    path.write_bytes(RUSSIAN.encode() + b"\xff\xfe oops \xc3(\n" + RUSSIAN.encode())
    corpus = open_corpus([path])
    assert "".join(piece.text for piece in corpus.pieces()) == f"{RUSSIAN}\ufffd\ufffd oops \ufffd(\n{RUSSIAN}"
    assert corpus.notes == ("damaged.txt: read as UTF-8 with 3 invalid places replaced by \ufffd",)


def test_characters_and_newlines_across_blocks_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "BLOCK", 7)
    path = tmp_path / "text.txt"
    text = "日本語\r\nabc\r\rdé😀f\r\n" * 60
    path.write_bytes(text.encode())
    assert text_of(path) == "日本語\nabc\n\ndé😀f\n" * 60


def test_newlines_of_every_system_come_out_the_same(tmp_path: Path) -> None:
    checksums = set()
    for number, newline in enumerate(("\n", "\r\n", "\r")):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(ENGLISH.replace("\n", newline).encode())
        checksums.add(open_corpus([path]).checksum)
    assert len(checksums) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \t\n" * 600, "only blanks"),
        (b"Too short.\n", "11 bytes"),
        (bytes(range(256)) * 40, "binary"),
        (b"\x01\x02\x03\x04abcd" * 400, "binary"),
        (b"plain text at first\n" * 200_000 + b"\0", "binary"),
        (b"\x89PNG\r\n\x1a\n" + os.urandom(5000), "binary"),
    ],
    ids=["empty", "blank", "short", "all-bytes", "controls", "late-zero", "picture"],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "thing.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        open_corpus([path])
    message = str(caught.value)
    assert words in message and "thing.txt" in message and "\n" not in message


def test_missing_and_misspelt_texts_are_refused(tmp_path: Path) -> None:
    for text in (
        tmp_path / "nothing.txt",
        str(tmp_path / "nothing.txt"),
        "no/such/file",
        "x" * 5000,
        "a\0b",
        "~nobody/x",
    ):
        with pytest.raises(CorpusError):
            open_corpus([text])
    with pytest.raises(CorpusError, match="Did you mean tales"):
        open_corpus(["tale"])
    with pytest.raises(CorpusError, match="name a file"):
        open_corpus([])


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="permissions bind no administrator",
)
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text(ENGLISH)
    path.chmod(0)
    with pytest.raises(CorpusError, match="not allowed"):
        open_corpus([path])


def test_refusal_of_the_system_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.txt"
    path.write_text(ENGLISH, encoding="utf-8")

    really_open = Path.open

    def refuse(opened: Path, *arguments: Any, **options: Any) -> Any:
        if opened == path:
            raise PermissionError(13, "Permission denied")
        return really_open(opened, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CorpusError, match=r"secret\.txt: not allowed to read it"):
        open_corpus([path])


def test_folder_gives_its_text_files_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "my notes"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "b.txt").write_bytes(b"second\n" * 100)
    (folder / "a.md").write_bytes(b"first\n" * 100)
    (folder / "sub" / "c").write_bytes(b"third\n" * 100)
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0" * 50)
    (folder / "blank.txt").write_bytes(b"\n\n")
    (folder / ".hidden.txt").write_bytes(b"never\n" * 100)
    (folder / ".git" / "config").write_bytes(b"never\n" * 100)
    corpus = open_corpus([folder])
    assert [piece.text.split("\n")[0] for piece in corpus.pieces()] == ["first", "second", "third"]
    assert corpus.documents == 3 and corpus.name == "my-notes"
    notes = " ".join(corpus.notes)
    assert all(name in notes for name in ("picture.png", ".hidden.txt", ".git", "blank.txt"))


def test_hollow_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(CorpusError, match="no text file"):
        open_corpus([tmp_path / "photos"])
    (tmp_path / "photos" / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0" * 10)
    with pytest.raises(CorpusError, match=r"a\.jpg"):
        open_corpus([tmp_path / "photos"])


def test_standard_input_can_be_read_more_than_once() -> None:
    corpus = open_corpus(["-"], stdin=io.BytesIO(ENGLISH.encode("utf-16")))
    assert (corpus.name, corpus.sources) == ("stdin", ("-",))
    for _ in range(2):
        assert "".join(piece.text for piece in corpus.pieces()) == ENGLISH
    with pytest.raises(CorpusError, match="standard input: empty"):
        open_corpus(["-"], stdin=io.BytesIO(b""))


def test_long_standard_input_goes_through_a_file_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "IN_MEMORY", 1000)
    monkeypatch.setattr("engine.data.corpus.IN_MEMORY", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    corpus = open_corpus(["-"], stdin=io.BytesIO(ENGLISH.encode()))
    assert list(tmp_path.glob("gpt-tui-*"))
    for _ in range(2):
        assert "".join(piece.text for piece in corpus.pieces()) == ENGLISH
    del corpus
    assert not list(tmp_path.glob("gpt-tui-*"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_dead_links_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "dead.txt").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.txt")
    assert open_corpus([tmp_path]).documents == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe_is_read_like_standard_input(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(ENGLISH.encode(),))
    writer.start()
    assert text_of(pipe) == ENGLISH
    writer.join()


def test_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.corpus.IN_MEMORY", 1000)
    path = tmp_path / "growing.txt"
    path.write_text(ENGLISH, encoding="utf-8")
    corpus = open_corpus([path])
    with path.open("a", encoding="utf-8") as file:
        file.write("And more.\n")
    with pytest.raises(CorpusError, match="changed"):
        list(corpus.pieces())


@pytest.mark.skipif(os.name == "nt", reason="permissions are another thing there")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [0o000, 0o400])  # not to be listed; listed and not to be entered
def test_folders_that_may_not_be_read_are_noted(tmp_path: Path, mode: int) -> None:
    (tmp_path / "a.txt").write_text(ENGLISH, encoding="utf-8")
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "b.txt").write_text(ENGLISH, encoding="utf-8")
    closed.chmod(mode)
    try:
        corpus = open_corpus([tmp_path])
    finally:
        closed.chmod(0o700)
    assert corpus.documents == 1
    assert any("unreadable: closed" in note for note in corpus.notes)


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are Unicode there")
def test_a_name_that_is_no_unicode_is_refused_but_passes_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text(ENGLISH, encoding="utf-8")
    with pytest.raises(CorpusError, match="Rename"):
        open_corpus([path])
    assert open_corpus([tmp_path]).documents == 1


@pytest.mark.parametrize(
    ("line", "codec"),
    [
        ("Où est le garçon déçu ? Il rêvait, c’était l’été.", "cp1252"),
        ("El niño comió una piña mañana y después cantó. ¿Dónde?", "cp1252"),
        ("A manhã não começou sem o coração da avó.", "cp1252"),
        ("Flickan åt äpplen på ön där björnen bodde.", "cp1252"),
        ("Äiti söi omenan ja lähti yöllä järvelle.", "cp1252"),
        ("„Die Mädchen“, sagte er … „übten schöne Lieder in der Straße.“", "cp1252"),
        ("He said “no” — and it’s done.", "cp1252"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
        ("Zażółć gęślą jaźń, powiedział chłopiec do dziewczyny.", "cp1250"),
        ("Şehirde güneşli bir gün, çocuklar ağaçların altında oynuyordu.", "cp1254"),
    ],
)
def test_one_sentence_of_a_language_is_enough_to_know_its_letters(tmp_path: Path, line: str, codec: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(f"{line}\n".encode(codec) * 60)
    assert text_of(path) == f"{line}\n" * 60
