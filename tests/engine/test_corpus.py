"""A corpus: its documents, pieces, statistics and checksum, the cut, and the catalogue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import locations
from engine.data.corpus import Corpus, catalog, cut_pieces, open_corpus
from engine.errors import CorpusError

TALE = 'The hen sat on the potato. It was warm.\n\n"That\'s a potato," said the cow.\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def parts(corpus: Corpus, holdout: float) -> tuple[str, str]:
    first, second = corpus.split(holdout)
    return "".join(piece.text for piece in first()), "".join(piece.text for piece in second())


@given(
    text=st.text(alphabet="ab é日😀\n\t.", max_size=300),
    limit=st.integers(1, 40),
    block=st.integers(1, 50),
)
def test_pieces_are_the_text_and_do_not_depend_on_how_it_arrives(text: str, limit: int, block: int) -> None:
    blocks = [text[start : start + block] for start in range(0, len(text), block)]
    pieces = list(cut_pieces(blocks, limit))
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert pieces == list(cut_pieces([text], limit))


def test_pieces_end_at_newlines_else_before_spaces() -> None:
    assert list(cut_pieces(["one two\nthree four\nfive"], 12)) == ["one two\n", "three four\n", "five"]
    assert list(cut_pieces(["one two three"], 9)) == ["one two", " three"]
    assert list(cut_pieces(["onetwothree"], 4)) == ["onet", "woth", "ree"]


def test_statistics_count_what_a_person_would(tmp_path: Path) -> None:
    first = write(tmp_path / "a.txt", "Don't stop - don't STOP. Café!\nTwo well-known words\n" + "\n" * 10)
    second = write(tmp_path / "b.txt", "no newline at the end" + " word" * 300)
    corpus = open_corpus([first, second])
    counts = corpus.statistics()
    assert counts.words == 5 + 3 + 5 + 300
    assert counts.distinct_words == len(
        {"don't", "stop", "café", "two", "well-known", "words", "no", "newline", "at", "the", "end", "word"}
    )
    assert counts.lines == 12 + 1
    assert counts.documents == 2
    assert counts.bytes == corpus.bytes == first.stat().st_size + second.stat().st_size
    assert counts.characters == corpus.bytes - 1


def test_checksum_is_of_the_text_and_of_where_documents_part(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.txt", TALE * 40)
    halves = [write(tmp_path / f"{name}.txt", TALE * 20) for name in "ab"]
    other = tmp_path / "other.txt"
    other.write_bytes((TALE * 40).encode("utf-16"))
    assert open_corpus([whole]).checksum == open_corpus([other]).checksum
    assert open_corpus([whole]).checksum != open_corpus(halves).checksum
    assert open_corpus(halves).checksum != open_corpus([*halves, whole]).checksum


def test_large_text_is_streamed_and_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "large.txt", "".join(f"Line {number} of a long text.\n" for number in range(40_000)))
    kept = open_corpus([path])
    monkeypatch.setattr("engine.data.corpus.IN_MEMORY", 10_000)
    streamed = open_corpus([path])
    assert streamed._kept is None
    assert list(streamed.pieces()) == list(kept.pieces()) == list(streamed.pieces())
    assert len(list(streamed.pieces())) > 3
    assert parts(streamed, 0.1) == parts(kept, 0.1)
    assert streamed.checksum == kept.checksum


def test_text_given_twice_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "notes" / "a.txt", TALE * 40)
    corpus = open_corpus([path, path.parent, str(path)])
    assert corpus.documents == 1
    assert any("twice" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My Novel.txt", "My-Novel"),
        ("a:b*?.txt", "a-b"),
        ("-.txt", "text"),
        ("CON.txt", "text-CON"),
        ("Été à Paris.md", "Été-à-Paris"),
    ],
)
def test_name_is_fit_for_a_model(tmp_path: Path, name: str, expected: str) -> None:
    if sys.platform == "win32":
        pytest.skip("such files cannot be made on Windows")
    assert open_corpus([write(tmp_path / name, TALE * 40)]).name == expected


# The cut


@settings(max_examples=200, deadline=None)
@given(
    documents=st.lists(st.text(alphabet="abc é😀\n", min_size=1, max_size=900), min_size=1, max_size=12),
    holdout=st.floats(0.001, 0.5),
)
def test_cut_loses_nothing_and_leaves_both_sides_text(documents: list[str], holdout: float) -> None:
    from functools import partial

    from engine.data.readers import Document

    made = [Document(str(number), partial(iter, (text,))) for number, text in enumerate([*documents, "x" * 1000])]
    corpus = Corpus("test", ["test"], made)
    first, second = corpus.split(holdout)
    before, after = list(first()), list(second())
    assert before and after and all(piece.text for piece in before + after)
    assert "".join(piece.text for piece in before + after) == "".join(piece.text for piece in corpus.pieces())
    assert sum(piece.starts_document for piece in before + after) == corpus.documents
    assert before[0].starts_document
    held = sum(len(piece.text.encode()) for piece in after)
    assert held <= 1.5 * holdout * corpus.bytes + 4  # a character has at most four bytes


def test_cut_falls_between_documents_that_end_near(tmp_path: Path) -> None:
    sizes = [890, 105, 5]  # ends at 89% and 99.5%
    paths = [write(tmp_path / f"{number}.txt", "word " * 10 * size) for number, size in enumerate(sizes)]
    first, second = open_corpus(paths).split(0.105)
    assert sum(piece.starts_document for piece in first()) == 1
    assert [piece.starts_document for piece in second()] == [True, True]


def test_cut_falls_after_a_paragraph_else_after_a_space(tmp_path: Path) -> None:
    lines = write(tmp_path / "lines.txt", "A line of words that goes on.\n\n" * 400)
    before, after = parts(open_corpus([lines]), 0.1)
    assert before.endswith(".\n\n") and after.startswith("A line")
    assert abs(len(after.encode()) / lines.stat().st_size - 0.1) < 0.01
    words = write(tmp_path / "words.txt", "word " * 2000)
    before, after = parts(open_corpus([words]), 0.1)
    assert before.endswith(" ") and after.startswith("word")
    solid = write(tmp_path / "solid.txt", "é" * 2000)
    before, after = parts(open_corpus([solid]), 0.1)
    assert len(after) == 200


# The catalogue


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "corpora"
    write(folder / "catalog.toml", Path(locations.corpora_dir() / "catalog.toml").read_text("utf-8"))
    write(folder / "tales.txt", "\n\n\n".join(f"Tale {number}. " + TALE.strip() for number in range(30)) + "\n")
    monkeypatch.setattr(locations, "corpora_dir", lambda: folder)
    return folder


def test_catalogue_describes_what_ships() -> None:
    entries = {entry.name: entry for entry in catalog()}
    assert list(entries) == ["tales", "dialogues", "letters", "python-reference", "python-stdlib"]
    for entry in entries.values():
        assert entry.title and entry.description and entry.licence and entry.advice and entry.words > 0
        assert 3 <= len(entry.prompts) <= 5
        assert (entry.path is None) == bool(entry.recipe)
    assert len(entries["dialogues"].voices) == 12 and all(entries["dialogues"].voices.values())


@pytest.mark.parametrize("name", ["tales", "dialogues", "letters"])
def test_shipped_text_is_as_the_catalogue_says(name: str) -> None:
    entry = next(entry for entry in catalog() if entry.name == name)
    corpus = open_corpus([name])
    assert corpus.documents > 30 and not corpus.notes
    assert abs(corpus.statistics().words / entry.words - 1) < 0.1
    assert all(piece.starts_document and "\n\n\n" not in piece.text for piece in corpus.pieces())


def test_name_of_the_catalogue_is_taken_before_a_file(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "tales", "A file of my own, two blank lines\n\n\nin it.\n" * 40)
    named, own = open_corpus(["tales"]), open_corpus(["./tales"])
    assert (named.name, named.sources, named.documents) == ("tales", ("tales",), 30)
    assert own.documents == 1 and own.sources == (str((tmp_path / "tales").resolve()),)
    assert open_corpus([Path("tales")]).checksum == own.checksum
    assert next(named.pieces()).text == "Tale 0. " + TALE


def test_recipes_follow_the_running_python() -> None:
    reference = open_corpus(["python-reference"])
    text = "".join(piece.text for piece in reference.pieces())
    assert reference.documents > 40 and reference.bytes > 150_000
    assert "::=" not in text and ">>>" not in text and "****" not in text
    paragraphs = [paragraph for paragraph in text.split("\n") if len(paragraph) > 80]
    assert len(paragraphs) == len(set(paragraphs))


def test_standard_library_is_a_corpus() -> None:
    corpus = open_corpus(["python-stdlib"])
    assert corpus.documents > 300 and corpus.bytes > 5_000_000


def test_missing_file_of_the_catalogue_is_one_line(corpora: Path) -> None:
    (corpora / "tales.txt").unlink()
    with pytest.raises(CorpusError, match="Install gpt-tui again"):
        open_corpus(["tales"])


def test_corpora_are_known_without_torch_numpy_or_tokenizers() -> None:
    code = (
        "import sys, engine.data.corpus as c; c.catalog(); c.open_corpus(['python-reference']);"
        "sys.exit(bool({'torch', 'numpy', 'tokenizers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
