"""What a decision stood on: the snapshot of the lake and the candles in it.

In: a decision's commit and bar.  Out: branches.  Never: a newer row than the decision saw: the lake is read as of its commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.trading import Decision
from kracken_tasks.errors import KrackenError
from kracken_tasks.explain.branch import Branch

__all__ = ["PinnedView", "Sources"]

_PRICES = ("open", "high", "low", "close", "volume")


class PinnedView(Protocol):
    """The part of a lake snapshot that a story reads.  ``content_hash`` stands for the whole history up to the commit."""

    content_hash: str

    @property
    def known_at(self) -> datetime: ...

    def candles(self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """``snapshot`` gives the lake as of a commit; ``series`` the candles a symbol is traded on."""

    snapshot: Callable[[int], PinnedView]
    series: Mapping[str, SeriesKey]

    def behind(self, decision: Decision) -> tuple[Branch, ...]:
        """Snapshot and newest candle of a decision; one that cannot be read any more says why."""
        commit = str(decision.commit_seq)
        try:
            view = self.snapshot(decision.commit_seq)
            candle = self._candle(view, decision)
        except KrackenError as error:
            return (Branch("snapshot", commit, {"unreadable": error.message}),)
        return (
            Branch("snapshot", commit, {"known at": iso(view.known_at), "content hash": view.content_hash}, candle),
        )

    def _candle(self, view: PinnedView, decision: Decision) -> tuple[Branch, ...]:
        if decision.bar_ts is None:
            return (Branch("candle", decision.symbol, {"missing": "no closed candle was there"}),)
        key = self.series.get(decision.symbol)
        if key is None:
            return (
                Branch("candle", decision.symbol, {"opened": iso(decision.bar_ts), "series": "not traded any more"}),
            )
        name = f"{key.exchange} {key.symbol} {key.timeframe.value}"
        rows = view.candles(key, decision.bar_ts, decision.bar_ts + key.timeframe.delta)
        if rows.empty:
            # The settings' timeframe of today need not be the one it was decided on.
            return (Branch("candle", name, {"opened": iso(decision.bar_ts), "missing": "not in this snapshot"}),)
        row = rows.iloc[0]
        facts = {column: str(float(row[column])) for column in _PRICES}
        return (Branch("candle", name, {"opened": iso(decision.bar_ts)} | facts | {"source": str(row["source"])}),)
