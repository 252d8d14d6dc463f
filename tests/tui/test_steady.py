"""What ends the app, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.css.query import NoMatches
from textual.worker import WorkerFailed

from gpt_tui.steady import Steady

pytestmark = pytest.mark.asyncio
GONE = [NoMatches("#plot"), WorkerFailed(NoMatches("#plot"))]


@pytest.mark.parametrize("error", GONE)
async def test_who_misses_a_part_of_the_screen_while_the_app_leaves_does_not_fail(home: Path, error: Exception) -> None:
    app = Steady()
    async with app.run_test():
        pass
    app._handle_exception(error)
    assert app._exception is None and not app.return_code


@pytest.mark.parametrize("error", GONE)
async def test_who_misses_it_before_ends_the_app_in_one_line(
    home: Path, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Steady()
    with pytest.raises(type(error)):
        async with app.run_test():
            app._handle_exception(error)
    assert app.return_code == 1
    said = capsys.readouterr().err
    assert "it failed unexpectedly (NoMatches: #plot)" in said and said.count("\n") == 1
