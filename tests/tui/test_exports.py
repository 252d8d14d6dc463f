"""What leaves: a passage or a conversation as plain text, Markdown or JSON, and the dialog that asks where to."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from textual.app import App
from textual.widgets import Input

from engine.errors import StorageError
from engine.events import Alternative, Token
from gpt_tui import exports, markdown, themes
from gpt_tui.exporting import dialog
from gpt_tui.widgets.choice_list import Choice
from gpt_tui.widgets.export_dialog import ExportChoice, ExportDialog

TALE = exports.Passage(
    "A hen lived behind the mill. She was brown.",
    [(6, 28, "model"), (33, 36, "edited")],
    "tales",
    "best",
    {"temperature": 0.8, "top_k": 50, "seed": None},
    7,
    "The hen",
    [Token(sample=0, id=5, text=" lived", probability=0.25, alternatives=(Alternative(6, " sat", 0.5),))],
)
TALK = exports.Transcript(
    [exports.Line("Wren", "Why?"), exports.Line("Yuki", "The *moon* pulls it.", "model", 3)],
    voice="Yuki",
    model="talk",
    settings={"temperature": 0.7},
    title="The sea",
)


def rendered(text: str) -> tuple[str, str, str]:
    """What a reader of the Markdown sees: all of the text, what is in italics, what is bold; blanks left out."""
    seen, marked = [], {"em": [], "strong": []}
    depth = {"em": 0, "strong": 0}
    for block in MarkdownIt("commonmark").parse(text):
        assert block.type in ("paragraph_open", "paragraph_close", "inline"), block.type
        for token in block.children or []:
            for kind in depth:
                opened = token.type == f"{kind}_open" or token.content == f"<{kind}>"
                closed = token.type == f"{kind}_close" or token.content == f"</{kind}>"
                depth[kind] += opened - closed
            assert token.type not in ("code_inline", "link_open", "image")
            if token.type in ("text", "text_special"):
                seen.append(token.content)
                for kind, texts in marked.items():
                    if depth[kind]:
                        texts.append(token.content)
    return tuple("".join("".join(texts).split()) for texts in (seen, marked["em"], marked["strong"]))


MARKUP = st.text(st.sampled_from('ab *_`[]<>\\#-+=1.)&;~|!"(\n\t') | st.characters(categories=["L", "P", "Zs"]))


@settings(max_examples=300, deadline=None)
@given(MARKUP, st.lists(st.integers(0, 12), max_size=6))
def test_markdown_renders_to_the_same_text_with_the_models_words_marked(text: str, lengths: list[int]) -> None:
    spans, at = [], 0
    for number, length in enumerate(lengths):
        end = min(len(text), at + length)
        if number % 3:
            spans.append((at, end, ("model", "edited")[number % 2]))
        at = end
    words = [
        "".join("".join(text[a:b] for a, b, who in spans if who == author).split()) for author in ("model", "edited")
    ]
    assert rendered(markdown.marked(text, spans)) == ("".join(text.split()), *words)


def test_markdown_keeps_lines_and_indentation() -> None:
    html = MarkdownIt("commonmark").render(markdown.marked("One\n  two\n\n1. three\n# four", []))
    assert html == "<p>One<br />\n\xa0\xa0two</p>\n<p>1. three<br />\n# four</p>\n"


def test_markdown_says_what_made_a_passage() -> None:
    text = exports.render(TALE, "markdown")
    assert text.startswith("# The hen\n")
    assert "words of the model tales" in text and "temperature 0.8, top-k 50, seed 7" in text
    assert "A hen *lived behind the mill.* She **was** brown." in text


def test_plain_text_is_the_text_byte_for_byte(tmp_path: Path) -> None:
    text = "One\r\ntwo\x0cthree\u2028four\n"
    path = exports.write(exports.Passage(text), "text", tmp_path, "odd")
    assert path.read_bytes() == text.encode()


def test_json_holds_spans_settings_and_probabilities() -> None:
    table = json.loads(exports.render(TALE, "json"))
    assert table["text"] == TALE.text and table["seed"] == 7
    assert table["spans"][0] == {"start": 6, "end": 28, "author": "model"}
    assert table["settings"] == {"temperature": 0.8, "top_k": 50}
    assert table["tokens"] == [
        {"text": " lived", "probability": 0.25, "alternatives": [{"text": " sat", "probability": 0.5}]}
    ]


def test_a_conversation_leaves_as_a_script_as_markdown_and_as_json() -> None:
    assert exports.render(TALK, "text") == "Wren: Why?\nYuki: The *moon* pulls it.\n"
    text = exports.render(TALK, "markdown")
    assert "**Wren:** Why?\n\n**Yuki:** *The \\*moon\\* pulls it.*\n" in text
    assert "The model speaks as Yuki." in text
    turns = json.loads(exports.render(TALK, "json"))["turns"]
    assert [turn["author"] for turn in turns] == ["writer", "model"] and turns[1]["seed"] == 3


def test_lone_surrogates_leave_as_replacement_characters(tmp_path: Path) -> None:
    passage = exports.Passage("a\ud800b", title="t")
    assert exports.write(passage, "text", tmp_path, "t").read_text("utf-8") == "a\ufffdb"
    assert json.loads(exports.write(passage, "json", tmp_path, "t").read_text("utf-8"))["text"] == "a\ud800b"


# Files


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("The hen", "The hen"),
        ("a/b\\c: d?", "a b c d"),
        ("  ..hidden. ", "hidden"),
        ("con", "_con"),
        ("", "untitled"),
        ("???", "untitled"),
        ("x" * 300, "x" * 80),
        ("notes.MD", "notes"),
        ("-rf", "rf"),
    ],
)
def test_titles_become_portable_names(title: str, name: str) -> None:
    assert exports.file_name(title, ".md") == name


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first = exports.write(TALE, "text", tmp_path / "new", "hen")
    second = exports.write(TALK, "text", tmp_path / "new", "hen")
    assert (first.name, second.name) == ("hen.txt", "hen-2.txt")
    assert first.read_text("utf-8") == TALE.text


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="choose another") as refusal:
            exports.write(TALE, "text", folder, "hen")
        assert "\n" not in str(refusal.value)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        exports.write(TALE, "text", tmp_path, "hen")
    assert list(tmp_path.iterdir()) == []


# The dialog


class Asking(App[None]):
    def __init__(self, **options: object) -> None:
        super().__init__()
        self.options = options
        self.answer: ExportChoice | str | None = "none yet"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.variables(self.current_theme)

    def on_mount(self) -> None:
        formats = [Choice(kind.key, kind.title, kind.words) for kind in exports.formats()]
        self.push_screen(ExportDialog("The hen", "/exports", formats, **self.options), self.take)  # type: ignore[arg-type]

    def take(self, answer: ExportChoice | None) -> None:
        self.answer = answer


@pytest.mark.asyncio
async def test_enter_alone_exports_once_the_folder_is_known() -> None:
    app = Asking(chosen="markdown")
    async with app.run_test() as pilot:
        await pilot.press("enter")
    assert app.answer == ExportChoice("markdown", Path("/exports"), "The hen")


@pytest.mark.asyncio
async def test_the_first_time_the_folder_is_asked_for() -> None:
    app = Asking(ask_folder=True)
    async with app.run_test() as pilot:
        assert app.screen.focused is app.screen.query_one("#folder")
        app.screen.query_one("#folder", Input).value = "/elsewhere"
        await pilot.press("enter")
    assert app.answer == ExportChoice("text", Path("/elsewhere"), "The hen")


@pytest.mark.asyncio
async def test_what_leads_nowhere_is_said_and_not_taken() -> None:
    app = Asking(goes_to=lambda choice: "!It is a file." if choice.format == "text" else "→ there")
    async with app.run_test() as pilot:
        await pilot.press("enter")
        assert isinstance(app.screen, ExportDialog)
        await pilot.press("down", "enter")
    assert isinstance(app.answer, ExportChoice) and app.answer.format == "markdown"


@pytest.mark.asyncio
async def test_escape_leaves_without_an_export() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.press("escape")
    assert app.answer is None


@pytest.mark.asyncio
async def test_the_folder_of_before_is_remembered(home: Path) -> None:
    from gpt_tui.app import Services

    services = Services()
    assert dialog(services, "x")._ask_folder
    services.state.remember("exports.folder", "/kept")
    services.state.remember("exports.format", "json")
    again = dialog(Services(), "x")
    assert (again._ask_folder, again._folder, again._chosen) == (False, "/kept", "json")
