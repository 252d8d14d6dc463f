"""`gpt-tui chat`: a conversation in lines, through pipes and through a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gpt_tui import conversations

Shell = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a tiny model of dialogues, `talk`."""
    import engine

    home = tmp_path_factory.mktemp("talkative")
    text = home / "talk.txt"
    text.write_text("".join(f"OTTO: How is the day {n}?\nMARTA: It is cold, Otto.\n" for n in range(300)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPT_TUI_HOME", str(home / "home"))
        settings = ("n_layer=1", "n_embd=32", "n_head=1", "block_size=64")
        list(engine.train(text, name="talk", steps=80, device="cpu", vocab_size=300, settings=settings))
    return home / "home"


@pytest.fixture
def talk(talkative: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPT_TUI_HOME", str(talkative))
    for path in (talkative / "conversations").glob("*"):
        path.unlink()
    return talkative


def test_a_pipe_talks_and_the_conversation_is_kept(talk: Path, shell: Shell) -> None:
    done = shell("chat", "talk", "--seed", "1", stdin=b"How is the day 3?\n/again\nAnd\\\nnow?\n", HOME=str(talk))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3 and all(line.startswith("MARTA: ") and len(line) > 8 for line in lines)
    assert done.stderr == b""
    (kept,) = conversations.summaries()
    talked = conversations.load(kept.id)
    assert [turn.speaker for turn in talked.path()] == ["OTTO", "MARTA", "OTTO", "MARTA"]
    assert talked.path()[2].text == "And\nnow?"
    assert len(talked.versions(talked.path()[1])) == 2
    again = shell("chat", "talk", "--seed", "1", stdin=b"How is the day 3?\n")
    assert again.stdout.decode().splitlines() == lines[:1]


def test_names_are_given_and_the_conversation_is_saved(talk: Path, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "talk.md"
    commands = (
        f"Hello.\n/with otto\n/as Anna\nHello.\n/names\n/nonsense\n/save {file}\n/save {file}\n/quit\nNever said.\n"
    )
    done = shell("chat", "talk", "--as", "Zoe", "--with", "Marta", stdin=commands.encode())
    assert done.returncode == 0, done.stderr
    out, told = done.stdout.decode(), done.stderr.decode()
    assert [line.partition(":")[0] for line in out.splitlines()] == ["MARTA", "OTTO"]
    assert "You are Anna; the model is OTTO." in told and "There is no /nonsense." in told
    assert "**Zoe:** Hello." in file.read_text("utf-8") and "No." not in file.read_text("utf-8")
    assert (tmp_path / "talk-2.md").exists()


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "words"),
    [
        (["nobody"], b"Hi\n", 2, "no model of that name"),
        (["talk", "--temperature", "-1"], b"Hi\n", 2, "--temperature"),
        (["talk", "--with", "a:b"], b"Hi\n", 2, "--with"),
        (["talk"], b"Hi \xff\n", 2, "not UTF-8"),
        (["talk", "--checkpoint", "77"], b"Hi\n", 2, "77"),
        (["talk"], b"", 0, ""),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    talk: Path, shell: Shell, arguments: list[str], stdin: bytes, status: int, words: str
) -> None:
    done = shell("chat", *arguments, stdin=stdin)
    assert done.returncode == status, done.stderr
    assert words in done.stderr.decode() and len(done.stderr.splitlines()) <= 1
    assert b"Traceback" not in done.stderr


# On a terminal


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        import pty

        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(sys.executable, [sys.executable, "-m", "gpt_tui", *arguments])
        self.shown = ""

    def until(self, words: str, seconds: float = 60.0) -> None:
        import select

        end = time.monotonic() + seconds
        while words not in self.shown:
            assert time.monotonic() < end, f"{words!r} did not come: {self.shown!r}"
            if select.select([self.handle], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.handle, 4096).decode("utf-8", "replace")
                except OSError:
                    break
        assert words in self.shown, self.shown

    def type(self, text: str) -> None:
        self.shown = ""
        os.write(self.handle, text.encode())

    def status(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
def test_on_a_terminal_one_is_greeted_and_ctrl_c_leaves(talk: Path) -> None:
    terminal = Terminal("chat", "talk")
    terminal.until("OTTO: ")
    assert "talk with MARTA" in terminal.shown
    terminal.type("How is the day 3?\r")
    terminal.until("MARTA: ")
    terminal.until("OTTO: ")
    terminal.type("\x03")
    assert terminal.status() == 130
    assert len(conversations.summaries()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
def test_the_end_of_the_input_ends_it(talk: Path) -> None:
    terminal = Terminal("chat", "talk")
    terminal.until("OTTO: ")
    terminal.type("\x04")
    assert terminal.status() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
def test_ctrl_c_stops_a_reply_and_the_talk_goes_on(talk: Path) -> None:
    long = "--max-new-tokens", "1000000", "--temperature", "50", "--top-k", "0", "--min-p", "0"
    terminal = Terminal("chat", "talk", *long)
    terminal.until("OTTO: ")
    terminal.type("Talk to me.\r")
    terminal.until("MARTA: ")
    os.kill(terminal.pid, signal.SIGINT)
    terminal.until("OTTO: ")
    terminal.type("/quit\r")
    assert terminal.status() == 0
    (kept,) = conversations.summaries()
    assert conversations.load(kept.id).path()[0].text == "Talk to me."
