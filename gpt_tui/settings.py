"""The user's settings and keys, and the app's own state.

`settings.toml` is the user's: read, never written. What is set on the Settings screen, and what the app remembers, goes
to `state.toml`. A key that settings.toml sets wins. A value that is wrong is named, and the default stands.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from threading import Lock
from typing import Any

from engine import files, locations
from engine.config import check_fields, setting
from engine.errors import ConfigError, StorageError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set; in TOML the part before the first underscore of a name is its table."""

    app_theme: str = setting("ink", "The colours: one of the themes that come with it, or a file in themes/.")
    app_cursor_blink: bool = setting(True, "Whether the cursor blinks.")
    app_terminal_progress: bool = setting(True, "Whether the terminal's tab and title show how far a training is.")
    app_notify_end: bool = setting(True, "Whether a notice says that a training has ended.")
    app_plot: str = setting("auto", "What curves are drawn with.", choices=("auto", "braille", "blocks"))
    app_exports: str = setting("", "The folder that exports go to; empty: exports/ among the app's own.")
    training_minutes: float = setting(2.0, "Minutes of a new training.", gt=0.0, le=525_600.0)
    training_preset: str = setting(
        "auto", "Size of a new model.", choices=("auto", "classic", "nano", "small", "medium", "large")
    )
    training_tokenizer: str = setting("bpe", "Tokens of a new model.", choices=("bpe", "byte", "word"))
    training_device: str = setting("auto", "Where it is computed.", choices=("auto", "cpu", "cuda", "mps"))
    writing_width: int = setting(72, "Columns of the text; 0: as wide as the screen.", ge=0, le=400)
    writing_suggest_after: float = setting(
        0.0, "Seconds without a key after which a suggestion comes of itself; 0: when asked for.", ge=0.0, le=60.0
    )
    writing_max_new_tokens: int = setting(200, "Tokens that a continuation has at most.", ge=1, le=100_000)
    writing_temperature: float = setting(0.8, "Below 1: safer words; above 1: wilder ones.", ge=0.0, le=100.0)
    writing_top_k: int = setting(50, "Choose among the k likeliest tokens; 0: among all.", ge=0, le=1_000_000)
    writing_top_p: float = setting(1.0, "Choose among the likeliest that have this probability.", gt=0.0, le=1.0)
    writing_min_p: float = setting(0.05, "Leave out what is less likely than this share.", ge=0.0, le=1.0)
    writing_repetition_penalty: float = setting(1.0, "Above 1: fewer words come again.", ge=0.01, le=100.0)
    keys: dict[str, str] = field(default_factory=dict, metadata={"meaning": "Keys by the id of what they do."})

    def __post_init__(self) -> None:
        check_fields(self)

    def changed(self, **values: Any) -> Settings:
        """These settings with other values. Raises `ConfigError`."""
        return replace(self, **values)


def spelling(name: str) -> str:
    """How a setting is spelled in TOML: `writing_top_k` is `writing.top_k`, the key `top_k` of the table `writing`."""
    return name.replace("_", ".", 1)


def wrong(name: str, value: Any) -> str:
    """What is wrong with a value of a setting, in one line; empty when nothing is."""
    try:
        Settings(**{name: value})
    except ConfigError as error:
        return str(error).partition(":")[2].strip()
    return ""


@dataclass(frozen=True)
class Loaded:
    """The settings as they stand, which of them settings.toml fixes, and what is wrong with either file, a line each.

    A key of the keyboard that it fixes stands among `fixed` as `keys.` and its id.
    """

    settings: Settings
    fixed: frozenset[str]
    problems: tuple[str, ...]


