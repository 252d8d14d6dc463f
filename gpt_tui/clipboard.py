"""The clipboard: the system's own tools where they are, and the terminal's (OSC 52), which reaches through ssh."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from textual.app import App

TIMEOUT = 2.0
"""Seconds that a tool may take."""

BY_TERMINAL = "the terminal"
"""What is said where only OSC 52 was left: whether the terminal took it cannot be known."""


class Tool(NamedTuple):
    """A program that knows the system's clipboard."""

    name: str
    copy: tuple[str, ...]
    paste: tuple[str, ...]


WAYLAND = Tool("wl-copy", ("wl-copy",), ("wl-paste", "--no-newline"))
XCLIP = Tool("xclip", ("xclip", "-selection", "clipboard"), ("xclip", "-selection", "clipboard", "-out"))
XSEL = Tool("xsel", ("xsel", "--clipboard", "--input"), ("xsel", "--clipboard", "--output"))
MACOS = Tool("pbcopy", ("pbcopy",), ("pbpaste",))
WINDOWS = Tool("clip.exe", ("clip.exe",), ("powershell.exe", "-NoProfile", "-Command", "Get-Clipboard -Raw"))


def system_tool() -> Tool | None:
    """The tool that reaches the clipboard of the screen one sits at; over ssh there is none, only the terminal."""
    if os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return None
    tools = []
    if sys.platform == "darwin":
        tools.append(MACOS)
    if os.environ.get("WAYLAND_DISPLAY"):
        tools.append(WAYLAND)
    if os.environ.get("DISPLAY"):
        tools += [XCLIP, XSEL]
    if sys.platform == "win32" or os.environ.get("WSL_DISTRO_NAME"):
        tools.append(WINDOWS)
    return next((tool for tool in tools if shutil.which(tool.copy[0])), None)


def copy_by_tool(text: str) -> str | None:
    """Put a text into the system's clipboard; the tool's name, or None. It can take a moment: call it in a thread."""
    tool = system_tool()
    if tool is None or _run(tool.copy, _encoded(tool, text)) is None:
        return None
    return tool.name


async def copy(app: App[Any], text: str) -> str:
    """Put a text into the clipboard by every way there is; says by which, in words."""
    app.copy_to_clipboard(text)
    tool = await asyncio.to_thread(copy_by_tool, text)
    return f"{tool} and {BY_TERMINAL}" if tool else BY_TERMINAL


def paste() -> str | None:
    """What the system's clipboard holds; None when no tool can tell. It can take a moment: call it in a thread."""
    tool = system_tool()
    if tool is None or not shutil.which(tool.paste[0]):
        return None
    output = _run(tool.paste, None)
    return output.decode("utf-8", errors="replace") if output is not None else None


def _encoded(tool: Tool, text: str) -> bytes:
    """clip.exe takes what it is given for the system's old code page, unless it begins with a byte order mark."""
    return text.encode("utf-16") if tool is WINDOWS else text.encode("utf-8", errors="replace")


def _run(command: tuple[str, ...], given: bytes | None) -> bytes | None:
    """Run a tool; what it says, or None when it fails.

    xclip and wl-copy stay behind as a process that holds the clipboard: their output is not waited for.
    """
    try:
        done = subprocess.run(
            command,
            input=given if given is not None else b"",
            stdout=subprocess.DEVNULL if given is not None else subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout or b"") if done.returncode == 0 else None
