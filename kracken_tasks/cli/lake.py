"""``kracken candles | sql | coverage | gaps``: what the lake holds, and what it lacks and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from kracken_tasks import wiring
from kracken_tasks.cli.values import Format, as_of, in_order, moment, say, show_frame, show_rows, symbol, write_frame
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import DataKey, SeriesKey, Tape, Timeframe, key_parts
from kracken_tasks.errors import BadData
from kracken_tasks.files import replace_file
from kracken_tasks.lake import Hole, HoleCause, Snapshot
from kracken_tasks.settings import Settings, load_settings

__all__ = ["add_to"]

_AS_OF = typer.Option("--as-of", help="What was known then: a commit's number, a moment, or the name of a pin")
_EXCHANGE = typer.Option(help="Only this venue")
_SYMBOL = typer.Option("--symbol", help="Only this symbol, for example BTC/USD")
_WHAT = typer.Option("--timeframe", help="Only these: 1m, 1h, 1d ..., trades or quotes")
_SHOWN = 60
_CAUSES = {
    HoleCause.NO_TRADES: "no trades",
    HoleCause.VENUE_OUTAGE: "outage",
    HoleCause.NOT_FETCHED: "not fetched",
    HoleCause.REJECTED: "kept out",
}


def add_to(app: typer.Typer) -> None:
    app.command("candles")(candles)
    app.command("sql")(sql)
    app.command("coverage")(coverage)
    app.command("gaps")(gaps)


def candles(
    exchange: Annotated[str, typer.Option(help="Venue, for example kraken")],
    symbol_: Annotated[str, typer.Option("--symbol", help="BTC/USD", callback=symbol)],
    timeframe: Annotated[Timeframe, typer.Option(help="Width of the candles")],
    start: Annotated[str | None, typer.Option(help="First open time, included")] = None,
    end: Annotated[str | None, typer.Option(help="Last open time, excluded")] = None,
    at: Annotated[str | None, _AS_OF] = None,
    fill: Annotated[bool, typer.Option("--fill", help="With a flat candle for windows without trades")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to write them")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="File to write to")] = None,
) -> None:
    """Read candles back from the lake, as they are known now or as they were.

    kracken candles --exchange kraken --symbol BTC/USD --timeframe 1h --start 2024-01-01 --as-of 2024-02-01
    """
    settings, key = load_settings(), SeriesKey(exchange, symbol_, timeframe)
    snapshot = _snapshot(settings, at)
    frame = snapshot.candles(key, moment(start), moment(end), fill=fill)
    if frame.empty:
        raise BadData(_nothing_of(key, snapshot, wiring.lake(settings).snapshot(), at), series=str(key))
    write_frame(frame, form, out)


def sql(
    query: Annotated[
        str,
        typer.Argument(
            help="One SELECT over candles, candles_all, trades, quotes, quarantine, outages, commits, findings"
        ),
    ],
    at: Annotated[str | None, _AS_OF] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write the answer")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="File to write to")] = None,
) -> None:
    """Ask the lake in SQL (DuckDB).

    kracken sql "SELECT symbol, count(*) AS n FROM candles GROUP BY symbol"
    """
    frame = wiring.lake(load_settings()).sql(query, as_of(at))
    if form is Format.TABLE and out is None:
        show_frame(frame)
    else:
        write_frame(frame, form, out)


def coverage(
    exchange: Annotated[str | None, _EXCHANGE] = None,
    symbol_: Annotated[str | None, _SYMBOL] = None,
    what: Annotated[str | None, _WHAT] = None,
    at: Annotated[str | None, _AS_OF] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the map, a PNG, into this file")] = None,
) -> None:
    """What the lake holds of every series and tape, and its holes by cause.

    kracken coverage --symbol BTC/USD --picture coverage.png
    """
    snapshot = _snapshot(load_settings(), at)
    keys = _chosen(snapshot, exchange, symbol_, what)
    lines = {line.key: line for line in snapshot.coverage()}
    tapes = {line.key: line for line in snapshot.tape_coverage()}
    rows = []
    for key in keys:
        if isinstance(key, SeriesKey):
            one = lines[key]
            counts = {
                "no trades": one.no_trades,
                "outage": one.venue_outage,
                "not fetched": one.not_fetched,
                "kept out": one.rejected,
            }
            told = ", ".join(f"{count} {cause}" for cause, count in counts.items() if count) or "none"
            rows.append([str(key), f"{one.candles}", _day(one.first_ts), _day(one.last_ts), told])
        else:
            tape = tapes[key]
            lost = {"outage": tape.outage, "not fetched": tape.not_fetched}
            told = ", ".join(f"{_lasting(span)} {cause}" for cause, span in lost.items() if span) or "none"
            rows.append([str(key), f"{tape.events}", _day(tape.first_ts), _day(tape.last_ts), told])
    show_rows(["series", "rows", "first", "last", "holes"], rows, right={"rows"})
    say(f"{len(rows)} series and tapes, commit {snapshot.seq}")
    if picture is not None:
        from kracken_tasks.lake.coverage_map import coverage_png

        replace_file(picture, coverage_png(snapshot, keys))
        say(f"map drawn to {picture}")


def gaps(
    exchange: Annotated[str | None, _EXCHANGE] = None,
    symbol_: Annotated[str | None, _SYMBOL] = None,
    what: Annotated[str | None, _WHAT] = None,
    start: Annotated[str | None, typer.Option("--from", help="Default: the first row of each")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Default: the last row of each")] = None,
    quiet: Annotated[bool, typer.Option("--no-trades", help="With windows in which nothing was traded")] = False,
) -> None:
    """Every hole with its cause, and the command that would fill it.

    kracken gaps --timeframe 1h --from 2024-01-01
    """
    settings, (low, high) = load_settings(), in_order(moment(start), moment(end))
    snapshot, venues = _snapshot(settings, None), wiring.enabled(settings)
    rows, cures, reasons = [], [], set()
    for key in _chosen(snapshot, exchange, symbol_, what):
        holes = [hole for hole in _holes(snapshot, key, low, high) if quiet or hole.cause is not HoleCause.NO_TRADES]
        for hole in holes:
            size = str(hole.windows) if hole.windows else _lasting(hole.end - hole.start)
            rows.append([str(key), _minute(hole.start), _minute(hole.end), size, _CAUSES[hole.cause]])
            reasons |= {f"outage of {key} from {_minute(hole.start)}: {hole.reason}"} if hole.reason else set()
        cures += _cures(key, holes, venues)
    show_rows(["series", "from", "to", "size", "cause"], rows[-_SHOWN:], right={"size"})
    left_out = f", the last {_SHOWN} shown; narrow them by --symbol, --from, --to" if len(rows) > _SHOWN else ""
    say(f"{len(rows)} holes{left_out}")
    for line in (*sorted(reasons), *cures):
        say(line)


def _snapshot(settings: Settings, at: str | None) -> Snapshot:
    return wiring.lake(settings).snapshot(as_of(at))


def _nothing_of(key: SeriesKey, snapshot: Snapshot, newest: Snapshot, at: str | None) -> str:
    """Why there are no candles of a series: not known then, not of that span, or not at all."""
    first, last = snapshot.first_ts(key), snapshot.last_ts(key)
    if first is not None and last is not None:
        return f"the lake holds no candles of {key} there; it has them from {iso(first)} to {iso(last)}"
    if at is not None and newest.first_ts(key) is not None:
        since = newest.revisions(key)["known_at"].min().to_pydatetime()
        return f"as of {at} (commit {snapshot.seq}) the lake knew nothing of {key}; it does since {iso(since)}"
    known = "; ".join(str(one) for one in newest.series()) or "nothing yet (kracken ingest, kracken import)"
    return f"the lake holds no candles of {key}; it has: {known}"


def _chosen(snapshot: Snapshot, exchange: str | None, symbol_: str | None, what: str | None) -> list[DataKey]:
    """Series and tapes that the options name.  Raises: BadData if they name none: a slip of the pen is no lake without holes."""
    wanted, known = (exchange, symbol_, what), snapshot.known_keys()
    chosen = [key for key in known if all(w in (None, part) for w, part in zip(wanted, key_parts(key), strict=True))]
    if not chosen and any(wanted):
        asked = " ".join(part for part in wanted if part)
        told = "; ".join(map(str, known)) or "nothing yet (kracken ingest, kracken import)"
        raise BadData(f"the lake has nothing of {asked}; it has: {told}", asked=asked)
    return chosen


def _holes(snapshot: Snapshot, key: DataKey, start: datetime | None, end: datetime | None) -> list[Hole]:
    if start is None and end is None:
        return snapshot.known_holes(key)
    last = snapshot.last_ts(key)
    if last is not None and isinstance(key, SeriesKey):
        last += key.timeframe.delta
    low, high = start or snapshot.first_ts(key), end or last
    return [] if low is None or high is None else snapshot.holes(key, low, high)


def _cures(key: DataKey, holes: Sequence[Hole], venues: Sequence[str]) -> list[str]:
    """Commands that would do something about the holes of one key; in words where no command would."""
    from kracken_tasks.candles.sources import trades_reach_back

    exchange, symbol_, what = key_parts(key)
    lines = []
    lost = [hole for hole in holes if hole.cause in (HoleCause.NOT_FETCHED, HoleCause.VENUE_OUTAGE)]
    span = f" --from {iso(lost[0].start)} --to {iso(lost[-1].end)}" if lost else ""
    if lost and exchange not in venues:
        lines.append(f"kracken import takes files of {key}; {exchange} is no enabled venue (exchanges.yaml)")
    elif lost and isinstance(key, SeriesKey):
        lines.append(f"kracken backfill {symbol_} --exchange {exchange} --timeframes {what}{span}")
    elif lost and what == Tape.TRADES and trades_reach_back(exchange):
        lines.append(f"kracken backfill {symbol_} --exchange {exchange} --keep-trades{span}")
    elif lost:
        lines.append(f"{key}: what nobody recorded is gone")
    if any(hole.cause is HoleCause.REJECTED for hole in holes):
        lines.append(f"kracken quarantine show {exchange} {symbol_} {what}")
    return lines


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if not at.second and not at.microsecond else f"{at:%Y-%m-%d %H:%M:%S}"


def _lasting(span: timedelta) -> str:
    """``3.5 h``: one number and the unit that suits it."""
    seconds = span.total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
