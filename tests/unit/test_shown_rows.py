"""How rows look on a terminal."""

from __future__ import annotations

import pandas as pd
import pytest

from kracken_tasks.cli import values

_WIDE = pd.DataFrame({f"a_column_{number}": [f"value-{number}-that-is-long"] for number in range(8)})


@pytest.fixture
def narrow() -> None:
    """Eighty columns, as where no terminal tells its width."""
    values.console.width = 80


@pytest.mark.usefixtures("narrow")
def test_a_row_too_wide_for_the_terminal_is_not_broken_into_letters(capsys: pytest.CaptureFixture[str]) -> None:
    values.show_frame(_WIDE)
    lines = capsys.readouterr().out.splitlines()
    assert "a_column_3  value-3-that-is-long" in lines
    assert lines[-1] == "1 rows"


@pytest.mark.usefixtures("narrow")
def test_the_middle_of_many_wide_rows_is_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    values.show_frame(pd.concat([_WIDE] * 100, ignore_index=True))
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("…") == 1
    assert sum(line.startswith("a_column_0") for line in lines) == 40
    assert lines[-1] == "100 rows"
