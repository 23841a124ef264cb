"""Rules about time that candles and tapes share: order, units, and clocks.

In: rows in the order they came, the facts, the rule's params.  Out: ``Hits``.  Never: a reading of wall time.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kracken_tasks.contracts.subject import (
    Candles,
    Facts,
    Hits,
    Mask,
    Params,
    Quotes,
    Rows,
    Times,
    Trades,
    hits,
    no_hits,
)
from kracken_tasks.domain.clock import iso, to_ns, utc

__all__ = [
    "clock_offset",
    "in_order",
    "late",
    "not_from_future",
    "out_of_any_market",
    "received_before_stamped",
    "stale",
    "stale_tape",
    "time_not_backwards",
    "time_unit",
]

# Bitcoin's first block: nothing was quoted before it.
_FIRST_US: Final = to_ns(utc(2009, 1, 3)) // 1000
_SCALES: Final = {
    1e-9: "nanoseconds read as seconds", 1e-6: "microseconds read as seconds, or nanoseconds as milliseconds",
    1e-3: "milliseconds read as seconds, or microseconds as milliseconds",
    1e3: "seconds read as milliseconds, or milliseconds as microseconds",
    1e6: "seconds read as microseconds, or milliseconds as nanoseconds", 1e9: "seconds read as nanoseconds",
}  # fmt: skip


def out_of_any_market(ts: Times, now_us: int) -> Mask:
    """Times that no market could have had: before the first coin, or so far ahead that only a wrong unit explains them."""
    return (ts < _FIRST_US) | (ts > 2 * now_us)


def in_order(rows: Rows, facts: Facts, params: Params) -> Hits:
    """Times never go back (a doubled one is another rule's business)."""
    return hits(np.diff(rows.ts, prepend=rows.ts[:1]) < 0, "came after a row with a later time")


def time_unit(rows: Rows, facts: Facts, params: Params) -> Hits:
    """Times lie where a market could be, so seconds were not read as milliseconds or the other way round."""
    wrong = out_of_any_market(rows.ts, facts.now_us)
    if not wrong.any():
        return no_hits(rows)
    middle = float(np.median(rows.ts[wrong]))
    scale = next((says for by, says in _SCALES.items() if _FIRST_US <= middle * by <= facts.now_us), "a wrong unit")
    return hits(wrong, f"had a time no market could have: {scale}")


def not_from_future(rows: Rows, facts: Facts, params: Params) -> Hits:
    """No row is stamped after now (plus ``tolerance_seconds``, for clocks that differ a little)."""
    slack = int(float(params.get("tolerance_seconds", 0)) * 1e6)
    ahead = (rows.ts > facts.now_us + slack) & ~out_of_any_market(rows.ts, facts.now_us)
    return hits(ahead, f"had a time after {iso(facts.now)}, which was now")


def stale(candles: Candles, facts: Facts, params: Params) -> Hits:
    """The newest candle is not much older than the end of what was asked."""
    if facts.asked_to is None or facts.asked_from is None:
        return no_hits(candles)
    step = facts.step_us
    due = to_ns(facts.timeframe.floor(min(facts.asked_to, facts.now))) // 1000 - step
    newest = int(candles.ts.max()) if len(candles) else to_ns(facts.asked_from) // 1000 - step
    behind = (due - newest) // step
    late_by = behind > int(params["max_candles"])
    says = f"The newest candle is {behind} candles behind what was asked." if late_by else ""
    return Hits(np.zeros(len(candles), bool), says)


def stale_tape(rows: Trades | Quotes, facts: Facts, params: Params) -> Hits:
    """The newest event is not much older than the end of what was asked."""
    if facts.asked_to is None or not len(rows):
        return no_hits(rows)
    due = to_ns(min(facts.asked_to, facts.now)) // 1000
    behind = (due - int(rows.ts.max())) / 1e6
    late_by = behind > float(params["max_seconds"])
    says = f"The newest row is {behind:,.0f} seconds older than the end of what was asked." if late_by else ""
    return Hits(np.zeros(len(rows), bool), says)


def time_not_backwards(trades: Trades, facts: Facts, params: Params) -> Hits:
    """A trade with a higher id is not earlier (beyond ``tolerance_seconds``) than all trades with lower ids."""
    known = np.flatnonzero(trades.trade_id >= 0)
    order = known[np.argsort(trades.trade_id[known], kind="stable")]
    ts = trades.ts[order]
    back = np.maximum.accumulate(ts) - ts > int(float(params["tolerance_seconds"]) * 1e6)
    mask = np.zeros(len(trades), bool)
    mask[order[back]] = True
    return hits(mask, "had a time before that of a trade with a lower id")


def received_before_stamped(quotes: Quotes, facts: Facts, params: Params) -> Hits:
    """Nothing arrives before the venue stamped it (beyond ``tolerance_seconds``)."""
    with np.errstate(invalid="ignore"):
        early = quotes.lag < -float(params["tolerance_seconds"])
    return hits(early, "had arrived before the venue stamped them: one of the clocks is wrong")


def clock_offset(quotes: Quotes, facts: Facts, params: Params) -> Hits:
    """Stamps and arrivals do not differ by a constant, as they do when one clock keeps a local time or another unit of day."""
    lag = quotes.lag[np.isfinite(quotes.lag)]
    if len(lag) < int(params["from_rows"]):
        return no_hits(quotes)
    middle = float(np.median(lag))
    wobble = float(np.median(np.abs(lag - middle)))
    if abs(middle) < float(params["min_seconds"]) or wobble > abs(middle) * float(params["wobble"]):
        return no_hits(quotes)
    quarters = middle / 900
    zone = ", whole quarters of an hour, as of a time zone" if abs(quarters - round(quarters)) * 900 < 60 else ""
    return Hits(
        np.zeros(len(quotes), bool), f"Rows arrive a constant {middle:,.0f} seconds after the venue's stamp{zone}."
    )


def late(quotes: Quotes, facts: Facts, params: Params) -> Hits:
    """No quote takes much longer (``max_seconds``) to arrive than this tape's usually do."""
    lag = quotes.lag
    if not np.isfinite(lag).any():
        return no_hits(quotes)
    slow = lag - float(np.nanmedian(lag)) > float(params["max_seconds"])
    return hits(slow, f"took up to {np.nanmax(lag):,.0f} seconds to arrive")
