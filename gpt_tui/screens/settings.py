"""The settings, in five groups, changed in place. What is set here goes to state.toml; what settings.toml says is shown
and stands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import OptionList, Static

from engine import locations
from gpt_tui import keys, themes
from gpt_tui.navigation import ChangeKey, ChangeSetting, SettingsChanged
from gpt_tui.screens.base import Aside
from gpt_tui.settings import Settings
from gpt_tui.terminal import visible
from gpt_tui.widgets.choice_setting import YES_NO, ChoiceSetting
from gpt_tui.widgets.key_list import KeyList
from gpt_tui.widgets.number_setting import NumberSetting
from gpt_tui.widgets.setting_row import SettingRow
from gpt_tui.widgets.text_setting import TextSetting
from gpt_tui.widgets.theme_picker import ThemePicker
from gpt_tui.widgets.view_strip import ViewStrip

if TYPE_CHECKING:
    from gpt_tui.app import Services

GROUPS = {
    "looks": ("l", "Looks"),
    "writing": ("w", "Writing"),
    "training": ("t", "Training"),
    "folders": ("f", "Folders"),
    "keys": ("k", "Keys"),
}
_WORDS = {
    "writing": "How new drafts and conversations begin; beside the text each has its own.",
    "training": "What is offered when a new model is begun; all of it can be changed there.",
}


def group_of(name: str) -> str:
    """The group that a setting stands in."""
    if name in ("app_exports", "keys"):
        return {"app_exports": "folders"}.get(name, name)
    return {"app": "looks"}.get(name.partition("_")[0], name.partition("_")[0])


class SettingsScreen(Aside):
    """`group`: the one that is shown."""

    TITLE = "Settings"
    HELP = (
        "Everything that can be set, in groups. Up and down go from setting to setting, left and right change one, "
        "digits type a number, Delete takes the default again. What is set here is kept at once. What you write into "
        "settings.toml yourself wins, and is shown as set there."
    )
    CSS_PATH = "../styles/settings.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"group('{name}')", title, id=f"settings.{name}", show=False, tooltip=f"The group {title}.")
            for name, (key, title) in GROUPS.items()
        ),
        Binding("e", "edit", "settings.toml", id="settings.edit", tooltip="Edit settings.toml in your editor."),
    ]

    group: reactive[str] = reactive("", init=False)

    def __init__(self, services: Services, at: str | None = None) -> None:
        """`at`: the setting to begin at."""
        super().__init__(services)
        self._at = at
        self._actions: list[keys.Action] = []

    def content(self) -> Iterable[Widget]:
        yield ViewStrip(GROUPS, id="groups")
        yield Static("", id="problems")
        yield Container(id="body")

    def on_mount(self) -> None:
        self.group = group_of(self._at) if self._at else "looks"
        self._find_problems()

    # What is shown

    async def watch_group(self, group: str) -> None:
        self.query_one(ViewStrip).current = group
        body = self.query_one("#body", Container)
        await body.remove_children()
        if group == "keys":
            shown = KeyList()
            await body.mount(
                Static(
                    Content(
                        f"Enter changes a key; or write it yourself into {locations.settings_file()}, under [keys]."
                    ),
                    classes="words",
                ),
                shown,
            )
            shown.query_one(OptionList).focus()
            self._list_keys()
            return
        scroll = VerticalScroll(*self._rows(group), can_focus=False)
        await body.mount(scroll)
        if self._at and self._at in [widget.id for widget in self.query(SettingRow)]:
            self.query_one(f"#{self._at}").focus()
        else:
            first = (
                self.query_one(ThemePicker).query_one(OptionList)
                if group == "looks"
                else self.query(SettingRow).first()
            )
            first.focus()
        self._at = None

    def _rows(self, group: str) -> Iterable[Widget]:
        if group in _WORDS:
            yield Static(Content(_WORDS[group]), classes="words")
        for field in fields(Settings):
            if group_of(field.name) == group:
                yield self._picker() if field.name == "app_theme" else self._row(field)
        if group == "folders":
            yield Static(folder_lines(), id="folders")

    def _picker(self) -> Widget:
        own = [(theme.name, themes.MEANINGS[theme.name]) for theme in themes.OWN]
        names = {name for name, _ in own}
        self.app.read_themes()  # type: ignore[attr-defined]
        others = sorted(name for name in self.app.available_themes if name not in names)
        return ThemePicker(
            [*own, *((name, self._kind_of(name)) for name in others)], self.services.settings.app_theme, id="app_theme"
        )

    def _kind_of(self, name: str) -> str:
        from textual.theme import BUILTIN_THEMES

        return "light" if not self.app.available_themes[name].dark else "dark" if name in BUILTIN_THEMES else "yours"

    def _row(self, field: Any) -> SettingRow:
        name, metadata = field.name, field.metadata
        value, fixed = getattr(self.services.settings, name), name in self.services.loaded.fixed
        default = field.default if field.default is not MISSING else field.default_factory()
        if isinstance(default, bool):
            return ChoiceSetting(name, value, default, metadata, YES_NO, fixed=fixed)
        if "choices" in metadata:
            choices = {choice: choice for choice in metadata["choices"]}
            return ChoiceSetting(name, value, default, metadata, choices, fixed=fixed)
        if isinstance(default, str):
            row = TextSetting(name, value, default, metadata, fixed=fixed)
            row.empty = str(locations.exports_dir()) if name == "app_exports" else row.empty
            return row
        return NumberSetting(name, value, default, metadata, whole=isinstance(default, int), fixed=fixed)

    def on_settings_changed(self, message: SettingsChanged) -> None:
        for row in self.query(SettingRow):
            row.value = getattr(message.settings, row.setting)
            row.fixed = row.setting in self.services.loaded.fixed
        for picker in self.query(ThemePicker):
            picker.chosen = message.settings.app_theme
        if self.group == "keys":
            self._list_keys()
        self._find_problems()

    @work(exclusive=True, group="problems")
    async def _find_problems(self) -> None:
        problems = await self.app.settings_problems()  # type: ignore[attr-defined]
        shown = self.query_one("#problems", Static)
        shown.set_class(bool(problems), "-some")
        first = f"({len(problems)} things) " if len(problems) > 2 else ""
        shown.update(
            Content("\n".join(f"! {first if not at else ''}{visible(line)}" for at, line in enumerate(problems)))
        )

    # Groups

    def action_group(self, name: str) -> None:
        self.group = name

    def on_view_strip_chosen(self, message: ViewStrip.Chosen) -> None:
        message.stop()
        self.group = message.view

    # Changes

    @on(SettingRow.Changed)
    def _change(self, message: SettingRow.Changed) -> None:
        message.stop()
        self.post_message(ChangeSetting(message.row.setting, message.value))

    @on(TextSetting.Wanted)
    @work
    async def _write(self, message: TextSetting.Wanted) -> None:
        from gpt_tui.widgets.dialogs import Ask

        row = message.row
        written = await self.app.push_screen_wait(
            Ask(row.metadata["meaning"], row.value, placeholder=row.empty, check=_wrong_folder)
        )
        if written is not None:
            row.ask(written.strip())

    @on(ThemePicker.Looked)
    def _look(self, message: ThemePicker.Looked) -> None:
        self.app.show_theme(message.name or self.services.settings.app_theme)  # type: ignore[attr-defined]

    @on(ThemePicker.Chosen)
    def _keep(self, message: ThemePicker.Chosen) -> None:
        if "app_theme" in self.services.loaded.fixed:
            self.notify("settings.toml sets app.theme, and what it says wins. Change it there.", markup=False)
        else:
            self.post_message(ChangeSetting("app_theme", message.name))

    # Keys

    @work(exclusive=True, group="keys")
    async def _list_keys(self) -> None:
        if not self._actions:
            self._actions = await asyncio.to_thread(keys.actions)
        chosen = keys.usable(self.services.settings.keys)
        fixed = frozenset(name.partition(".")[2] for name in self.services.loaded.fixed if name.startswith("keys."))
        for shown in self.query(KeyList):
            shown.show(keys.merged(self._actions, chosen), chosen, fixed)

    @on(KeyList.Wanted)
    @work
    async def _give_key(self, message: KeyList.Wanted) -> None:
        from gpt_tui.widgets.key_dialog import KeyDialog

        action = message.action
        if self._stands(action.id):
            return
        others = self.services.settings.keys

        def check(key: str) -> list[str]:
            start = f"keys: {action.id}: "
            return [
                line.removeprefix(start).removeprefix("keys: ")
                for line in keys.problems({**others, action.id: key}, self._actions)
                if action.id in line
            ]

        now = "  ".join(keys.spelled(key) for key in action.keys)
        key = await self.app.push_screen_wait(KeyDialog(action.description, now, check=check))
        if key is not None:
            self.post_message(ChangeKey(action.id, key))

    @on(KeyList.Default)
    def _default_key(self, message: KeyList.Default) -> None:
        if not self._stands(message.action.id):
            self.post_message(ChangeKey(message.action.id, None))

    def _stands(self, identity: str) -> bool:
        """Whether settings.toml says that key, which is said."""
        fixed = f"keys.{identity}" in self.services.loaded.fixed
        if fixed:
            self.notify("settings.toml says this key, and what it says wins. Change it there.", markup=False)
        return fixed

    # The file

    def action_edit(self) -> None:
        """The user's own editor on settings.toml, which is made by it, not by us."""
        from gpt_tui.drafting.own_editor import edit

        problem = edit(self.app, locations.settings_file())
        if problem:
            self.notify(problem, severity="error", markup=False)
        self.app.reload_settings()  # type: ignore[attr-defined]


def folder_lines() -> Content:
    """Where everything lies."""
    places = {
        "Models": locations.models_dir(),
        "Drafts": locations.drafts_dir(),
        "Conversations": locations.conversations_dir(),
        "Themes": locations.themes_dir(),
        "Logs": locations.logs_dir(),
        "Trash": locations.trash_dir(),
        "Cache": locations.cache_dir(),
        "settings.toml": locations.settings_file(),
    }
    lines = [Content.assemble((name.ljust(23), "bold"), visible(str(path))) for name, path in places.items()]
    hint = Content.styled(
        f"The environment variable {locations.HOME_VARIABLE} puts all of it into one folder.", "$faint"
    )
    return Content("\n").join([*lines, Content(""), hint])


def _wrong_folder(text: str) -> str | None:
    """What is wrong with a folder to export to; one that is not there yet will be made."""
    path = locations.expanded(text.strip())
    if text.strip() and path.exists() and not path.is_dir():
        return f"{path.name} is a file; a folder is needed."
    return None
