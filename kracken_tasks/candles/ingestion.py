"""The whole way of candles into the lake, without Prefect: plan, fetch, stage, check, commit.

In: a lake, a venue's public half or files, the contract's judge.  Out: staged batches and commits.  Never: a commit without a verdict.

Flows run the same steps one by one (``candles/tasks.py`` and its neighbours); commands, the demo and tests call ``ingest`` and
``import_sources``.  One run is one batch, one verdict and one commit, so that a reader sees all of a run or nothing of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from kracken_tasks.candles.aggregate import aggregate, base_for
from kracken_tasks.candles.fetch import Fetched, fetch
from kracken_tasks.candles.files import ImportSource, read_all
from kracken_tasks.candles.frames import empty_candles, traded_only
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.names import FileKind
from kracken_tasks.candles.sources import Offers, Source, choose_sources, fill_command, trades_reach_back
from kracken_tasks.candles.spool import MemorySpool
from kracken_tasks.candles.staging import stage_known
from kracken_tasks.candles.trade_pages import Patience, read_trades
from kracken_tasks.candles.windows import GapCause, UnreachableGap, Window, plan
from kracken_tasks.domain.market import CandleSource, DataKey, Instrument, SeriesKey, TapeKey, Timeframe, key_parts
from kracken_tasks.domain.refs import CommitRef, StagedBatch, StagedSeries, Verdict
from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.lake import Lake

__all__ = [
    "REBUILD_CALLS", "Arrived", "Judge", "PriceDecimals", "batch_of", "decimals_from", "import_sources", "ingest", "offered_base",
    "stage_missing", "unknown_decimals",
]  # fmt: skip

# Asks the contract about a batch at a moment of market time.
Judge = Callable[[StagedBatch, datetime], Verdict]

# How many decimals a venue prints a symbol's prices with; None where nobody knows.
PriceDecimals = Callable[[str], int | None]


def unknown_decimals(symbol: str) -> int | None:
    """Average prices are kept whole."""
    return None


def decimals_from(listing: Callable[[], Mapping[str, Instrument]]) -> PriceDecimals:
    """As a venue's listing tells; ``listing`` is asked when the first average price is made."""

    def decimals(symbol: str) -> int | None:
        listed = listing().get(symbol)
        return None if listed is None else max(0, -int(listed.price_tick.normalize().as_tuple().exponent))

    return decimals


# How many calls ingestion may spend on the trades of one series: half a minute at Kraken's pace.
REBUILD_CALLS: Final = 25

# What is asked for where the source has no bound and nobody says where to begin.
_DEFAULT_CANDLES: Final = 720


@dataclass(frozen=True, slots=True)
class Arrived:
    """One series as it came: staged rows and claims (none: nothing new), and what could not be had."""

    key: SeriesKey
    staged: tuple[StagedSeries, ...]
    gaps: tuple[UnreachableGap, ...]

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.staged)


def stage_missing(
    lake: Lake,
    market: MarketData,
    key: SeriesKey,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    rebuild_calls: int = REBUILD_CALLS,
    decimals: PriceDecimals = unknown_decimals,
) -> Arrived:
    """Fetch the closed candles of a series that the lake lacks, and stage them.

    Time: from ``start`` (None: as deep as the venue's candles reach, or from the newest candle in the lake if that is older) to ``end``
    or the venue's now; the running candle is left out.
    A width the venue does not offer is made of the coarsest one that it does.  What lies beyond the reach of its candles is rebuilt
    from trades if that takes at most ``rebuild_calls`` calls, else told with the command that would.  ``decimals`` of the venue's
    prices, asked only where an average price is made here.
    Raises: RetryLater, Misconfigured from the venue; BadData for candles off the grid.
    """
    now, snapshot = market.now(), lake.snapshot()
    now = min(now, end or now)
    base, reach = offered_base(market, key.timeframe)
    end = key.timeframe.floor(now)
    if start is None:
        reached = key.timeframe.floor(base.floor(now) - ((reach or _DEFAULT_CANDLES) - 1) * base.delta)
        start = min(reached, snapshot.last_ts(key) or reached)
    missing = snapshot.unfetched(key, start, end)
    source = SeriesKey(key.exchange, key.symbol, base)
    told = fetch(market, plan(source, asked_from=start, now=now, missing=missing, reach=reach), now)
    frame, known = _as_asked(told, base, key, decimals)
    staged = stage_known(lake, key, frame, known, CandleSource.OHLC.value)
    rebuilt: list[StagedSeries] = []
    gaps: list[UnreachableGap] = []
    for gap in told.gaps:
        rows, left = _rebuilt(lake, market, key, gap, told.trades_a_day, rebuild_calls, decimals)
        rebuilt += rows
        gaps += left
    return Arrived(key, (*rebuilt, *staged), tuple(gaps))


