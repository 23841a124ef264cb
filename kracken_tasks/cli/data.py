"""``kracken ingest | import``: candles, trades and quotes into the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, moment, say
from kracken_tasks.domain.clock import WallClock, iso
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater
from kracken_tasks.settings import Settings, load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    app.command("ingest")(ingest)
    app.command("import")(import_files)


def ingest(
    exchange: Annotated[list[str] | None, typer.Option(help="Venue; repeat for several. Default: all enabled")] = None,
    symbols: Annotated[
        list[str] | None, typer.Option("--symbol", help="BTC/USD; repeat for several. Default: pairs.yaml")
    ] = None,
    timeframe: Annotated[list[Timeframe] | None, typer.Option(help="Repeat for several. Default: pairs.yaml")] = None,
    start: Annotated[str | None, typer.Option(help="Oldest candle wanted. Default: as deep as the venue gives")] = None,
) -> None:
    """Fetch the closed candles the lake lacks, check them, commit them.  Running it again changes nothing.

    A pair that is not listed any more, or a venue that is silent, keeps no other series back; it is told at the end, as a failure.
    """
    from kracken_tasks.candles.ingestion import batch_of, decimals_from, stage_missing

    settings, oldest = load_settings(), moment(start)
    store, keys = wiring.lake(settings), wiring.series(settings, exchange, symbols, timeframe)
    for name in dict.fromkeys(key.exchange for key in keys):
        wiring.lake_fed_by(settings, name)  # or it is refused, before anything is asked
    arrived, failed, silent = [], dict[SeriesKey, KrackenError](), dict[str, KrackenError]()
    with _progress() as progress:
        bar = progress.add_task("fetching", total=len(keys))
        for key in keys:
            progress.update(bar, description=f"fetching {key}")
            try:
                if key.exchange in silent:  # it would be waited for again, series after series
                    raise silent[key.exchange]
                venue = wiring.venue(settings, key.exchange)
                arrived.append(
                    stage_missing(store, venue, key, start=oldest, decimals=decimals_from(venue.instruments))
                )
            except (BadData, Misconfigured, RetryLater) as error:
                failed[key] = error
                if isinstance(error, RetryLater):
                    silent[key.exchange] = error
            progress.advance(bar)
        progress.update(bar, description="fetched")
    for gap in (gap for one in arrived for gap in one.gaps):
        say(f"not to be had: {gap.detail}")
    batch = batch_of(arrived)
    if batch.series:
        now = wiring.market_now(settings)
        verdict = wiring.judge(settings)(batch, now)
        commit = store.commit(verdict, known_at=now)
        _tell(verdict.findings, commit.seq, commit.rows_added, commit.rows_revised)
    elif arrived:
        say("nothing new has closed")
    if failed:
        raise _what_failed(failed, len(keys))


def _what_failed(failed: Mapping[SeriesKey, KrackenError], asked: int) -> KrackenError:
    errors = list(dict.fromkeys(failed.values()))
    if len(errors) == 1 and len(failed) == asked:
        return errors[0]
    told = "; ".join(f"{key}: {error.message}" for key, error in failed.items())
    return type(errors[0])(
        f"{len(failed)} of {asked} series could not be fetched: {told}", failed=list(map(str, failed))
    )


def import_files(
    path: Annotated[
        Path, typer.Argument(help="File or folder: XBTUSD_60.csv, BCHEUR.csv, kraken_BTC-USD_1h.parquet ...")
    ],
    timeframe: Annotated[
        list[Timeframe] | None, typer.Option(help="What to make of trade files; repeat for several")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="With --symbol and --as: whose rows the file holds")] = None,
    symbol_: Annotated[str | None, typer.Option("--symbol", help="See --exchange")] = None,
    content: Annotated[
        str | None, typer.Option("--as", help="See --exchange: the width of the candles, or trades, or quotes")
    ] = None,
    before: Annotated[str | None, typer.Option(help="Leave out candles that close after this moment")] = None,
    keep_trades: Annotated[bool, typer.Option(help="Keep the trades of trade files, too")] = True,
) -> None:
    """Import Kraken's OHLCVT archive, its trades archive, tables of candles, trades or quotes, through the same contracts and commit.

    A bad file is refused by name, line and reason, and then nothing is committed.  Exit code 1 also when a contract kept a whole file
    out.  What comes in is known from the market's now on, the machine's where no venue answers.
    """
    from kracken_tasks.candles.files import ImportSource, discover
    from kracken_tasks.candles.ingestion import import_sources

    settings = load_settings()
    sources = discover(
        path, timeframes=timeframe or (Timeframe.H1,), exchange=exchange, symbol=symbol_, timeframe=_content(content),
        tapes=keep_trades,
    )  # fmt: skip
    now, market = _now(settings)
    if market:
        say(f"what happens after the market's now, {iso(now)}, is left out")
    until = min(moment(before) or now, now) if market else moment(before)
    with _progress() as progress:
        bars = {source.content: progress.add_task(source.content.named.name, total=None) for source in sources}

        def heard(source: ImportSource, rows: int) -> None:
            progress.update(bars[source.content], completed=rows)

        commit, verdict = import_sources(
            wiring.lake(settings), sources, wiring.judge(settings), now=now, before=until, progress=heard
        )
    for staged in verdict.accepted:
        if staged.first_ts and staged.last_ts:
            rows = staged.key.tape.value if isinstance(staged.key, TapeKey) else "candles"
            say(f"{staged.key}: {staged.rows} {rows}, {iso(staged.first_ts)} to {iso(staged.last_ts)}")
    what = "rows" if any(isinstance(one.key, TapeKey) for one in verdict.accepted) else "candles"
    _tell(verdict.findings, commit.seq, commit.rows_added, commit.rows_revised, what)
    lost = {one.key for one in verdict.quarantined} - {one.key for one in verdict.accepted if one.rows}
    if lost:
        files = ", ".join(sorted({source.content.named.name for source in sources if source.key in lost}))
        raise BadData(f"nothing of {files} was accepted: its rows are in quarantine, with the rules above", files=files)


def _content(word: str | None) -> Timeframe | Tape | None:
    if word is None:
        return None
    try:
        return Tape(word) if word in set(Tape) else Timeframe(word)
    except ValueError as error:
        raise typer.BadParameter(f"--as {word!r}; allowed: {', '.join((*Timeframe, *Tape))}") from error


def _now(settings: Settings) -> tuple[datetime, bool]:
    """The market's clock and True; the machine's and False where no venue answers, which an import does not need."""
    try:
        return wiring.market_now(settings), True
    except (RetryLater, Misconfigured):
        return WallClock().now(), False


def _tell(findings: Iterable[Finding], seq: int, added: int, revised: int, what: str = "candles") -> None:
    for finding in findings:
        say(f"{finding.action}: {finding.key}: {finding.rule}: {finding.detail}")
    say(f"commit {seq}: {added} {what} added, {revised} revised")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
    )  # fmt: skip
