"""Work in the background that lets what a person waits for go first."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")


def give_way(niceness: int) -> None:
    """Lower this process's claim on the processors by so many steps of niceness (0 to 19). Idle ones are its own.

    Linux weighs sessions against each other before it looks at the niceness of what runs in them (autogroups, see
    sched(7)): a process with a session of its own has to lower the session's weight as well, and nothing else runs in
    that. Where the system knows neither, nothing happens.
    """
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(niceness)
    if hasattr(os, "getsid") and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(f"{niceness}\n")
