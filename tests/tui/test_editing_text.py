"""The text without its screen: stretches, the buffer, authors, history. Whatever is done can be undone, to the byte."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gpt_tui.editing.authorship import Author, Authors, Span
from gpt_tui.editing.buffer import CHUNK, Buffer
from gpt_tui.editing.document import Continuation, Document, usual_newline
from gpt_tui.editing.stretches import BUCKET, Stretches
from gpt_tui.editing.words import count_words, first_sentence, first_word, word_around

ODD = "ab -\u2014\u201c'.\n\r\t\f\v\x00\x1b\x1c\x85\u2028\u2029\u00e9\u0301\u200d\ufe0f"
ODD += "\U0001f469\U0001f467\u65e5\u05d0\u202e\ud800"
TEXT = st.text(alphabet=st.sampled_from(ODD), max_size=40)
ANY = st.text(alphabet=st.characters(), max_size=60)


@given(st.lists(st.integers(1, 9), max_size=600), st.data())
@settings(max_examples=60, deadline=None)
def test_stretches_answer_as_a_list_would(lengths: list[int], data: st.DataObject) -> None:
    plain = list(enumerate(lengths))
    stretches = Stretches((length, name) for name, length in plain)
    for _ in range(6):
        first = data.draw(st.integers(0, len(plain)))
        last = data.draw(st.integers(first, len(plain)))
        new = data.draw(st.lists(st.integers(1, 9), max_size=2 * BUCKET))
        plain[first:last] = [(1000 + name, length) for name, length in enumerate(new)]
        stretches.splice(first, last, [(length, 1000 + name) for name, length in enumerate(new)])
        assert list(stretches.iterate()) == [(length, name) for name, length in plain]
        assert len(stretches) == len(plain) and stretches.total == sum(length for _, length in plain)
        if plain:
            number = data.draw(st.integers(0, len(plain) - 1))
            start = sum(length for _, length in plain[:number])
            assert stretches.start(number) == start and stretches[number] == plain[number][::-1]
            assert stretches.find(start) == (number, start)
            assert stretches.find(start + plain[number][1] - 1) == (number, start)
            assert stretches.find(stretches.total) == (len(plain) - 1, stretches.total - plain[-1][1])


@given(ANY, st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3000), ANY), max_size=12), st.booleans())
@settings(max_examples=80, deadline=None)
def test_the_buffer_is_the_text(text: str, edits: list[tuple[int, int, str]], long: bool) -> None:
    plain = text * (3 * CHUNK // max(1, len(text))) if long else text
    buffer = Buffer(plain)
    for start, length, new in edits:
        start = min(start, len(plain))
        end = min(start + length, len(plain))
        plain = plain[:start] + new + plain[end:]
        buffer.replace(start, end, new)
        assert len(buffer) == len(plain) and buffer.text == plain
        assert buffer.slice(start - 5, start + 9) == plain[max(0, start - 5) : start + 9]
        assert buffer.count_words() == count_words(plain)


@given(st.text(alphabet=st.sampled_from("ab\n\r\x85\u2028"), max_size=30), st.integers(0, 30))
@settings(deadline=None)
def test_paragraphs_end_at_newlines(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    buffer = Buffer(text)
    if text[offset - 1 : offset + 1] == "\r\n":
        offset -= 1
    start, end = buffer.paragraph_start(offset), buffer.paragraph_end(offset)
    assert start <= offset <= end
    assert not set(text[start:end]) & set("\n\r\x85\u2028")
    assert start == 0 or text[start - 1] in "\n\r\x85\u2028"
    assert end == len(text) or text[end] in "\n\r\x85\u2028"


def test_a_paragraph_of_many_chunks_has_its_ends() -> None:
    text = "one\n" + "word " * CHUNK + "\nthree"
    buffer = Buffer(text)
    assert buffer.paragraph_start(CHUNK * 3) == 4
    assert buffer.paragraph_end(CHUNK * 3) == len(text) - 6
    assert buffer.paragraph_start(len(text)) == len(text) - 5


@given(TEXT)
@settings(deadline=None)
def test_moving_right_and_left_stops_at_the_same_places(text: str) -> None:
    buffer = Buffer(text)
    stops = [0]
    while stops[-1] < len(text):
        stops.append(buffer.next_boundary(stops[-1]))
        assert stops[-1] > stops[-2]
    back = [len(text)]
    while back[-1] > 0:
        back.append(buffer.previous_boundary(back[-1]))
    assert back[::-1] == stops
    for offset in range(len(text) + 1):
        assert buffer.at_boundary(offset) == max(stop for stop in stops if stop <= offset)


def test_what_a_reader_takes_for_one_character_moves_as_one() -> None:
    for cluster in (
        "e\u0301",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\U0001f44d\U0001f3fd",
        "\U0001f1eb\U0001f1f7",
        "\r\n",
        "\u05e9\u05c1",
    ):
        buffer = Buffer(f"a{cluster}b")
        assert buffer.next_boundary(1) == 1 + len(cluster)
        assert buffer.previous_boundary(1 + len(cluster)) == 1


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.sampled_from([Author.MODEL, Author.EDITED]))),
    st.integers(0, 50),
)
@settings(deadline=None)
def test_spans_are_cut_to_what_makes_sense(spans: list[tuple[int, int, Author]], length: int) -> None:
    authors = Authors(length, [(start, start + size, author) for start, size, author in spans])
    found = authors.spans()
    assert authors.length == length
    assert all(0 <= span.start < span.end <= length and span.author is not Author.WRITER for span in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert Authors(length, found).spans() == found


class Editing(RuleBasedStateMachine):
    """A writer and a model at one text, in any order; beside it a plain string, and what it was after each step."""

    @initialize(text=ANY, model=st.booleans())
    def begin(self, text: str, model: bool) -> None:
        spans = [Span(0, len(text) // 2, Author.MODEL)] if model and len(text) > 1 else []
        self.document = Document(text, spans)
        self.now = 0.0
        self.document.clock = lambda: self.now
        self.plain = text
        self.first = text, spans
        self.coming: Continuation | None = None

    def _at(self, share: float) -> int:
        return round(share * len(self.plain))

    @rule(
        start=st.floats(0, 1), length=st.integers(0, 12), text=TEXT, kind=st.sampled_from(["type", "edit", "backspace"])
    )
    def edit(self, start: float, length: int, text: str, kind: str) -> None:
        begin = self._at(start)
        end = min(len(self.plain), begin + length)
        self.document.replace(begin, end, text, kind=kind)
        self.plain = self.plain[:begin] + text + self.plain[end:]

    @rule(letters=st.text(alphabet="ab ", min_size=1, max_size=8), start=st.floats(0, 1), pause=st.floats(0, 3))
    def type(self, letters: str, start: float, pause: float) -> None:
        at = self._at(start)
        for letter in letters:
            self.document.replace(at, at, letter, kind="type")
            self.plain = self.plain[:at] + letter + self.plain[at:]
            at += 1
        self.now += pause

    @rule(start=st.floats(0, 1), length=st.integers(0, 12))
    def continue_(self, start: float, length: int) -> None:
        at = self._at(start)
        self.coming = self.document.begin_continuation(at, at + length)
        self.plain = self.plain[:at] + self.plain[at + length :]

    @precondition(lambda self: self.coming is not None)
    @rule(text=TEXT)
    def append(self, text: str) -> None:
        assert self.coming is not None
        at = self.coming.end
        if self.coming.append(text):
            self.plain = self.plain[:at] + text + self.plain[at:]

    @precondition(lambda self: self.coming is not None)
    @rule()
    def withdraw(self) -> None:
        assert self.coming is not None
        self.coming.withdraw()
        self.coming = None
        self.plain = self.document.text

    @rule()
    def undo(self) -> None:
        self.document.undo()
        self.plain = self.document.text

    @rule()
    def redo(self) -> None:
        self.document.redo()
        self.plain = self.document.text

    @rule(start=st.floats(0, 1), length=st.integers(0, 20))
    def adopt(self, start: float, length: int) -> None:
        at = self._at(start)
        self.document.set_author(at, at + length, Author.WRITER)

    @rule(pieces=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), TEXT), max_size=4))
    def replace_many(self, pieces: list[tuple[int, int, str]]) -> None:
        at, many = 0, []
        for skip, length, text in pieces:
            start = min(at + skip + 1, len(self.plain))
            end = min(start + length, len(self.plain))
            many.append((start, end, text))
            at = end
        for start, end, text in reversed(many):
            self.plain = self.plain[:start] + text + self.plain[end:]
        self.document.replace_many(many, (0, 0))

    @invariant()
    def the_text_is_what_was_done(self) -> None:
        if hasattr(self, "document"):
            assert self.document.text == self.plain
            assert self.document.authors.length == len(self.plain)

    def teardown(self) -> None:
        if not hasattr(self, "document"):
            return
        states = []
        while self.document.history.done:
            states.append((self.document.text, self.document.spans()))
            self.document.undo()
        assert (self.document.text, self.document.spans()) == self.first
        for state in reversed(states):
            self.document.redo()
            assert (self.document.text, self.document.spans()) == state
        while self.document.history.undone:
            self.document.redo()
        while self.document.undo() is not None:
            pass
        assert (self.document.text, self.document.spans()) == self.first


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


class Following:
    """What one knows of a text who is told of its changes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text
        self.told = 0
        document.listener = self

    def text_changed(self, start: int, removed: int, inserted: int) -> None:
        after = self.document.text
        self.text = self.text[:start] + after[start : start + inserted] + self.text[start + removed :]
        self.told += 1

    def authors_changed(self, start: int, end: int) -> None:
        assert 0 <= start <= end <= len(self.document)

    def changes_made(self) -> None:
        assert self.text == self.document.text


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 4), st.text(min_size=1, max_size=9)), min_size=21, max_size=40
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_many_changes_are_told_of_as_one(pieces: list[tuple[int, int, str]], by_model: bool) -> None:
    text = "a word or two " * 40
    document = Document(text, [Span(0, len(text), Author.MODEL)] if by_model else [])
    following = Following(document)
    at, many = 0, []
    for skip, length, new in pieces:
        many.append((at + skip, at + skip + length, new))
        at += skip + length
    document.replace_many(many, (0, 0))
    assert following.text == document.text and following.told == 1
    document.undo()
    assert following.text == document.text == text and following.told == 2
    document.redo()
    assert following.text == document.text


