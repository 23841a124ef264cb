"""The whole way: trades in, all files of a run out, together or not at all.

In: a ledger or a neutral trades file, and the user's choices.  Out: files and what they hold.  Never: some files of a run without the
others, a moment of writing inside a file: the same trades give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from kracken_tasks.domain.trading import CashMovement
from kracken_tasks.files import publish
from kracken_tasks.tax.from_ledger import LedgerFacts, movements_from_ledger, trades_from_ledger
from kracken_tasks.tax.koinly import koinly_bytes
from kracken_tasks.tax.legs import LotsResult, compute_lots
from kracken_tasks.tax.lots import Acquisition, method_named, scope_named
from kracken_tasks.tax.lots_csv import gains_bytes, open_lots_bytes
from kracken_tasks.tax.receipts import receipts, told_of
from kracken_tasks.tax.term import zone_named
from kracken_tasks.tax.trade import Trade
from kracken_tasks.tax.trades_csv import read_fair_values, read_trades, trades_bytes
from kracken_tasks.tax.values import FairValues, ValueLookup

__all__ = [
    "GAINS",
    "KOINLY",
    "OPEN_LOTS",
    "TRADES",
    "ExportReport",
    "TaxChoices",
    "all_files",
    "compute_lots_files",
    "export_ledger",
    "lots_files",
]

GAINS, OPEN_LOTS, TRADES, KOINLY = "gains.csv", "open_lots.csv", "trades.csv", "koinly.csv"


@dataclass(frozen=True, slots=True)
class TaxChoices:
    """What the user decides, checked when made.

    Raises: Misconfigured naming the key and what is allowed.
    """

    currency: str = "USD"
    timezone: str = "UTC"
    method: str = "fifo"
    scope: str = "per_wallet"
    costs: Mapping[str, Decimal] = field(default_factory=dict)  # of deposits, by the movement's id, in ``currency``

    def __post_init__(self) -> None:
        zone_named(self.timezone)
        method_named(self.method)
        object.__setattr__(self, "scope", scope_named(self.scope).value)

    def lots(self, trades: Sequence[Trade], values: ValueLookup, received: Sequence[Acquisition] = ()) -> LotsResult:
        return compute_lots(
            trades,
            values=values,
            currency=self.currency,
            method=method_named(self.method),
            scope=scope_named(self.scope),
            received=received,
        )

    def received(self, movements: Sequence[CashMovement], values: ValueLookup, wallet: str) -> tuple[Acquisition, ...]:
        """Coins that came without a trade, as lots."""
        return tuple(receipts(movements, values=values, currency=self.currency, wallet=wallet, costs=self.costs))


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What a run wrote: paths in order of name, SHA-256 (hex) and number of rows by file name.

    ``notes``: what the files do not hold and a return may need, a sentence each.
    """

    paths: tuple[Path, ...]
    sha256: Mapping[str, str]
    rows: Mapping[str, int]
    lots: LotsResult = field(repr=False)
    notes: tuple[str, ...] = ()


def export_ledger(
    ledger: LedgerFacts,
    out: Path,
    *,
    until: datetime | None = None,
    choices: TaxChoices | None = None,
    values: ValueLookup | None = None,
    stated_rates: Mapping[str, Decimal] | None = None,
) -> ExportReport:
    """Write gains, open lots, Koinly and neutral trades of everything before ``until`` into ``out``.

    ``values``: what coins and foreign money were worth; without it the user's ``stated_rates`` alone.
    Raises: BadData if the lots cannot be computed or a movement's meaning is not known; nothing is written then.
    """
    choices, worth = choices or TaxChoices(), values or FairValues(stated=stated_rates)
    trades, movements = trades_from_ledger(ledger, until), movements_from_ledger(ledger, until)
    received = choices.received(movements, worth, ledger.exchange)
    lots = choices.lots(trades, worth, received)
    files = all_files(trades, lots, choices, movements, exchange=ledger.exchange)
    return replace(_published(out, files, lots), notes=told_of(received, movements, choices.currency))


def compute_lots_files(
    trades_csv: Path,
    out: Path,
    *,
    fmv_csv: Path | None = None,
    choices: TaxChoices | None = None,
    stated_rates: Mapping[str, Decimal] | None = None,
) -> ExportReport:
    """Read a neutral trades file and write ``gains.csv`` and ``open_lots.csv`` into ``out``: ``kracken tax lots``.

    Raises: BadData naming file, line, column and reason, or the trade that cannot be matched; nothing is written then.
    """
    choices = choices or TaxChoices()
    stated = FairValues(stated=stated_rates)
    values = stated if fmv_csv is None else read_fair_values(fmv_csv, choices.currency, stated=stated_rates)
    lots = choices.lots(read_trades(trades_csv), values)
    return _published(out, lots_files(lots, choices), lots)


def lots_files(lots: LotsResult, choices: TaxChoices) -> dict[str, bytes]:
    return {GAINS: gains_bytes(lots, zone_named(choices.timezone)), OPEN_LOTS: open_lots_bytes(lots)}


def all_files(
    trades: Sequence[Trade],
    lots: LotsResult,
    choices: TaxChoices,
    movements: Sequence[CashMovement] = (),
    *,
    exchange: str = "",
) -> dict[str, bytes]:
    return {
        **lots_files(lots, choices),
        TRADES: trades_bytes(trades),
        KOINLY: koinly_bytes(trades, movements, exchange=exchange),
    }


def _published(out: Path, files: Mapping[str, bytes], lots: LotsResult) -> ExportReport:
    paths = publish(out, {name: files[name] for name in sorted(files)})
    return ExportReport(
        paths=tuple(paths),
        sha256={name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
        rows={name: files[name].count(b"\n") - 1 for name in sorted(files)},
        lots=lots,
    )
