"""``kracken contracts list | show | check``: what stored data promises, and whether it keeps it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from kracken_tasks import wiring
from kracken_tasks.cli.values import moment, say, show_frame, symbol
from kracken_tasks.domain.clock import WallClock
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    part = typer.Typer(no_args_is_help=True, help="What stored data promises: list, show, check.")
    part.command("list")(list_contracts)
    part.command("show")(show)
    part.command("check")(check)
    app.add_typer(part, name="contracts")


def list_contracts() -> None:
    """The contracts in force, one a stored dataset."""
    from kracken_tasks.contracts import load_contract, newest_contracts

    folder = wiring.contracts_dir()
    contracts = [load_contract(folder, name) for name in newest_contracts(folder).values()]
    counted = ("reject_batch", "reject_rows", "warn")
    show_frame(pd.DataFrame([
        {"contract": one.name, "hash": one.content_hash[:12], "key": ", ".join(one.meta["key"]),
         **{word: sum(rule.severity == word for rule in one.rules) for word in counted}}
        for one in contracts
    ]))  # fmt: skip


def show(name: Annotated[str, typer.Argument(help="candles, trades, quotes; or a version: candles.v1")]) -> None:
    """One contract, readable: columns, units, and every rule with what happens and why."""
    from kracken_tasks.contracts import load_contract, newest_contracts, rule_rows

    folder = wiring.contracts_dir()
    contract = load_contract(folder, newest_contracts(folder).get(name, name))
    say(f"{contract.reference}: {contract.dataset}, owned by {contract.meta['owner']}; {contract.meta['grid']}")
    units = contract.meta["units"]
    show_frame(
        pd.DataFrame(
            [
                {"column": column, "kind": kind, "unit": units.get(column, "")}
                for column, kind in contract.columns.items()
            ]
        )
    )
    show_frame(pd.DataFrame(rule_rows(contract)))
    share = f"{contract.tolerance.max_rejected_fraction:.0%}"
    say(f"A series of {contract.tolerance.from_rows} rows or more of which over {share} are rejected is refused whole.")


def check(
    file: Annotated[Path | None, typer.Option(help="Parquet or CSV with named columns, not yet imported")] = None,
    exchange: Annotated[
        str | None, typer.Option(help="Venue; with --symbol one series of the lake, or whose rows the file holds")
    ] = None,
    symbol_: Annotated[str | None, typer.Option("--symbol", help="BTC/USD")] = None,
    timeframe: Annotated[Timeframe | None, typer.Option(help="Width of the candles; or --tape")] = None,
    tape: Annotated[Tape | None, typer.Option(help="trades or quotes")] = None,
    now: Annotated[
        str | None, typer.Option(help="Rows after this moment are from the future. Default: the clock")
    ] = None,
) -> None:
    """Hold a file, one series or the whole lake against today's contracts.  Nothing is stored; exit code 1 if rows would be rejected."""
    at = moment(now) or WallClock().now()
    key = _key(exchange, symbol_, timeframe, tape)
    findings = _in_lake(key, at) if file is None else _in_file(file, key, at)
    for one in sorted(findings, key=lambda one: (one.action == "warn", one.action)):
        say(f"{one.action}: {one.key}: {one.rule}: {one.detail}")
        say(f"  {one.why}", style="dim")
        for row in one.sample:
            say(f"  {row}", style="dim")
    rejecting = [one for one in findings if one.action != "warn"]
    if rejecting:
        raise BadData(
            f"{len(rejecting)} of {len(findings)} findings would keep rows out of the lake", findings=len(rejecting)
        )
    say(f"nothing would be rejected; warnings: {len(findings)}" if findings else "the contract holds: nothing found")


def _in_lake(key: SeriesKey | TapeKey | None, at: datetime) -> tuple[Finding, ...]:
    from kracken_tasks.contracts import inspect_lake, load_contracts

    snapshot = wiring.lake(load_settings()).snapshot()
    stored = [*snapshot.series(), *snapshot.tapes()]
    if key is not None and key not in stored:
        raise BadData(
            f"the lake holds no {key}; it has: {'; '.join(map(str, stored)) or 'nothing yet'}", series=str(key)
        )
    contracts = load_contracts(wiring.contracts_dir(), ("candles", "trades", "quotes"))
    return inspect_lake(snapshot, contracts, now=at, keys=None if key is None else [key])


def _in_file(file: Path, key: SeriesKey | TapeKey | None, at: datetime) -> tuple[Finding, ...]:
    from kracken_tasks.contracts import dataset_in, dataset_of, inspect_frame, load_contracts

    if not file.is_file():
        raise Misconfigured(f"no file {file}", file=str(file))
    if file.suffix == ".parquet":
        frame = pd.read_parquet(file)  # as it lies there: what an import would refuse to read is to be named here
        dataset, key = dataset_in(frame), key or _named(file)
    else:
        from kracken_tasks.candles.files import discover, read

        source = discover(file)[0]
        frame, dataset, key = read(source), "candles", key or source.key
    if key is None:
        raise Misconfigured(
            f"{file.name} does not say whose rows it holds: add --exchange and --symbol", file=str(file)
        )
    if dataset_of(key) != dataset:
        raise Misconfigured(f"{file.name} holds {dataset}, not {key}", file=str(file), allowed=dataset)
    return inspect_frame(load_contracts(wiring.contracts_dir(), [dataset])[dataset], frame, key, now=at)


def _named(file: Path) -> SeriesKey | TapeKey | None:
    from kracken_tasks.candles.names import FileKind, named

    told = named(file)
    if told.kind is FileKind.TRADE_TABLE:
        return TapeKey(told.exchange, told.symbol, Tape.TRADES)
    return None if told.timeframe is None else told.key(told.timeframe)


def _key(
    exchange: str | None, symbol_: str | None, timeframe: Timeframe | None, tape: Tape | None
) -> SeriesKey | TapeKey | None:
    if exchange is None and symbol_ is None and timeframe is None and tape is None:
        return None
    if exchange is None or symbol_ is None or (timeframe is None) == (tape is None):
        raise Misconfigured(
            "name --exchange and --symbol with either --timeframe or --tape", allowed="all of them or none"
        )
    if timeframe is not None:
        return SeriesKey(exchange, symbol(symbol_), timeframe)
    return TapeKey(exchange, symbol(symbol_), Tape(tape or Tape.TRADES))