def test_typing_is_undone_by_words_and_pauses() -> None:
    document = Document()
    now = [0.0]
    document.clock = lambda: now[0]
    for letter in "two words":
        document.replace(len(document), len(document), letter, kind="type")
    now[0] += 60
    document.replace(len(document), len(document), "!", kind="type")
    document.undo()
    assert document.text == "two words"
    document.undo()
    assert document.text == "two "
    document.undo()
    assert document.text == ""


def test_a_continuation_is_one_step_though_the_writer_types_elsewhere() -> None:
    document = Document("Begin. End.")
    coming = document.begin_continuation(6)
    coming.append(" One")
    document.replace(0, 0, "x", kind="type")
    coming.append(" two")
    document.replace(len(document), len(document), "y", kind="type")
    coming.append(" three.")
    coming.finish()
    assert document.text == "xBegin. One two three. End.y"
    document.undo()
    document.undo()
    assert document.text == "Begin. One two three. End."
    document.undo()
    assert document.text == "Begin. End."
    document.redo()
    assert document.spans() == [Span(6, 21, Author.MODEL)]


def test_a_withdrawn_continuation_leaves_no_trace_and_what_the_writer_typed() -> None:
    document = Document("Begin. End.")
    coming = document.begin_continuation(6, 10)
    coming.append(" One")
    document.replace(0, 0, "x", kind="type")
    coming.withdraw()
    assert document.text == "xBegin. End." and document.spans() == [] and coming.ended
    document.undo()
    assert document.text == "Begin. End." and not document.history.done


