"""Long or short, by the calendar."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.errors import Misconfigured
from kracken_tasks.tax.term import term_of, zone_named

UTC, LONDON, NEW_YORK = zone_named("UTC"), zone_named("Europe/London"), zone_named("America/New_York")


@pytest.mark.parametrize(
    ("acquired", "first_long_day"),
    [
        ("2023-01-01", "2024-01-02"),  # the anniversary itself is not more than a year
        ("2023-02-28", "2024-03-01"),  # 29 February 2024 is the last day of the year
        ("2024-02-28", "2025-03-01"),
        ("2024-02-29", "2025-03-01"),
        ("2023-03-01", "2024-03-02"),  # 366 days between, still one year
        ("2023-12-31", "2025-01-01"),
        ("2024-12-31", "2026-01-01"),
    ],
)
def test_a_lot_is_long_from_the_day_after_the_anniversary(acquired, first_long_day):
    bought, long_from = parse_utc(acquired), parse_utc(first_long_day)
    assert term_of(bought, long_from, UTC) == "LONG"
    assert term_of(bought, long_from - timedelta(seconds=1), UTC) == "SHORT"


def test_the_hour_of_the_day_does_not_count():
    assert term_of(parse_utc("2023-05-10T23:59:59Z"), parse_utc("2024-05-11T00:00:00Z"), UTC) == "LONG"
    assert term_of(parse_utc("2023-05-10T00:00:00Z"), parse_utc("2024-05-10T23:59:59Z"), UTC) == "SHORT"


def test_a_late_evening_in_utc_is_the_next_day_in_london_summer():
    bought = parse_utc("2023-07-14T12:00:00Z")
    sold = parse_utc("2024-07-14T23:30:00Z")
    assert (term_of(bought, sold, UTC), term_of(bought, sold, LONDON)) == ("SHORT", "LONG")


def test_london_is_not_ahead_in_winter():
    bought, sold = parse_utc("2023-01-14T12:00:00Z"), parse_utc("2024-01-14T23:30:00Z")
    assert term_of(bought, sold, LONDON) == "SHORT"


def test_the_day_of_acquisition_is_the_zones_day_too():
    bought, sold = parse_utc("2023-07-15T02:00:00Z"), parse_utc("2024-07-15T12:00:00Z")
    assert (term_of(bought, sold, UTC), term_of(bought, sold, NEW_YORK)) == ("SHORT", "LONG")


def test_a_zone_that_is_not_there_names_the_key():
    with pytest.raises(Misconfigured, match="tax_timezone 'Europe/Londn'"):
        zone_named("Europe/Londn")