class State:
    """state.toml: what was set in the app, and what it remembers (`memory`: the last model, draft, folder, …).

    It is the app's own: when it cannot be read it begins anew, and when it cannot be written the app goes on.
    """

    def __init__(self) -> None:
        self.problem = ""
        """Why it could not be read or written, in one line; empty when it could."""
        self.postpone: Callable[[], None] | None = None
        """Called when there is something to save, by whoever sees to it that `save` is called soon; None: at once."""
        table = _read(locations.state_file(), self._tell)
        self.settings: dict[str, Any] = _table(table, "settings")
        self.memory: dict[str, Any] = _table(table, "memory")
        self._changes: dict[tuple[str, str], Any] = {}
        self._noting, self._saving = Lock(), Lock()  # what has changed is noted while something is being written

    def remember(self, key: str, value: Any) -> None:
        """Keep a plain value; None forgets it."""
        if self.memory.get(key) != value:
            self._keep("memory", self.memory, key, value)

    def set(self, name: str, value: Any) -> None:
        """Keep a setting; None takes the default again."""
        self._keep("settings", self.settings, name, value)

    def set_key(self, identity: str, key: str | None) -> None:
        """Keep the key of a binding; None takes its own again."""
        chosen = {**_table(self.settings, "keys"), identity: key}
        self.set("keys", {name: value for name, value in chosen.items() if value is not None} or None)

    def save(self) -> None:
        """Write what has changed, over what another app has written meanwhile. It may take a disk's time."""
        import tomli_w

        with self._saving:
            with self._noting:
                changes, self._changes = self._changes, {}
            if not changes:
                return
            self.problem = ""
            table = _read(locations.state_file(), lambda problem: None)
            kept = {"settings": _table(table, "settings"), "memory": _table(table, "memory")}
            for (part, key), value in changes.items():
                kept[part][key] = value
            plain = {part: {k: v for k, v in values.items() if v is not None} for part, values in kept.items()}
            try:
                files.write_text(locations.state_file(), tomli_w.dumps(plain))
            except StorageError as error:
                with self._noting:
                    self._changes = {**changes, **self._changes}
                self._tell(str(error))

    def _keep(self, part: str, values: dict[str, Any], key: str, value: Any) -> None:
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
        with self._noting:
            self._changes[part, key] = value
        if self.postpone is not None:
            self.postpone()
        else:
            self.save()

    def _tell(self, problem: str) -> None:
        self.problem = problem


def load(state: State) -> Loaded:
    """The defaults, over them what the app set, over that what settings.toml says."""
    problems: list[str] = [state.problem] if state.problem else []
    known = {f.name for f in fields(Settings)}
    values: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for name, value in state.settings.items():
        if name == "keys":
            keys |= _keys(value, "state.toml", problems)
        elif name in known:
            _take(values, name, value, "state.toml", problems)
    written = _flat(_read(locations.settings_file(), problems.append), known)
    fixed = set()
    for name, value in written.items():
        if name == "keys":
            chosen = _keys(value, "settings.toml", problems)
            fixed |= {f"keys.{identity}" for identity in chosen}
            keys |= chosen
        elif name not in known:
            problems.append(f"settings.toml: {spelling(name)}: no such setting.{_nearest(name, known)}")
        elif _take(values, name, value, "settings.toml", problems):
            fixed.add(name)
    return Loaded(Settings(**values, keys=keys), frozenset(fixed), tuple(problems))


def _nearest(name: str, known: set[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known - {"keys"}, n=1)
    return f" Did you mean {spelling(close[0])}?" if close else ""


def _take(values: dict[str, Any], name: str, value: Any, file: str, problems: list[str]) -> bool:
    if problem := wrong(name, value):
        problems.append(f"{file}: {spelling(name)}: {problem} The default stands.")
        return False
    values[name] = value
    return True


def _keys(table: Any, file: str, problems: list[str]) -> dict[str, str]:
    """The keys that a file chooses, by the id of what they do: "compose.continue" = "ctrl+g"; without the quotation
    marks TOML makes tables of it, which are taken as they were meant."""
    if not isinstance(table, Mapping):
        problems.append(f'{file}: keys: it is a table: [keys], and below it lines as "app.help" = "f1".')
        return {}
    chosen: dict[str, str] = {}
    for identity, value in table.items():
        if isinstance(value, Mapping):
            chosen |= _keys({f"{identity}.{inner}": item for inner, item in value.items()}, file, problems)
        elif not isinstance(value, str) or not value.strip():
            problems.append(f'{file}: keys: {identity}: {value!r} is no key, as "ctrl+g" or "f7". Its own stands.')
        else:
            chosen[identity] = value.strip()
    return chosen


def _flat(table: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Tables of a file as names of settings; what is a setting whole, as `keys`, stays whole."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known and isinstance(value, Mapping):
            flat |= {f"{key}_{inner}": item for inner, item in value.items()}
        else:
            flat[key] = value
    return flat


def _read(path: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        tell(f"{path.name}: cannot be read ({error.strerror or error}); the defaults stand.")
    except (ValueError, RecursionError) as error:
        tell(f"{path.name}: it is not TOML ({' '.join(str(error).split())}); the defaults stand.")
    return {}


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return dict(value) if isinstance(value, Mapping) else {}