def offered_base(market: MarketData, timeframe: Timeframe) -> tuple[Timeframe, int | None]:
    """The width to ask the venue for, and how many it gives: the wanted one, or the coarsest it has that makes it.

    Raises: Misconfigured if it has none.
    """
    reaches: dict[Timeframe, int | None] = {}
    for frame in Timeframe:
        with contextlib.suppress(Misconfigured):
            reaches[frame] = market.ohlc_reach(frame)
    base = timeframe if timeframe in reaches else base_for(timeframe, reaches)
    if base is None:
        market.ohlc_reach(timeframe)  # raises, naming what there is
        raise Misconfigured(f"{market.exchange} has no candles that make {timeframe.value}", allowed=sorted(reaches))
    return base, reaches[base]


def _as_asked(
    told: Fetched, base: Timeframe, key: SeriesKey, decimals: PriceDecimals
) -> tuple[pd.DataFrame, list[tuple[datetime, datetime]]]:
    """Rows of the wanted width, and the spans that the answer spoke for."""
    until = told.told_until
    spoken = [(w.start, min(w.end, until)) for w in told.covered if until is not None and w.start < until]
    if base is not key.timeframe:
        made = aggregate(told.frame, base, key.timeframe, spoken, decimals(key.symbol))
        return made.frame, list(made.known)
    # The answer spoke for what lies between its windows too, which the lake knows already.
    return told.frame, [(spoken[0][0], spoken[-1][1])] if spoken else []


def _rebuilt(
    lake: Lake, market: MarketData, key: SeriesKey, gap: UnreachableGap, trades_a_day: float | None, most_calls: int,
    decimals: PriceDecimals,
) -> tuple[list[StagedSeries], list[UnreachableGap]]:  # fmt: skip
    """What trades give of a gap that the venue's candles do not reach; or the gap again, saying what would fill it."""
    start, end = gap.window.start, key.timeframe.floor(gap.window.end)
    if start >= end:
        return [], []
    window = Window(start, end)
    offers = Offers(None, trades_a_day=trades_a_day, most_calls=most_calls, allowed=frozenset({Source.TRADES}))
    [leg] = choose_sources(key, [(start, end)], offers)
    if leg.source is None and gap.cause is GapCause.LATE_START and _nobody_traded(market, key, window):
        return stage_known(lake, key, empty_candles(), [(start, end)], CandleSource.TRADES.value), []
    if leg.source is None:
        why = "; ".join(one for one in leg.passed_over if one.startswith(Source.TRADES))
        detail = f"{gap.detail} ({why}): {fill_command(key, window)}" if trades_reach_back(key.exchange) else gap.detail
        return [], [UnreachableGap(key, window, gap.cause, detail)]
    try:
        read = read_trades(
            market, key.symbol, window, MemorySpool(), patience=Patience(tries=1), most_calls=2 * most_calls
        )
    except RetryLater as error:  # the next run finds the same hole; what the candles brought need not wait for it
        return [], [UnreachableGap(key, window, gap.cause, f"{gap.detail} ({error.message})")]
    frame = candles_from_trades(read.trades, key.timeframe, covered=(start, end), price_decimals=decimals(key.symbol))
    return stage_known(lake, key, frame, [(start, end)], CandleSource.TRADES.value), []


def _nobody_traded(market: MarketData, key: SeriesKey, window: Window) -> bool:
    """Whether the first trade at or after the window's start, one call, lies behind its end: a pair not yet listed then."""
    if not trades_reach_back(key.exchange):
        return False
    try:
        page, _ = market.trades(key.symbol, None, window.start)
    except RetryLater:
        return False
    return not page.empty and page["ts"].iloc[0] >= pd.Timestamp(window.end)


