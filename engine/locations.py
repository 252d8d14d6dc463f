"""Where everything lies: the only file that knows a path.

Everything of the user's stands under the platform's data and config directories, or, when the environment variable
`GPT_TUI_HOME` is set, under that one folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP = "gpt-tui"
HOME_VARIABLE = "GPT_TUI_HOME"


def _home() -> Path | None:
    value = os.environ.get(HOME_VARIABLE, "").strip()
    if not value:
        return None
    try:
        return expanded(value).resolve()
    except (OSError, RuntimeError):  # links in a circle: whoever writes there is told
        return expanded(value)


def expanded(path: str | Path) -> Path:
    """The path with `~` at its beginning replaced by a home; as it is where there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def data_dir() -> Path:
    """The root of what the user makes: models, drafts, conversations, exports."""
    return _home() or platformdirs.user_data_path(APP, appauthor=False)


def config_dir() -> Path:
    """The root of what the user sets: settings.toml, themes."""
    return _home() or platformdirs.user_config_path(APP, appauthor=False)


def models_dir() -> Path:
    return data_dir() / "models"


def drafts_dir() -> Path:
    return data_dir() / "drafts"


def conversations_dir() -> Path:
    return data_dir() / "conversations"


def exports_dir() -> Path:
    return data_dir() / "exports"


def cache_dir() -> Path:
    """Token files and measurements of this machine: may be deleted at any time."""
    return data_dir() / "cache"


def logs_dir() -> Path:
    return data_dir() / "logs"


def trash_dir() -> Path:
    return data_dir() / "trash"


def themes_dir() -> Path:
    return config_dir() / "themes"


def settings_file() -> Path:
    return config_dir() / "settings.toml"


def state_file() -> Path:
    return data_dir() / "state.toml"


def base_dir() -> Path:
    """The models that ship, which trainings may go on from: a folder each, of its name."""
    return Path(__file__).resolve().parent / "base"


def corpora_dir() -> Path:
    """The corpora that ship: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "corpora"
    return installed if installed.is_dir() else package.parent / "corpora"
