"""The documented settings are the settings there are."""

from __future__ import annotations

from docs.make_settings import current, expected


def test_the_tables_of_the_documentation_are_those_of_the_models() -> None:
    text = current()
    assert text == expected(text), "docs/settings.md is out of date: python -m docs.make_settings"


def test_every_table_names_defaults_and_bounds() -> None:
    text = current()
    assert "| `risk_management.stop_loss_pct` | number from 0.001 to 0.5 | `0.03` |" in text
    assert "`BOT_MODE`" in text
    assert "`TELEGRAM_TOKEN`" in text
