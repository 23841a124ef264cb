"""What waits for the lake: never more than there is room for, in order, and with a gap wherever something had to give way."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import utc
from kracken_tasks.exchange.streams import Batch, FeedKey, FeedSource, Gap, PublicTrade
from kracken_tasks.feeds.backlog import Backlog, Round, covered
from tests.support.recording import TICKER, TRADES

START = utc(2024, 3, 1)
SECOND = timedelta(seconds=1)


def batch(number: int, rows: int = 1, *, key: FeedKey = TRADES, known: bool = True) -> Batch:
    """Seconds [number, number + rows), a trade each."""
    stamps = [START + SECOND * (number + at) for at in range(rows)]
    items = tuple(PublicTrade(ts, 100.0, 1.0, "b", "m", number + at) for at, ts in enumerate(stamps))
    return Batch(key, FeedSource.STREAM, items, stamps[-1], (stamps[0], stamps[-1] + SECOND) if known else None)


def ids(rounds: list[Round], key: FeedKey = TRADES) -> list[list[int]]:
    return [[item.trade_id for one in told.batches.get(key, ()) for item in one.items] for told in rounds]  # type: ignore[union-attr, misc]


def test_what_has_no_room_leaves_a_gap_of_exactly_its_own_times() -> None:
    backlog = Backlog(3)
    for number in range(5):
        backlog.add(batch(number))
    first, second = backlog.take()
    assert first.batches == {}
    assert [(gap.start, gap.end) for gap in first.gaps] == [(START, START + 2 * SECOND)]
    assert "no room" in first.gaps[0].reason
    assert ids([second]) == [[2, 3, 4]]
    assert backlog.gave_way == 2
    assert not backlog


def test_oldest_rows_give_way_whichever_feed_they_are_of() -> None:
    backlog = Backlog(2)
    backlog.add(batch(0, key=TICKER))
    backlog.add(batch(1))
    backlog.add(batch(2))
    rounds = backlog.take()
    assert [gap.key for one in rounds for gap in one.gaps] == [TICKER]
    assert ids(rounds) == [[1, 2]]


def test_rows_that_could_not_be_committed_go_before_those_that_came_since() -> None:
    backlog = Backlog(10)
    backlog.add(batch(0))
    taken = backlog.take()
    backlog.add(batch(1))
    backlog.put_back(taken)
    assert ids(backlog.take()) == [[0, 1]]


def test_told_gap_lies_between_two_commits_also_when_both_had_to_wait() -> None:
    backlog = Backlog(10)
    backlog.add(batch(0))
    backlog.add(Gap(TRADES, START + SECOND, START + 4 * SECOND, "REST does not answer", START))
    backlog.add(batch(4))
    backlog.put_back(backlog.take())
    first, second = backlog.take()
    assert ids([first, second]) == [[0], [4]]
    assert [gap.reason for gap in first.gaps] == ["REST does not answer"]
    assert second.gaps == []


def test_polls_that_speak_for_no_span_are_cut_where_some_gave_way() -> None:
    backlog = Backlog(2)
    first = [batch(number, known=False) for number in (0, 10)]
    for one in first:
        backlog.add(one)
    flying = backlog.take()
    for number in (20, 30, 40):
        backlog.add(batch(number, known=False))
    backlog.put_back(flying[:1])
    spans = [covered(one.batches[TRADES]) for one in backlog.take() if one.batches]
    assert all(end - start <= 11 * SECOND for start, end in spans)


@settings(max_examples=200, deadline=None)
@given(
    most=st.integers(1, 12),
    script=st.lists(st.one_of(st.integers(1, 4), st.sampled_from(["commit", "fail"])), max_size=40),
)
def test_every_second_is_committed_or_a_gap_and_never_both(most: int, script: list[int | str]) -> None:
    backlog = Backlog(most)
    now, done, failing = 0, list[Round](), list[Round]()
    for step in [*script, "commit", "commit"]:
        if isinstance(step, int):
            backlog.add(batch(now, step))
            now += step
            assert backlog.rows <= most
        elif step == "fail" and not failing:
            failing = backlog.take()  # on its way while more comes
        else:
            backlog.put_back(failing)
            failing = []
            assert backlog.rows <= most
            if step == "commit":
                done += backlog.take()
    committed = {START + SECOND * number for told in ids(done) for number in told}
    claimed = [covered(batches) for one in done for batches in one.batches.values()]
    gaps = [(gap.start, gap.end) for one in done for gap in one.gaps]
    for number in range(now):
        moment = START + SECOND * number
        assert (moment in committed) is _within(moment, claimed)
        assert (moment in committed) is not _within(moment, gaps)
    assert len(committed) + backlog.gave_way == now


def _within(moment: datetime, spans: list[tuple[datetime, datetime]]) -> bool:
    return any(start <= moment < end for start, end in spans)
