"""Asks who talks: the speaker that the model is, the name that one bears oneself, and, in prose, where they meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from gpt_tui.conversing.personas import Persona
from gpt_tui.terminal import visible
from gpt_tui.widgets.dialogs import Dialog

LONGEST_NAME = 40
LONGEST_WORDS = 48
STRANGER = "somebody whom the model may not know"


class Roles(NamedTuple):
    """Who talks, and the scene; empty where the names alone set it."""

    them: str
    you: str
    scene: str


class NameLine(Input):
    """A line for a name, from which up and down move the cursor of the list below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", id="personas.up", show=False, tooltip="The speaker above."),
        Binding("down", "move(1)", "Down", id="personas.down", show=False, tooltip="The speaker below."),
    ]

    class Moved(Message):
        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def action_move(self, by: int) -> None:
        self.post_message(self.Moved(by))


class PersonaPicker(Dialog[Roles | None]):
    """A list of the speakers that the model knows, narrowed by typing. A name that is not in it is taken as it is."""

    DEFAULT_CSS = """
    PersonaPicker #card { width: 90; overflow-y: auto; scrollbar-size-vertical: 1; }
    PersonaPicker .field { height: auto; }
    PersonaPicker .label { width: 9; color: $faint; }
    PersonaPicker .field > Input { width: 1fr; height: 1; padding: 0 1; }
    PersonaPicker .field > TextArea { width: 1fr; height: 3; border: none; padding: 0 1; background: $background; }
    PersonaPicker .field > TextArea:focus { border: none; }
    PersonaPicker TextArea .text-area--cursor-line { background: $background; }
    PersonaPicker OptionList {
        height: auto; max-height: 32vh; min-height: 3; border: none; padding: 0; margin: 1 0 1 9;
        background: $surface; text-wrap: nowrap; text-overflow: ellipsis; scrollbar-size-vertical: 1;
    }
    PersonaPicker OptionList > .option-list--option { padding: 0 1; }
    PersonaPicker #words { display: none; color: $faint; height: auto; padding: 0 1; margin: 0 0 1 9; }
    PersonaPicker.-tall #words.-long { display: block; }
    PersonaPicker #scene-field, PersonaPicker #buttons { margin-top: 1; }
    PersonaPicker.-short OptionList { margin: 0 0 0 9; }
    PersonaPicker.-short .field > TextArea { height: 2; }
    PersonaPicker.-short #scene-field, PersonaPicker.-short #buttons { margin-top: 0; }
    PersonaPicker.-tiny OptionList { margin-left: 0; }
    """

    def __init__(
        self,
        personas: Sequence[Persona],
        roles: Roles,
        *,
        scene_for: Callable[[str, str], str] | None = None,
        title: str = "Who talks",
    ) -> None:
        """`scene_for`: the scene for (them, you) as long as nobody has written one; None: no scene is needed."""
        super().__init__(title)
        self._personas, self._roles, self._scene_for = list(personas), roles, scene_for
        self._names: list[str] = []
        self._own_scene = scene_for is not None and roles.scene != scene_for(roles.them, roles.you)

    def card(self) -> Iterable[Widget]:
        with Horizontal(classes="field"):
            yield Static("Speaker", classes="label")
            yield NameLine(placeholder="Type to find one, or give a name of your own", id="them", compact=True)
        yield OptionList(markup=False)
        yield Static("", id="words", markup=False)
        with Horizontal(classes="field"):
            yield Static("You are", classes="label")
            yield Input(self._roles.you, id="you", compact=True, max_length=LONGEST_NAME)
        if self._scene_for is not None:
            with Horizontal(classes="field", id="scene-field"):
                yield Static("Scene", classes="label")
                yield TextArea(self._roles.scene, id="scene", compact=True, tab_behavior="focus", soft_wrap=True)
        with Horizontal(id="buttons"):
            yield Button("OK", id="yes", compact=True)
            yield Button("Cancel", id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self._list("")
        if self._roles.them in self._names:
            self.query_one(OptionList).highlighted = self._names.index(self._roles.them)
        self.query_one("#them").focus()

    @property
    def roles(self) -> Roles:
        """What is set now."""
        options = self.query_one(OptionList)
        at = options.highlighted
        them = self._names[at] if at is not None and at < len(self._names) else self._roles.them
        you = " ".join(self.query_one("#you", Input).value.split()) or self._roles.you
        return Roles(them, you, self.query_one("#scene", TextArea).text if self._scene_for is not None else "")

    def _list(self, typed: str) -> None:
        name = " ".join(typed.split())[:LONGEST_NAME]
        words = name.casefold().split()
        found = [
            persona
            for persona in self._personas
            if all(word in f"{persona.name} {persona.words}".casefold() for word in words)
        ]
        rows = [(persona.name, persona.words) for persona in found]
        if name and all(name.casefold() != persona.name.casefold() for persona in found):
            rows.append((name, STRANGER))
        width = min(20, max((len(name) for name, _ in rows), default=0))
        self._names = [name for name, _ in rows]
        options = self.query_one(OptionList)
        options.set_options([Option(_row(name, words, width)) for name, words in rows])
        options.highlighted = 0 if rows else None

    @on(NameLine.Moved)
    def _move(self, event: NameLine.Moved) -> None:
        event.stop()
        options = self.query_one(OptionList)
        if event.by < 0:
            options.action_cursor_up()
        else:
            options.action_cursor_down()

    @on(Input.Changed, "#them")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._list(event.value)

    @on(Input.Changed, "#you")
    @on(OptionList.OptionHighlighted)
    def _looked(self, event: Message) -> None:
        event.stop()
        them = self.roles.them
        words = next((persona.words for persona in self._personas if persona.name == them), "")
        line = self.query_one("#words", Static)
        line.set_class(len(words) > LONGEST_WORDS, "-long")  # else the list shows them whole
        line.update(Content(visible(f"{them}: {words}")))
        if self._scene_for is not None and not self._own_scene:
            roles = self.roles
            scene = self.query_one("#scene", TextArea)
            with scene.prevent(TextArea.Changed):
                scene.text = self._scene_for(roles.them, roles.you)

    @on(TextArea.Changed)
    def _wrote_scene(self, event: TextArea.Changed) -> None:
        event.stop()
        self._own_scene = True

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    def _accept(self, event: Message) -> None:
        event.stop()
        self.dismiss(self.roles)

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "yes":
            self.dismiss(self.roles)
        else:
            self.action_leave()


def _row(name: str, words: str, width: int) -> Content:
    shown = visible(name)
    return Content.assemble((shown.ljust(width), "bold"), ("  " + visible(words), "dim"))
