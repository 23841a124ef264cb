"""``kracken backfill | aggregate``: history from whichever source has it, and coarser candles from finer ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kracken_tasks import wiring
from kracken_tasks.cli.values import Format, console, in_order, moment, say, show_frame, symbol, write_frame
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.settings import Profile, Settings, load_settings

if TYPE_CHECKING:
    from kracken_tasks.candles.aggregate import Width
    from kracken_tasks.candles.backfill import Backfill
    from kracken_tasks.candles.backfill_plan import BackfillPlan
    from kracken_tasks.candles.files import ImportSource
    from kracken_tasks.candles.ingestion import Judge
    from kracken_tasks.candles.sources import Source
    from kracken_tasks.candles.windows import Window
    from kracken_tasks.exchange.market_data import MarketData
    from kracken_tasks.lake import Lake

__all__ = ["add_to"]

# What a page of trades costs at the venue's pace; the sandbox answers as fast as it can.
_SECONDS_A_PAGE = 1.2
_SANDBOX_SECONDS = 0.03


class SourceChoice(StrEnum):
    """Where ``backfill`` may take candles from."""

    AUTO = "auto"
    TRADES = "trades"
    OHLC = "ohlc"
    ARCHIVE = "archive"


def add_to(app: typer.Typer) -> None:
    app.command("backfill")(backfill)
    app.command("aggregate")(aggregate_command)


def backfill(
    symbol_: Annotated[str, typer.Argument(metavar="SYMBOL", help="BTC/USD", callback=symbol)],
    start: Annotated[str, typer.Option("--from", help="Oldest candle wanted")],
    end: Annotated[
        str | None, typer.Option("--to", help="Up to here, excluded. Default: the newest closed candle")
    ] = None,
    timeframes: Annotated[
        list[str] | None, typer.Option(help="1m,1h or repeated. Default: pairs.yaml; wider ones are made of days")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="Venue. Default: the traded one")] = None,
    source: Annotated[SourceChoice, typer.Option(help="auto: the cheapest that can answer")] = SourceChoice.AUTO,
    archive: Annotated[
        Path | None, typer.Option(help="File, folder or zip of candles to take what it holds from")
    ] = None,
    keep_trades: Annotated[
        bool | None,
        typer.Option(
            "--keep-trades/--no-keep-trades",
            help="Read and keep all trades, whatever candles there are. Default: those that had to be read for candles",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and what it costs")] = False,
) -> None:
    """Fill the lake's history of a symbol: plan, estimate, fetch day by day.  Killed, it goes on where it was.

    Public calls give way to trading.  What no source can give is told, and stays a hole with its cause.
    """
    from kracken_tasks.candles.backfill import Backfill
    from kracken_tasks.candles.backfill_plan import plan_backfill
    from kracken_tasks.candles.ingestion import decimals_from

    settings, since = load_settings(), moment(start)
    assert since is not None  # --from is required
    venue, judge = wiring.venue(settings, exchange), wiring.judge(settings)
    store = wiring.lake_fed_by(settings, venue.exchange)
    widths = _timeframes(settings, timeframes)
    if source is not SourceChoice.ARCHIVE and symbol_ not in venue.instruments():
        raise Misconfigured(f"{venue.exchange} lists no {symbol_}", venue=venue.exchange, symbol=symbol_)
    files = _archive_files(archive, venue.exchange, symbol_, widths, source)
    pace = _SANDBOX_SECONDS if settings.profile is Profile.SANDBOX else _SECONDS_A_PAGE
    plan = plan_backfill(
        store, venue, symbol_, widths, since, moment(end),
        allowed=_allowed(source), archive={key: window for key, (_, window) in files.items()}, seconds_a_call=pace,
        tape=keep_trades is True,
    )  # fmt: skip
    _tell_plan(plan, pace)
    _tell_kept_out(store, plan)
    if dry_run:
        return
    _import(store, venue, judge, [file for key, (file, _) in files.items() if _takes_from_archive(plan, key)])
    bar = _Bar(plan)
    decimals = decimals_from(venue.instruments)
    spool = settings.paths.home / "spool"
    _carry_out(Backfill(store, venue, judge, spool, keep_trades is not False, decimals, heard=bar.heard), plan, bar)


def _takes_from_archive(plan: BackfillPlan, key: SeriesKey) -> bool:
    return any(leg.key == key and leg.source == SourceChoice.ARCHIVE.value for leg in plan.legs)


def _import(store: Lake, venue: MarketData, judge: Judge, files: list[ImportSource]) -> None:
    from kracken_tasks.candles.ingestion import import_sources

    if not files:
        return
    now = venue.now()
    commit, verdict = import_sources(store, files, judge, now=now, before=now)
    say(f"archive: commit {commit.seq}: {commit.rows_added} candles added, {commit.rows_revised} revised")
    _tell_findings([verdict.findings])


def _carry_out(work: Backfill, plan: BackfillPlan, bar: _Bar) -> None:
    added = revised = trades = 0
    findings = []
    with bar.shown:
        for step in work.run(plan):
            bar.step(step.what, step.window)
            trades += step.trades
            findings.append(step.findings)
            if step.commit is not None:
                added, revised = added + step.commit.rows_added, revised + step.commit.rows_revised
    _tell_findings(findings)
    say(f"{plan.exchange} {plan.symbol}: {trades} trades read, {added} rows added, {revised} revised")


def aggregate_command(
    symbol_: Annotated[str, typer.Argument(metavar="SYMBOL", help="BTC/USD", callback=symbol)],
    base: Annotated[Timeframe, typer.Option("--of", help="Width of the candles to make them of")],
    into: Annotated[str, typer.Option("--into", help="15m,1h,1d,1w to store; 1M (months) is only shown")],
    exchange: Annotated[str | None, typer.Option(help="Venue. Default: the traded one")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Default: the first candle")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Excluded. Default: the newest candle")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write months")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="File to write months to")] = None,
) -> None:
    """Make coarser candles of finer ones in the lake, exactly; a bucket of which any part is unknown is left out."""
    from kracken_tasks.candles.aggregate import CalendarMonth

    settings, widths = load_settings(), _widths(into)
    begins, ends = in_order(moment(start), moment(end))
    key = SeriesKey(exchange or settings.exchange, symbol_, base)
    snapshot = wiring.lake(settings).snapshot()
    first, last = snapshot.first_ts(key), snapshot.last_ts(key)
    if first is None or last is None:
        raise BadData(f"the lake holds no candles of {key}", series=str(key))
    span = (begins or first, ends or last + base.delta)
    for width in widths:
        if isinstance(width, CalendarMonth):
            _show_months(settings, key, width, span, form, out)
        else:
            _store(settings, key, width, span)


def _store(settings: Settings, key: SeriesKey, width: Timeframe, span: tuple[datetime, datetime]) -> None:
    from kracken_tasks.candles.staging import stage_derived
    from kracken_tasks.domain.refs import StagedBatch

    store, made = wiring.lake(settings), SeriesKey(key.exchange, key.symbol, width)
    staged = stage_derived(store, key, made, width.floor(span[0]), span[1])
    if not staged:
        say(f"{made}: nothing to make of {key.timeframe.value} that the lake does not hold")
        return
    now = wiring.market_now(settings)
    commit = store.commit(wiring.judge(settings)(StagedBatch(tuple(staged)), now), known_at=now)
    say(f"{made}: commit {commit.seq}: {commit.rows_added} candles added, {commit.rows_revised} revised")


def _show_months(
    settings: Settings, key: SeriesKey, width: Width, span: tuple[datetime, datetime], form: Format, out: Path | None
) -> None:
    from kracken_tasks.candles.aggregate import aggregate
    from kracken_tasks.candles.staging import known_spans

    snapshot = wiring.lake(settings).snapshot()
    known = known_spans(snapshot, key, key.timeframe.floor(span[0]), key.timeframe.floor(span[1]))
    made = aggregate(snapshot.candles(key, *span), key.timeframe, width, known)
    if made.frame.empty:
        raise BadData(f"no whole month of {key} is known", series=str(key))
    write_frame(made.frame, form, out)


def _tell_plan(plan: BackfillPlan, pace: float) -> None:
    from kracken_tasks.candles.backfill_plan import leg_rows

    legs = leg_rows(plan)
    if legs:
        show_frame(pd.DataFrame(legs))
    for gap in plan.gaps:
        say(f"not to be had: {gap.detail}")
    if not legs:
        say(f"{plan.exchange} {plan.symbol}: nothing is missing from {iso(plan.span.start)} to {iso(plan.span.end)}")
        return
    lasting = timedelta(seconds=round(plan.seconds))
    say(f"{len(plan.days)} days of trades, about {plan.calls} calls, {lasting} at {pace:g} s a call")


def _tell_kept_out(store: Lake, plan: BackfillPlan) -> None:
    """A row that a contract kept out would be kept out again: it is not asked for, and that is said."""
    from kracken_tasks.lake import HoleCause

    snapshot = store.snapshot()
    for key in plan.keys:
        holes = snapshot.holes(key, plan.span.start, plan.span.end)
        if out := sum(hole.windows for hole in holes if hole.cause is HoleCause.REJECTED):
            command = f"kracken quarantine show {key.exchange} {key.symbol} {key.timeframe.value}"
            say(
                f"{key}: {out} of its windows hold rows that a contract kept out, and are not asked for again: {command}"
            )


def _tell_findings(found: Iterable[Sequence[Finding]]) -> None:
    """What contracts found, a line a rule and series: a month of days would else say the same thirty times."""
    together: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in (finding for findings in found for finding in findings):
        together.setdefault((finding.action, str(finding.key), finding.rule), []).append(finding)
    for (action, key, rule), same in sorted(together.items()):
        times = "" if len(same) == 1 else f"in {len(same)} batches, for example "
        say(f"{action}: {key}: {rule}: {times}{same[0].detail}")


class _Bar:
    """A bar that moves a step a day; the page it is at stands beside it."""

    def __init__(self, plan: BackfillPlan) -> None:
        self.shown = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self.shown.add_task(f"{plan.symbol}", total=max(1, len(plan.days)))

    def heard(self, day: Window, until: datetime, calls: int) -> None:
        self.shown.update(self._task, description=f"{day.start:%Y-%m-%d} read to {until:%H:%M:%S}, {calls} pages")

    def step(self, what: str, window: Window) -> None:
        self.shown.update(self._task, description=f"{window.start:%Y-%m-%d} {what}")
        self.shown.advance(self._task)


def _allowed(choice: SourceChoice) -> frozenset[Source]:
    from kracken_tasks.candles.sources import Source

    if choice is SourceChoice.AUTO:
        return frozenset(Source)
    return frozenset({Source(choice.value)})


def _archive_files(
    path: Path | None, exchange: str, symbol_: str, widths: list[Timeframe], choice: SourceChoice
) -> dict[SeriesKey, tuple[ImportSource, Window]]:
    """Files of the folder that hold wanted series, with the span of their candles."""
    if path is None:
        if choice is SourceChoice.ARCHIVE:
            raise typer.BadParameter("--source archive needs --archive PATH")
        return {}
    from kracken_tasks.candles.files import discover, read
    from kracken_tasks.candles.windows import Window

    found: dict[SeriesKey, tuple[ImportSource, Window]] = {}
    for file in discover(path, timeframes=widths):
        key = file.key
        if isinstance(key, SeriesKey) and (key.exchange, key.symbol) == (exchange, symbol_) and key.timeframe in widths:
            frame = read(file)
            last = frame["ts"].iloc[-1].to_pydatetime() + key.timeframe.delta
            found[key] = (file, Window(frame["ts"].iloc[0].to_pydatetime(), last))
    return found


def _timeframes(settings: Settings, given: list[str] | None) -> list[Timeframe]:
    if not given:
        return list(settings.timeframes)
    words = [word.strip() for one in given for word in one.split(",") if word.strip()]
    try:
        return [Timeframe(word) for word in words]
    except ValueError as error:
        allowed = ", ".join(Timeframe)
        raise typer.BadParameter(f"{error}; allowed: {allowed}, separated by commas") from error


def _widths(into: str) -> list[Width]:
    from kracken_tasks.candles.aggregate import MONTH

    words = [word.strip() for word in into.split(",")]
    return [MONTH if word == MONTH.value else _timeframes_word(word) for word in words]


def _timeframes_word(word: str) -> Timeframe:
    try:
        return Timeframe(word)
    except ValueError as error:
        raise typer.BadParameter(f"{word!r}; allowed: {', '.join(Timeframe)}, 1M") from error
