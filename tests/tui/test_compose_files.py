"""The Compose screen on the writer's own files, and on drafts that others have open."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from at_the_keys import until, writing
from scripted import ScriptedGenerator

from gpt_tui import drafts, navigation
from gpt_tui.app import GptTui, Services
from gpt_tui.screens.compose import ComposeScreen
from gpt_tui.widgets.editor import Author

pytestmark = pytest.mark.asyncio


@pytest.fixture
def novel(tmp_path: Path) -> Path:
    path = tmp_path / "novel.md"
    path.write_bytes(b"\xef\xbb\xbfOne\r\ntwo\r\nand\nthree\x0c\xe2\x80\xa8four")
    return path


async def test_an_own_file_is_written_byte_for_byte_and_only_by_ctrl_s(store: Path, novel: Path) -> None:
    before = novel.read_bytes()
    async with writing(navigation.OpenCompose(file=novel)) as writer:
        assert writer.screen.bar.draft == "novel.md" and not writer.screen.bar.unsaved
        await writer.press("ctrl+end", *"five", "enter")
        await writer.on_disk("One\r\ntwo\r\nand\nthree\x0c\u2028fourfive\r\n")
        assert novel.read_bytes() == before and writer.screen.bar.unsaved
        await writer.press("ctrl+s")
        await until(lambda: novel.read_bytes() == before + b"five\r\n")
        await until(lambda: not writer.screen.bar.unsaved)


async def test_a_change_made_elsewhere_is_asked_about_before_it_is_written_over(store: Path, novel: Path) -> None:
    async with writing(navigation.OpenCompose(file=novel)) as writer:
        await writer.type("Mine. ")
        novel.write_bytes(b"Theirs.")
        await writer.press("ctrl+s")
        await until(lambda: len(writer.app.screen_stack) > 1)
        assert novel.read_bytes() == b"Theirs."
        await writer.press(*"keep", "enter")
        await until(lambda: novel.read_bytes().startswith(b"\xef\xbb\xbfMine. One"))


async def test_a_change_made_elsewhere_is_taken_where_nothing_is_unsaved(store: Path, novel: Path) -> None:
    async with writing(navigation.OpenCompose(file=novel)) as writer:
        novel.write_bytes(b"Theirs.")
        writer.app.app_focus = False
        await writer.pilot.pause()
        writer.app.app_focus = True
        await until(lambda: writer.text == "Theirs.")
        await writer.press("ctrl+z")
        assert writer.text.startswith("One\r\n")


async def test_a_file_of_another_encoding_is_offered_as_a_draft(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.txt"
    path.write_bytes("Das schöne Mädchen grüßt den König.\n".encode("latin-1") * 30)
    before = path.read_bytes()
    generator = ScriptedGenerator()
    app = GptTui(navigation.OpenCompose(file=path), Services(generator=generator))  # type: ignore[arg-type]
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: len(app.screen_stack) > 1)
        await pilot.pause()
        await pilot.press("y")
        screen = app.screen_stack[0]
        assert isinstance(screen, ComposeScreen)
        await until(lambda: screen.desk is not None and "schöne Mädchen" in screen.editor.text)
        assert screen.draft.file is None
    assert path.read_bytes() == before


async def test_a_draft_that_another_app_has_open_is_only_read_and_a_copy_written(store: Path) -> None:
    draft = drafts.new("novel", text="Theirs.")
    drafts.save(draft)
    with drafts.Hold(draft.id):
        async with writing(navigation.OpenCompose(draft=draft.id)) as writer:
            await until(lambda: writer.text == "Theirs.")
            assert "open in another gpt-tui" in writer.screen.notice.text
            await writer.press("x", "ctrl+g")
            assert writer.text == "Theirs." and writer.generator.client.writings == []
            await writer.press("f10", "c")
            await until(lambda: writer.screen.draft.id != draft.id)
            await writer.press("ctrl+end", *"Mine.")
            await writer.on_disk("Theirs.Mine.")
    assert drafts.load(draft.id).text == "Theirs."


async def test_another_editor_takes_the_text_and_gives_it_back(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor.py"
    script.write_text("import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t.replace('cat', 'hen'))")
    monkeypatch.setenv("VISUAL", f'"{sys.executable}" "{script}"')
    monkeypatch.setattr(GptTui, "suspend", lambda self: contextlib.nullcontext())
    async with writing() as writer:
        writer.screen.editor.load("The cat sat. So it was.", [(13, 23, Author.MODEL)])
        await writer.press("f10", "v")
        await until(lambda: writer.text == "The hen sat. So it was.")
        assert [(span.start, span.end) for span in writer.screen.editor.spans()] == [(13, 23)]
        await writer.press("ctrl+z")
        assert writer.text == "The cat sat. So it was."
