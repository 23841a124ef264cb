"""Kracken's lake: staged, judged, committed; every write gives a snapshot whose content is named by hash.

``KrackenGated`` asks the data contract (Great Expectations included) as an ingest run does.  ``KrackenUngated`` hands the lake a
verdict that nobody gave, to show what judging costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow

from benchmarks.stores.candle_store import CandleStore, hourly_sql
from kracken_tasks.contracts import check_batch
from kracken_tasks.contracts.gate import batch_hash
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch, StagedSeries, Verdict
from kracken_tasks.lake import Lake, LocalStore

_NOW = datetime(2027, 1, 1, tzinfo=UTC)
_CONTRACTS = Path(__file__).resolve().parents[2] / "data_contracts"


class KrackenGated(CandleStore):
    title = "Kracken: judged, committed"
    durable = "yes"

    def __init__(self, folder: Path, symbols: tuple[str, ...]) -> None:
        super().__init__(folder, symbols)
        self.reopen()
        self._warm_up()

    def versions(self) -> dict[str, str]:
        return {"pyarrow": pyarrow.__version__, "duckdb": duckdb.__version__}

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(trades=frame["trades"].astype("Int64"))

    def write(self, symbol: str, rows: pd.DataFrame) -> None:
        self._commit({symbol: rows})

    def append(self, rows: Mapping[str, pd.DataFrame]) -> None:
        self._commit(rows)

    def settle(self) -> None:
        self._lake.vacuum(staged_before=_NOW)

    def reopen(self) -> None:
        self._lake = Lake(LocalStore(self.folder))
        self._lake.snapshot()

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        return self._lake.snapshot().candles(_key(symbol), _moment(start), _moment(end))

    def hourly(self) -> pd.DataFrame:
        return self._lake.sql(hourly_sql("candles"))

    def missing(self) -> int:
        snapshot = self._lake.snapshot()
        total = 0
        for key in snapshot.series():
            first, last = snapshot.first_ts(key), snapshot.last_ts(key)
            if first is not None and last is not None:
                total += sum(hole.windows for hole in snapshot.holes(key, first, last))
        return total

    def _commit(self, frames: Mapping[str, pd.DataFrame]) -> None:
        staged = []
        for symbol, frame in frames.items():
            first, last = frame["ts"].iloc[0], frame["ts"].iloc[-1] + timedelta(minutes=1)
            staged.append(
                self._lake.stage(
                    _key(symbol),
                    frame,
                    asked_from=first.to_pydatetime(),
                    asked_to=last.to_pydatetime(),
                    source="archive",
                )
            )
        self._lake.commit(self._verdict(StagedBatch(tuple(staged))), known_at=_NOW)

    def _verdict(self, batch: StagedBatch) -> Verdict:
        return check_batch(self._lake, batch, now=_NOW, contracts_dir=_CONTRACTS)

    def _warm_up(self) -> None:
        # Great Expectations takes seconds to import and to answer for the first time; an ingest run pays that once.
        elsewhere = Lake(LocalStore(self.folder.with_name(self.folder.name + "-warm-up")))
        ts = pd.DatetimeIndex(np.array([0], "M8[ms]")).tz_localize("UTC")
        frame = pd.DataFrame({"ts": ts, **{name: [1.0] for name in ("open", "high", "low", "close", "volume")}})
        moment = datetime(1970, 1, 1, tzinfo=UTC)
        staged: StagedSeries = elsewhere.stage(
            _key("A/B"), frame, asked_from=moment, asked_to=moment + timedelta(minutes=1), source="archive"
        )
        check_batch(elsewhere, StagedBatch((staged,)), now=_NOW, contracts_dir=_CONTRACTS)


class KrackenUngated(KrackenGated):
    title = "Kracken: committed, verdict taken as given"

    def _verdict(self, batch: StagedBatch) -> Verdict:
        return Verdict("none", batch_hash(batch), batch.series, (), (), _NOW)

    def _warm_up(self) -> None:
        pass


def _key(symbol: str) -> SeriesKey:
    return SeriesKey("kraken", symbol, Timeframe.M1)


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
