"""The pictures of the app in this folder: the real program, driven by its keys, with models that it trains first.

    python screenshots/make.py [--minutes 2] [--only compose,chat]

Each is written as SVG, as Textual draws it, and as PNG. It takes about five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picture import png

HERE = Path(__file__).parent
SIZE = (120, 36)
PATIENCE = 60.0


@dataclass(frozen=True)
class Shot:
    """A picture, and what is pressed before it: `~text` waits until the screen says that, `=words` types them, `.5`
    waits five seconds."""

    name: str
    keys: Sequence[str]
    size: tuple[int, int] = SIZE
    model: str = ""
    """The model that Compose or Chat is opened with, if it begins there."""
    empty: bool = False
    """Whether it shows the app as it is before there is any model."""


SHOTS = (
    Shot("welcome", ["~Welcome"], empty=True),
    Shot("corpora", ["f3", "~Start", "~bits per byte", ".1"]),
    Shot("compose", ["~Next word", "=The old boat ", "ctrl+g", "~Written", ".3"], model="tales"),
    Shot("suggestion", ["=In the morning the fox ", "ctrl+t", "~Tab", ".2"], model="tales"),
    Shot(
        "words", ["=The baker opened the ", "ctrl+g", "~Written", "left", "ctrl+l", "~Instead of", ".2"], model="tales"
    ),
    Shot("branches", ["=At night the sea ", "ctrl+b", "~takes one", ".6"], model="tales"),
    Shot("compose-narrow", ["=The old boat ", "ctrl+g", "~Written", ".2"], (50, 20), model="tales"),
    Shot("chat", ["~You talk", "=Good morning. How is the sea today?", "enter", ".6"], model="dialogues"),
    Shot("library", ["~tales", ".2"]),
    Shot("childhood", ["f4", "~Curve", "4", "~Enter", "enter", "~Written", ".3"]),
    Shot("training", ["f3", "~Start", "~bits per byte", "ctrl+s", "~What it writes", *[".9"] * 8]),
    Shot("settings", ["f9", ".2"]),
    Shot("help", ["f1", ".2"]),
)


async def take(shot: Shot) -> None:
    """Drive the app to what a picture shows, and write it."""
    from gpt_tui import navigation
    from gpt_tui.app import GptTui

    place = navigation.OpenChat if shot.name == "chat" else navigation.OpenCompose
    app = GptTui(place(model=shot.model) if shot.model else None)
    async with app.run_test(size=shot.size) as pilot:
        await pilot.pause(0.5)
        for key in shot.keys:
            if key.startswith("~"):
                began = time.monotonic()
                while key[1:] not in _said(app) and time.monotonic() - began < PATIENCE:
                    await pilot.pause(0.1)
            elif key.startswith("."):
                await pilot.pause(10 * float(key))
            elif key.startswith("="):
                for letter in key[1:]:
                    await pilot.press({" ": "space"}.get(letter, letter))
            else:
                await pilot.press(key)
        await pilot.pause(0.3)
        picture = app.export_screenshot(title="gpt-tui")
    (HERE / f"{shot.name}.svg").write_text(picture, encoding="utf-8")
    png(picture, str(HERE / f"{shot.name}.png"))


def _said(app: object) -> str:
    """The words on the screen."""
    from textual.app import App

    assert isinstance(app, App)
    return "\n".join("".join(segment.text for segment in line) for line in app.screen._compositor.render_strips())


def main() -> None:
    options = argparse.ArgumentParser(description="Make the pictures of the app.")
    options.add_argument("--minutes", type=float, default=2.0, help="minutes for each of the two models")
    options.add_argument("--home", help="a folder with the models tales and dialogues, instead of training them")
    options.add_argument("--only", default="", help="the pictures to make, by name")
    chosen = options.parse_args()
    wanted = set(filter(None, chosen.only.split(",")))
    with tempfile.TemporaryDirectory() as scratch:
        home = chosen.home or f"{scratch}/home"
        os.environ["GPT_TUI_HOME"] = home
        if not chosen.home:
            import engine

            for text in ("dialogues", "tales"):
                for _ in engine.train(text, minutes=chosen.minutes):
                    pass
        for shot in SHOTS:
            if not wanted or shot.name in wanted:
                os.environ["GPT_TUI_HOME"] = f"{scratch}/empty" if shot.empty else home
                asyncio.run(take(shot))
                print(shot.name)


if __name__ == "__main__":
    main()