def test_a_withdrawn_continuation_that_the_writer_changed_can_be_had_back() -> None:
    document = Document("Begin.")
    coming = document.begin_continuation(6)
    coming.append(" One two.")
    document.replace(8, 8, "x", kind="type")
    coming.withdraw()
    assert document.text == "Begin."
    document.undo()
    assert document.text == "Begin. Oxne two."


def test_undo_ends_a_continuation() -> None:
    document = Document("Begin.")
    coming = document.begin_continuation(6)
    coming.append(" One")
    document.undo()
    assert coming.ended and not coming.append(" two") and document.text == "Begin."


def test_words_that_the_writer_changes_in_a_models_passage_are_edited() -> None:
    text = "the quick brown fox"

    def after(start: int, end: int, new: str) -> list[tuple[str, Author]]:
        document = Document(text, [Span(0, len(text), Author.MODEL)])
        document.replace(start, end, new)
        return [(document.text[span.start : span.end], span.author) for span in document.spans()]

    model, edited = Author.MODEL, Author.EDITED
    assert after(6, 6, "x") == [("the ", model), ("qu", edited), ("ick", edited), (" brown fox", model)]
    assert after(9, 9, " and") == [("the quick", model), (" brown fox", model)]
    assert after(7, 9, "") == [("the ", model), ("qui", edited), (" brown fox", model)]
    assert after(3, 4, "") == [("thequick", edited), (" brown fox", model)]
    assert after(4, 9, "slow") == [("the ", model), (" brown fox", model)]
    assert after(0, 0, "And ") == [("the quick brown fox", model)]
    assert after(19, 19, "es") == [("the quick brown ", model), ("fox", edited)]


def test_the_usual_newline_is_that_of_the_text() -> None:
    assert usual_newline("a\r\nb\r\nc\n") == "\r\n"
    assert usual_newline("a\rb") == "\r"
    assert usual_newline("a\u2028b") == "\n"


def test_words_and_sentences_are_found() -> None:
    assert count_words("one two\u2014three \u65e5\u672c four") == 5
    assert first_word(" the cat sat") == " the"
    assert first_sentence(" She said \u201cNo.\u201d Then left.") == " She said \u201cNo.\u201d"
    assert first_sentence("and so\non") == "and so\n"
    assert first_sentence("no end") == "no end"
    assert word_around("it's here", 2) == (0, 4)
    assert word_around("a  b", 1) == (1, 3)
