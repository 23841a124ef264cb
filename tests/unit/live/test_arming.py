"""Arming: by a named person, for a stated time, kept in the ledger, and over when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import Misconfigured
from kracken_tasks.ledger import Ledger, Source
from kracken_tasks.live import (
    FirstOrders,
    arm,
    arming_of,
    arming_told,
    disarm,
    passed_recently,
    remember,
    why_not_armed,
)
from tests.support.ledger import sqlite_url

NOW = utc(2024, 3, 1, 12)
DAY = timedelta(days=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as opened:
        yield opened


def armed(ledger: Ledger, duration: timedelta = DAY, **changes: str) -> None:
    said = {"account": "main", "by": "ada", "reason": "go"} | changes
    arm(ledger, duration=duration, now=NOW, **said)


def test_an_account_nobody_armed_is_not_armed(ledger: Ledger) -> None:
    assert why_not_armed(ledger, NOW) == "account main was never armed (kracken arm)"
    assert arming_of(ledger) is None


def test_an_arming_holds_to_its_last_moment_and_not_beyond(ledger: Ledger) -> None:
    armed(ledger, timedelta(hours=8))
    assert why_not_armed(ledger, NOW + timedelta(hours=8) - timedelta(seconds=1)) == ""
    assert why_not_armed(ledger, NOW + timedelta(hours=8)) == "armed by ada until 2024-03-01T20:00:00Z, which is over"


def test_who_armed_it_and_why_stands_in_the_ledger_and_is_told(ledger: Ledger) -> None:
    armed(ledger, by="  Ada   L. ", reason="after\nthe talk")
    (note,) = ledger.notes("arming")
    assert (note.source, note.cause) == (Source.PERSON, "Ada L.")
    assert note.payload["reason"] == "after the talk"
    (alert,) = ledger.alerts()
    assert alert.payload["text"] == (
        "live trading of account main armed by Ada L.: after the talk; until 2024-03-02T12:00:00Z"
    )


def test_disarming_ends_it_at_once_and_arming_again_begins_anew(ledger: Ledger) -> None:
    armed(ledger)
    disarm(ledger, by="bob", reason="odd fills", now=NOW)
    assert why_not_armed(ledger, NOW) == "disarmed by bob at 2024-03-01T12:00:00Z: odd fills"
    armed(ledger)
    assert why_not_armed(ledger, NOW) == ""


def test_two_words_within_one_second_of_the_venue_s_clock_both_stand_and_the_last_counts(ledger: Ledger) -> None:
    armed(ledger)
    disarm(ledger, by="ada", reason="no", now=NOW)
    armed(ledger, by="bob")
    assert [note.payload["by"] for note in ledger.notes("arming")] == ["ada", "ada", "bob"]
    assert len(ledger.alerts()) == 3
    newest = arming_of(ledger)
    assert newest is not None
    assert newest.by == "bob"


def test_a_shorter_arming_takes_the_place_of_a_longer_one(ledger: Ledger) -> None:
    armed(ledger, 5 * DAY)
    armed(ledger, timedelta(minutes=1))
    assert why_not_armed(ledger, NOW + DAY)


@pytest.mark.parametrize("duration", [timedelta(0), -DAY, 31 * DAY])
def test_an_arming_without_an_end_or_a_beginning_is_refused(ledger: Ledger, duration: timedelta) -> None:
    with pytest.raises(Misconfigured, match="above zero and at most 30 days"):
        armed(ledger, duration)
    assert ledger.notes("arming") == ()


def test_another_account_s_name_arms_nothing(ledger: Ledger) -> None:
    with pytest.raises(Misconfigured, match="'Main' is not the one that trades here, 'main'"):
        armed(ledger, account="Main")


@pytest.mark.parametrize("changes", [{"by": " "}, {"reason": ""}])
def test_an_arming_without_a_name_or_a_reason_is_refused(ledger: Ledger, changes: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="need"):
        armed(ledger, **changes)


def test_it_survives_the_process(tmp_path: Path) -> None:
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as first:
        armed(first)
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as second:
        assert why_not_armed(second, NOW) == ""


def test_another_book_of_the_same_database_is_not_armed_by_it(tmp_path: Path) -> None:
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as first:
        armed(first)
    with Ledger.open(sqlite_url(tmp_path), account="other", exchange="kraken") as second:
        assert why_not_armed(second, NOW)


def test_a_preflight_counts_for_its_own_rules_for_its_time_and_not_from_before_the_arming(ledger: Ledger) -> None:
    remember(ledger, rules="a", now=NOW - timedelta(minutes=1))
    armed(ledger)
    hours = timedelta(hours=6)
    assert not passed_recently(ledger, rules="a", now=NOW, within=hours)
    remember(ledger, rules="a", now=NOW)
    assert passed_recently(ledger, rules="a", now=NOW + hours, within=hours)
    assert not passed_recently(ledger, rules="a", now=NOW + hours + timedelta(seconds=1), within=hours)
    assert not passed_recently(ledger, rules="b", now=NOW, within=hours)
    disarm(ledger, by="ada", reason="no", now=NOW)
    assert not passed_recently(ledger, rules="a", now=NOW, within=hours)


WORDS = st.lists(st.tuples(st.sampled_from(["arm", "disarm"]), st.integers(0, 300), st.integers(1, 120)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(words=WORDS, asked=st.integers(0, 500))
def test_it_is_armed_exactly_while_the_last_word_armed_it(
    tmp_path_factory: pytest.TempPathFactory, words: list[tuple[str, int, int]], asked: int
) -> None:
    minute = timedelta(minutes=1)
    with Ledger.open(sqlite_url(tmp_path_factory.mktemp("l")), account="main", exchange="kraken") as ledger:
        until = -1
        for word, at, span in sorted(words, key=lambda word: word[1]):
            now = NOW + at * minute
            if word == "arm":
                arm(ledger, account="main", by="ada", reason="go", duration=span * minute, now=now)
                until = at + span
            else:
                disarm(ledger, by="ada", reason="no", now=now)
                until = -1
        last = max((at for _, at, _ in words), default=0)
        moment = max(asked, last)
        assert (why_not_armed(ledger, NOW + moment * minute) == "") == (moment < until)


def test_how_it_stands_with_real_money_is_told_with_name_end_and_cap(ledger: Ledger) -> None:
    first = FirstOrders(25.0, 3)
    assert arming_told(ledger, first, NOW) == (
        "not armed: account main was never armed (kracken arm)",
        "before its first entry: at most 25.00 an order, and so for 3 days after it",
    )
    armed(ledger, timedelta(hours=8))
    assert arming_told(ledger, first, NOW)[0] == "account main armed by ada until 2024-03-01T20:00:00Z: go"
    assert arming_told(ledger, first, NOW + timedelta(hours=8))[0] == (
        "not armed: armed by ada until 2024-03-01T20:00:00Z, which is over"
    )


def test_an_arming_out_of_a_backup_arms_nothing_for_it_may_have_been_taken_back_since(
    ledger: Ledger, tmp_path: Path
) -> None:
    arm(ledger, account="main", by="ada", reason="go", duration=timedelta(days=2), now=NOW)
    ledger.backup(tmp_path / "backup.gz")
    disarm(ledger, by="ada", reason="enough", now=NOW)
    folder = tmp_path / "new machine"
    folder.mkdir()
    with Ledger.open(sqlite_url(folder), account="main", exchange="kraken") as restored:
        restored.restore(tmp_path / "backup.gz", ts=NOW)
        why = why_not_armed(restored, NOW)
        assert "restored from a backup" in why
        assert not passed_recently(restored, rules="r", now=NOW, within=timedelta(hours=1))
        arm(restored, account="main", by="bob", reason="looked", duration=timedelta(days=1), now=NOW)
        assert why_not_armed(restored, NOW) == ""
