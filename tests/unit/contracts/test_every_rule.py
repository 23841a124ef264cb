"""Every rule of every contract has a frame that breaks it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.contracts import row_findings
from kracken_tasks.contracts.neighbours import closes_elsewhere, prices_elsewhere
from kracken_tasks.contracts.rows import ROW_CHECKS, ROW_RULES
from kracken_tasks.contracts.subject import ROWS_OF, Candles, Elsewhere, Rows
from tests.support.candle_frames import BTC, START, candle_frame, hours
from tests.support.contract_frames import clean_frame, contract_of, judged, later, quotes_frame, trades_frame

PRICES = ["open", "high", "low", "close", "vwap"]
Change = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Case:
    """How to break a clean frame, how many rows are then told, and facts other than the usual ones."""

    change: Change
    rows: int = 1
    facts: dict[str, Any] = field(default_factory=dict)


def put(at: int, **values: object) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for name, value in values.items():
            frame.loc[at, name] = value
        return frame

    return change


def times(at: int | slice, by: float, columns: list[str]) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[at, columns] *= by
        return frame

    return change


def stamped(at: int, stamp: Callable[[pd.Timestamp], pd.Timestamp], column: str = "ts") -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[at, column] = stamp(frame.loc[at, column])
        return frame

    return change


def moved(at: int, column: str = "ts", **by: float) -> Change:
    return stamped(at, lambda ts: ts + pd.Timedelta(**by), column)


def in_seconds(ts: pd.Timestamp) -> pd.Timestamp:
    """The moment that comes of seconds read as milliseconds."""
    return pd.Timestamp(ts.timestamp() / 1000, unit="s", tz="UTC").as_unit("ms")


def without(column: str) -> Change:
    return lambda frame: frame.drop(columns=column)


def rows_at(*places: int) -> Change:
    return lambda frame: frame.iloc[list(places)].reset_index(drop=True)


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[*range(10), 11, 10, *range(12, len(frame))]].reset_index(drop=True)


def twice(at: int, **values: object) -> Change:
    """The same row again, with some values changed."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        again = frame.iloc[[*range(at + 1), *range(at, len(frame))]].reset_index(drop=True)
        return put(at + 1, **values)(again)

    return change


