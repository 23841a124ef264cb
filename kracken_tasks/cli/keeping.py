"""``kracken quarantine | snapshot | maintain``: what the lake keeps out, remembers by name, and tidies."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from kracken_tasks import wiring
from kracken_tasks.cli.values import Format, as_of, moment, say, show_rows, symbol, write_frame
from kracken_tasks.domain.clock import WallClock
from kracken_tasks.domain.market import DataKey, SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.settings import Settings, load_settings

__all__ = ["add_to"]

_SHOWN = 60


def add_to(app: typer.Typer) -> None:
    held = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Rows that a contract kept out: list, show, release."
    )
    held.command("list")(quarantine_list)
    held.command("show")(quarantine_show)
    held.command("release")(quarantine_release)
    app.add_typer(held, name="quarantine")
    snapshots = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Snapshots of the lake: list, pin, unpin."
    )
    snapshots.command("list")(snapshot_list)
    snapshots.command("pin")(snapshot_pin)
    snapshots.command("unpin")(snapshot_unpin)
    app.add_typer(snapshots, name="snapshot")
    app.command("maintain")(maintain)


def quarantine_list() -> None:
    """Rows that are kept out, by series.

    kracken quarantine list
    """
    lake = wiring.lake(load_settings())
    snapshot = lake.snapshot()
    rows = []
    for key in snapshot.known_keys():
        if snapshot.held(key) and not (held := lake.held(key)).empty:
            rules = sorted({rule for text in held["rule"] for rule in str(text).split(", ")})
            first, last = held["ts"].iloc[0].to_pydatetime(), held["ts"].iloc[-1].to_pydatetime()
            rows.append([str(key), str(len(held)), _minute(first), _minute(last), ", ".join(rules)])
    if rows:
        show_rows(["series", "rows", "first", "last", "rules"], rows, right={"rows"})
    say(f"{len(rows)} series and tapes with rows in quarantine" if rows else "nothing is in quarantine")


def quarantine_show(
    exchange: Annotated[str, typer.Argument(help="kraken")],
    symbol_: Annotated[str, typer.Argument(metavar="SYMBOL", help="BTC/USD", callback=symbol)],
    what: Annotated[str, typer.Argument(help="1h, trades or quotes")],
    form: Annotated[Format, typer.Option("--format", help="How to write them")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="File to write to")] = None,
) -> None:
    """The rows of one series that are kept out, and why.

    kracken quarantine show kraken BTC/USD 1h
    """
    key = _key(exchange, symbol_, what)
    held = wiring.lake(load_settings()).held(key)
    if form is not Format.TABLE or out is not None:
        write_frame(held, form, out)
        return
    numbers = [
        name for name in ("open", "high", "low", "close", "price", "bid", "ask", "volume") if name in held.columns
    ]
    rows = [
        [_minute(one["ts"]), *(f"{one[name]:.7g}" for name in numbers), one["rule"]] for one in held.to_dict("records")
    ]
    show_rows(["ts", *numbers, "rule"], rows[:_SHOWN], right=numbers)
    say(f"{len(rows)} rows" + (f", the first {_SHOWN} shown; all of them with --out" if len(rows) > _SHOWN else ""))
    for reason in sorted(set(held["reason"])):
        say(reason)


def quarantine_release(
    exchange: Annotated[str, typer.Argument(help="kraken")],
    symbol_: Annotated[str, typer.Argument(metavar="SYMBOL", help="BTC/USD", callback=symbol)],
    what: Annotated[str, typer.Argument(help="1h, trades or quotes")],
    by: Annotated[str, typer.Option(help="Who releases")],
    reason: Annotated[str, typer.Option(help="Why")],
    start: Annotated[str | None, typer.Option("--from", help="Only rows from here on")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only rows before this")] = None,
) -> None:
    """Let rows out of quarantine: they become visible, with who and why in the commit; what the contract found stays.

    kracken quarantine release kraken BTC/USD 1h --by Ada --reason "two other venues show the same"
    """
    settings = load_settings()
    ref = wiring.lake(settings).release(
        _key(exchange, symbol_, what),
        by=by,
        reason=reason,
        known_at=_now(settings),
        start=moment(start),
        end=moment(end),
    )
    say(f"commit {ref.seq}: {ref.rows_added} rows added, {ref.rows_revised} revised, released by {by}")


def snapshot_list() -> None:
    """Pinned snapshots and the newest one.

    kracken snapshot list
    """
    lake = wiring.lake(load_settings())
    head = lake.snapshot()
    rows = [
        [
            pin.name,
            str(pin.seq),
            _minute(lake.snapshot(pin.seq).known_at),
            _minute(pin.pinned_at),
            pin.content_hash[:12],
        ]
        for pin in lake.pins()
    ]
    newest = _minute(head.known_at) if head.seq else ""
    show_rows(
        ["name", "commit", "known at", "pinned at", "content"],
        [*rows, ["(newest)", str(head.seq), newest, "", head.content_hash[:12]]],
    )


def snapshot_pin(
    name: Annotated[str, typer.Argument(help="Small letters, digits, dots and dashes")],
    at: Annotated[str | None, typer.Option(help="A commit's number or a moment. Default: the newest")] = None,
) -> None:
    """Give a snapshot a name, to read by --as-of later: the data of a study, a training, a backtest.

    kracken snapshot pin study-2024 --at 120
    """
    settings = load_settings()
    pin = wiring.lake(settings).pin(name, as_of(at), pinned_at=_now(settings))
    say(f"{pin.name} is commit {pin.seq}, content {pin.content_hash[:12]}")


def snapshot_unpin(name: Annotated[str, typer.Argument(help="The pin's name")]) -> None:
    """Take a name away; the snapshot itself stays readable by its number.

    kracken snapshot unpin study-2024
    """
    pin = wiring.lake(load_settings()).unpin(name)
    say(f"{pin.name} was commit {pin.seq}")


def maintain(
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare it with its hash")] = False,
) -> None:
    """Join small files and delete what is past its time; no snapshot changes.

    kracken maintain --verify
    """
    settings = load_settings()
    lake, now, wall = wiring.lake(settings), _now(settings), WallClock().now()
    report = lake.maintain(
        known_at=now, wall_now=wall, keep_replaced=timedelta(hours=settings.lake.keep_replaced_hours),
        keep_staged=timedelta(hours=settings.lake.keep_staged_hours),
    )  # fmt: skip
    swept = report.swept
    say(
        f"files {report.files_before} -> {report.files_after}, {_size(report.bytes_before)} -> {_size(report.bytes_after)}"
    )
    say(f"deleted: {swept.replaced} replaced, {swept.staged} staged, {swept.unnamed} left by killed writers")
    if verify:
        damaged = lake.verify()
        if damaged:
            raise BadData(f"{len(damaged)} files are not what was committed: {', '.join(damaged)}", files=damaged)
        say("every file is what was committed")


def _now(settings: Settings) -> datetime:
    """Market time; where no venue answers, the newest moment that the lake knows of."""
    try:
        return wiring.market_now(settings)
    except (RetryLater, Misconfigured):
        return wiring.lake(settings).snapshot().known_at


def _key(exchange: str, symbol_: str, what: str) -> DataKey:
    try:
        return (
            TapeKey(exchange, symbol_, Tape(what))
            if what in set(Tape)
            else SeriesKey(exchange, symbol_, Timeframe(what))
        )
    except ValueError as error:
        raise typer.BadParameter(f"{what!r}; allowed: {', '.join((*Timeframe, *Tape))}") from error


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if not at.second and not at.microsecond else f"{at:%Y-%m-%d %H:%M:%S}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"
