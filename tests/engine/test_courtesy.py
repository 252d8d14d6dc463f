"""Who works in the background steps back, whether or not he has a session of his own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os
from pathlib import Path
from engine.courtesy import give_way
before = os.nice(0)
give_way(7)
print(os.nice(0) - before)
group = Path("/proc/self/autogroup")
print(*(group.read_text().split() if group.exists() else []) or ["none"])
"""


@pytest.mark.skipif(not hasattr(os, "nice"), reason="this system knows no niceness")
@pytest.mark.parametrize("own_session", [True, False])
def test_it_lowers_its_own_claim_and_that_of_its_own_session(own_session: bool) -> None:
    group = Path("/proc/self/autogroup")
    before = (group.read_text().split() if group.exists() else []) or ["none"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, start_new_session=own_session
    )
    steps, *session = done.stdout.split()
    assert steps == "7"
    # A session may be in no group although the system has them: then one of its own may be, or not.
    if own_session and session != ["none"]:
        assert session[-1] == "7"
    elif not own_session:
        assert session == before