def padded(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[5:35, ["open", "high", "low", "close"]] = frame.loc[5, "open"]
    frame.loc[5:35, ["volume", "vwap"]] = 0.0
    frame.loc[5:35, "trades"] = 0
    return frame


def said_again(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[7, [*PRICES, "volume"]] = frame.loc[6, [*PRICES, "volume"]]
    return frame


def in_quote(frame: pd.DataFrame) -> pd.DataFrame:
    """A hundred rows that turn from base to quote at the 37th."""
    price = "close" if "close" in frame else "price"
    longer = candle_frame(100) if price == "close" else trades_frame(100)
    longer.loc[36:, "volume"] *= longer.loc[36:, price]
    return longer


def standing(frame: pd.DataFrame) -> pd.DataFrame:
    still = quotes_frame(80)
    still[["bid", "ask", "bid_volume", "ask_volume"]] = still.loc[
        0, ["bid", "ask", "bid_volume", "ask_volume"]
    ].to_numpy()
    return still


def other(dataset: str, by: float = 1.0) -> Rows:
    """Another venue's rows, the same market in clean."""
    frame = clean_frame(dataset)
    names = {"candles": PRICES, "trades": ["price"], "quotes": ["bid", "ask"]}[dataset]
    return ROWS_OF[dataset].of(times(slice(None), by, names)(frame))


def events_elsewhere(dataset: str, *factors: float) -> Elsewhere | None:
    venues = {f"venue {number}": other(dataset, by) for number, by in enumerate(factors)}
    return prices_elsewhere(venues, ROWS_OF[dataset].of(clean_frame(dataset)).ts)


TWO = closes_elsewhere({"binance": other("candles"), "bitstamp": other("candles", 1.01)})
ONE = closes_elsewhere({"binance": other("candles")})
LONG = candle_frame(200)
SHIFTED = closes_elsewhere({"binance": Candles.of(LONG.assign(ts=LONG["ts"] + pd.Timedelta(hours=1)))})
MISPRINTED = Candles.of(times(19, 12.0, PRICES)(candle_frame(40)).iloc[:20])
LOW = {"open": 101.0, "high": 103.0, "low": 101.5, "close": 102.0, "vwap": 102.0}
HIGH = {"open": 100.0, "high": 99.0, "low": 98.0, "close": 98.5, "vwap": 98.5}

CASES: dict[str, dict[str, Case]] = {
    "candles": {
        "schema": Case(without("vwap"), 40),
        "numbers_present": Case(put(7, close=np.nan)),
        "finite": Case(put(7, volume=np.inf)),
        "prices_positive": Case(put(7, open=-1.0, high=-1.0, low=-1.0, close=-1.0, vwap=np.nan)),
        "high_is_highest": Case(put(7, **HIGH)),
        "low_is_lowest": Case(put(7, **LOW)),
        "volume_not_negative": Case(put(7, volume=-0.5)),
        "trades_not_negative": Case(put(7, trades=-3)),
        "source_known": Case(put(7, source="hearsay")),
        "one_row_per_candle": Case(rows_at(*range(10), 10, 10, *range(11, 40)), 2),
        "in_order": Case(swapped),
        "right_timeframe": Case(
            lambda frame: candle_frame(160).iloc[::4].reset_index(drop=True), 40, {"now": hours(160)}
        ),
        "time_unit": Case(stamped(0, in_seconds)),
        "on_grid": Case(moved(7, minutes=5)),
        "closed": Case(moved(39, hours=1)),
        "not_from_future": Case(moved(39, hours=3)),
        "vwap_in_range": Case(put(7, vwap=200.0)),
        "volume_unit": Case(in_quote, 64, {"now": hours(100)}),
        "misprint": Case(times(7, 12.0, PRICES)),
        "against_venues": Case(times(7, 1.6, PRICES), facts={"elsewhere": TWO}),
        "repeated": Case(said_again),
        "stored_misprint": Case(rows_at(*range(20, 40)), 0, {"before": MISPRINTED}),
        "jump": Case(times(slice(20, None), 3.0, PRICES)),
        "wick": Case(times(7, 0.3, ["low"])),
        "far_from_venues": Case(times(7, 1.2, PRICES), facts={"elsewhere": ONE}),
        "shifted_clock": Case(lambda frame: LONG.copy(), 0, {"elsewhere": SHIFTED, "now": hours(200)}),
        "empty_is_flat": Case(put(7, volume=0.0, trades=0)),
        "trades_match_volume": Case(put(7, trades=0)),
        "flat_padding": Case(padded, 31),
        "stale": Case(rows_at(*range(30)), 0, {"asked_from": START, "asked_to": hours(40)}),
    },
    "trades": {
        "schema": Case(lambda frame: frame.assign(trade_id=frame["trade_id"].astype(str)), 60),
        "numbers_present": Case(put(7, volume=np.nan)),
        "finite": Case(put(7, volume=1e16)),
        "prices_positive": Case(put(7, price=0.0)),
        "volume_positive": Case(put(7, volume=0.0)),
        "side_known": Case(put(7, side="buy")),
        "kind_known": Case(put(7, kind="x")),
        "trade_id_not_negative": Case(twice(7, trade_id=-5)),
        "source_known": Case(put(7, source="hearsay")),
        "time_unit": Case(stamped(0, in_seconds)),
        "not_from_future": Case(moved(59, hours=1)),
        "time_not_backwards": Case(moved(30, minutes=-3)),
        "one_story_per_id": Case(twice(30, price=100.01), 2),
        "odd_print": Case(times(30, 12.0, ["price"])),
        "volume_unit": Case(in_quote, 64, {"now": later(1000)}),
        "against_venues": Case(times(30, 1.6, ["price"]), facts={"elsewhere": events_elsewhere("trades", 1.0, 1.01)}),
        "far_from_venues": Case(times(30, 1.2, ["price"]), facts={"elsewhere": events_elsewhere("trades", 1.0)}),
        "in_order": Case(swapped),
        "repeated_id": Case(twice(30)),
        "id_gaps": Case(rows_at(*range(30), *range(31, 60))),
        "step_in_price": Case(times(slice(30, None), 1.5, ["price"])),
        "stale_tape": Case(rows_at(*range(60)), 0, {"asked_to": later(7200), "now": later(7200)}),
    },
    "quotes": {
        "schema": Case(lambda frame: frame.assign(ts=frame["ts"].dt.tz_localize(None)), 60),
        "numbers_present": Case(put(7, bid=np.nan)),
        "finite": Case(put(7, ask=np.inf)),
        "prices_positive": Case(put(7, bid=0.0)),
        "last_positive": Case(put(7, last=0.0)),
        "not_crossed": Case(put(7, bid=100.6, ask=100.5)),
        "volumes_not_negative": Case(put(7, ask_volume=-1.0)),
        "source_known": Case(put(7, source="hearsay")),
        "time_unit": Case(lambda frame: moved(0, "received", days=0)(stamped(0, in_seconds)(frame))),
        "not_from_future": Case(lambda frame: moved(59, "received", hours=1)(moved(59, hours=1)(frame))),
        "misprint": Case(times(30, 3.0, ["bid", "ask", "last"])),
        "against_venues": Case(
            times(30, 1.6, ["bid", "ask"]), facts={"elsewhere": events_elsewhere("quotes", 1.0, 1.01)}
        ),
        "far_from_venues": Case(
            times(30, 1.15, ["bid", "ask", "last"]), facts={"elsewhere": events_elsewhere("quotes", 1.0)}
        ),
        "in_order": Case(swapped),
        "received_before_stamped": Case(moved(30, "received", seconds=-3)),
        "clock_offset": Case(lambda frame: frame.assign(received=frame["received"] + pd.Timedelta(hours=1)), 0),
        "late": Case(moved(30, "received", seconds=30)),
        "locked": Case(lambda frame: put(7, ask=frame["bid"][7])(frame)),
        "wide_spread": Case(times(7, 1.1, ["ask"])),
        "last_near": Case(times(7, 1.5, ["last"])),
        "frozen": Case(standing, 80, {"now": later(800)}),
        "step_in_price": Case(times(slice(30, None), 1.5, ["bid", "ask", "last"])),
        "stale_tape": Case(rows_at(*range(60)), 0, {"asked_to": later(7200), "now": later(7200)}),
    },
}
PAIRS = [(dataset, rule) for dataset, cases in CASES.items() for rule in cases]


@pytest.mark.parametrize("dataset", CASES)
def test_every_rule_of_the_contract_has_a_frame_that_breaks_it(dataset: str) -> None:
    # Too many rejected rows always come with the rule that rejected them: that has a test of its own.
    assert {rule.name for rule in contract_of(dataset).rules} - {"too_many_rejected"} == set(CASES[dataset])


@pytest.mark.parametrize("dataset", CASES)
def test_a_clean_frame_breaks_no_rule(dataset: str) -> None:
    assert judged(clean_frame(dataset), dataset).findings == ()


@pytest.mark.parametrize(("dataset", "rule"), PAIRS, ids=str)
def test_a_frame_that_breaks_one_rule_is_found_by_that_rule_alone(dataset: str, rule: str) -> None:
    case = CASES[dataset][rule]
    promised = {one.name: one for one in contract_of(dataset).rules}[rule]
    told = judged(case.change(clean_frame(dataset)), dataset, **case.facts)
    assert [(one.rule, one.action, one.rows) for one in told.findings] == [(rule, promised.severity, case.rows)]
    (finding,) = told.findings
    assert finding.detail.endswith(".")
    assert (finding.why, finding.contract) == (promised.why, contract_of(dataset).reference)
    assert told.refused is (promised.severity == "reject_batch")
    assert bool(told.rejected.any()) is (promised.severity != "warn")
    assert len(finding.sample) == (0 if rule == "schema" else min(case.rows, 3))


@pytest.mark.parametrize("rule", [*ROW_RULES, *ROW_CHECKS])
def test_the_tick_finds_the_same_as_the_gate(rule: str) -> None:
    case = CASES["candles"][rule]
    now = case.facts.get("now", hours(40))
    found = row_findings(case.change(clean_frame("candles")), BTC, now)
    promised = {one.name: one for one in contract_of("candles").rules}[rule]
    assert [(one.rule, one.action, one.rows) for one in found] == [(rule, promised.severity, case.rows)]


def test_the_tick_rules_and_their_settings_are_those_of_the_contract() -> None:
    contract = contract_of("candles")
    severities = {rule.name: rule.severity for rule in contract.expectations}
    assert {name: action for name, (action, _) in ROW_RULES.items()}.items() <= severities.items()
    checks = {rule.name: (rule.severity, dict(rule.params)) for rule in contract.checks}
    assert {name: (action, dict(params)) for name, (action, params) in ROW_CHECKS.items()}.items() <= checks.items()


def test_when_most_rows_are_rejected_the_rest_is_not_believed_either() -> None:
    frame = clean_frame("candles")
    frame.loc[:20, "volume"] = -1.0
    told = judged(frame, "candles")
    assert [(one.rule, one.rows) for one in told.findings] == [("volume_not_negative", 21), ("too_many_rejected", 21)]
    assert told.refused
    assert bool(told.rejected.all())


def test_a_finding_reads_as_a_sentence_with_the_first_rows() -> None:
    frame = clean_frame("candles")
    frame.loc[[7, 9], "volume"] = -1.0
    (finding,) = judged(frame, "candles").findings
    assert finding.detail == "2 of 40 rows had a volume below zero; the first: 2023-01-02T07:00:00Z."
    assert finding.sample[0].startswith("2023-01-02T07:00:00Z: open ")
    assert "volume -1" in finding.sample[0]
