"""How bytes reach the disk: what a killed process leaves, and whose a lock is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from engine import files
from engine.errors import BusyError


def test_what_a_killed_process_left_is_removed_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in (".tmp-1-model.toml", "run/.tmp-2-state.safetensors", "run/state.safetensors"):
        (tmp_path / name).write_text("x")
    files.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["state.safetensors"]


def test_what_is_being_written_by_another_is_left_alone(tmp_path: Path) -> None:
    old, new = tmp_path / ".tmp-1-old.tokens", tmp_path / ".tmp-2-new.tokens"
    for path in (old, new):
        path.write_text("x")
    os.utime(old, (0, 0))
    files.remove_leftovers(tmp_path, older_than=3600)
    assert new.exists() and not old.exists()


def test_a_lock_that_one_thread_took_another_may_let_go(tmp_path: Path) -> None:
    lock = files.ModelLock(tmp_path).acquire()
    with pytest.raises(BusyError):
        files.ModelLock(tmp_path).acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    files.ModelLock(tmp_path).acquire().release()


def test_a_home_that_is_a_file_has_an_empty_trash(home: Path) -> None:
    home.write_text("no folder")
    assert files.trashed("models") == {}