def batch_of(arrived: Iterable[Arrived]) -> StagedBatch:
    """What was staged, in the order of series, so that the same arrivals make the same batch.

    A series that was fetched twice counts once, as it came last: told twice, each of its candles would contradict itself.
    """
    newest = {one.key: one.staged for one in arrived if one.staged}
    return StagedBatch(tuple(staged for key in sorted(newest) for staged in newest[key]))


def ingest(
    lake: Lake, market: MarketData, keys: Sequence[SeriesKey], judge: Judge, *, start: datetime | None = None
) -> CommitRef | None:
    """Bring every series up to the venue's now; None when nothing new had closed.

    Raises: RetryLater from the venue before anything is committed.
    """
    batch = batch_of([stage_missing(lake, market, key, start=start) for key in dict.fromkeys(keys)])
    if not batch.series:
        return None
    now = market.now()
    return lake.commit(judge(batch, now), known_at=now)


def import_sources(
    lake: Lake,
    sources: Sequence[ImportSource],
    judge: Judge,
    *,
    now: datetime,
    before: datetime | None = None,
    progress: Callable[[ImportSource, int], None] | None = None,
) -> tuple[CommitRef, Verdict]:
    """Import files through the same contract and commit as ingestion; all of them or none.

    Kraken's archives and trades leave out only windows without trades; what a table of somebody else's leaves out, nobody knows.  A flat
    row without volume says that nobody traded, in any file.
    Time: candles that close, and events that happen, after ``before`` are left out (a replayed market brings them later).
    Raises: BadData naming file, line and reason, or when no file holds a candle; then nothing is committed.
    """
    _refuse_twins(sources)
    staged: list[StagedSeries] = []
    for source, frame in read_all(sources, progress):
        assert source.key is not None  # read_all refuses a source without one
        stage = _stage_events if isinstance(source.key, TapeKey) else _stage_candles
        staged += stage(lake, source, frame, before)
    if not any(one.rows for one in staged):
        raise BadData("no candle to import", files=[str(source.path) for source in sources])
    ordered = sorted(staged, key=lambda one: (key_parts(one.key), one.asked_from))
    verdict = judge(StagedBatch(tuple(ordered)), now)
    return lake.commit(verdict, known_at=now), verdict


def _stage_candles(
    lake: Lake, source: ImportSource, frame: pd.DataFrame, before: datetime | None
) -> list[StagedSeries]:
    assert isinstance(source.key, SeriesKey)
    step = source.key.timeframe.delta
    if before is not None:
        frame = frame[frame["ts"] + step <= pd.Timestamp(before)].reset_index(drop=True)
    if frame.empty:
        return []
    traded, silent = traded_only(frame)
    if source.kind is FileKind.CANDLE_TABLE:
        opens = [moment.to_pydatetime() for moment in silent["ts"]]
        known = [(opens[at], opens[at] + step) for at in range(len(opens))]
    else:
        known = [(frame["ts"].iloc[0].to_pydatetime(), frame["ts"].iloc[-1].to_pydatetime() + step)]
    return stage_known(lake, source.key, traded, _joined(known), str(frame["source"].iloc[0]))


def _stage_events(lake: Lake, source: ImportSource, frame: pd.DataFrame, before: datetime | None) -> list[StagedSeries]:
    assert isinstance(source.key, TapeKey)
    if before is not None:
        frame = frame[frame["ts"] < pd.Timestamp(before)].reset_index(drop=True)
    if frame.empty:
        return []
    first, last = frame["ts"].iloc[0].to_pydatetime(), frame["ts"].iloc[-1].to_pydatetime()
    after = last + timedelta(microseconds=1)
    return [lake.stage(source.key, frame, asked_from=first, asked_to=after, source=CandleSource.ARCHIVE.value)]


def _joined(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _refuse_twins(sources: Sequence[ImportSource]) -> None:
    """Two files for one series: which one is right is not ours to guess."""
    seen: dict[DataKey | None, ImportSource] = {}
    for source in sources:
        twin = seen.setdefault(source.key, source)
        if twin is not source and source.key is not None:
            trades = {FileKind.KRAKEN_TRADES, FileKind.TRADE_TABLE} & {twin.kind, source.kind}
            hint = ", or make candles of another width of the trades (--timeframe)" if trades else ""
            raise BadData(
                f"{twin.path.name} and {source.path.name} both hold {source.key}; import one of them{hint}",
                files=[str(twin.path), str(source.path)], series=str(source.key),
            )  # fmt: skip
