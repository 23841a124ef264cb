"""``gains.csv`` and ``open_lots.csv``: what the lots say, row by row.

In: a lots result.  Out: bytes.  Never: a sum of rounded figures; money is rounded (8 decimals, half even) only where it is printed.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.money import plain
from kracken_tasks.tax.legs import LotsResult
from kracken_tasks.tax.lots import Lot, Match
from kracken_tasks.tax.tables import guarded, table_bytes
from kracken_tasks.tax.term import term_of
from kracken_tasks.tax.trade import shortest

__all__ = ["GAINS_COLUMNS", "OPEN_LOTS_COLUMNS", "gains_bytes", "open_lots_bytes"]

GAINS_COLUMNS = (
    "disposal_timestamp", "asset", "amount", "acquired_timestamp", "proceeds", "cost_basis", "gain", "term", "kind", "wallet",
    "disposal_id", "acquired_id",
)  # fmt: skip
OPEN_LOTS_COLUMNS = ("acquired_timestamp", "asset", "amount", "cost_basis", "wallet", "acquired_id")

_MONEY_PLACES = 8
_NOT_KNOWN = ("", "")  # cost and gain of coins whose cost nobody can tell


def gains_bytes(result: LotsResult, zone: ZoneInfo) -> bytes:
    """One row per disposal and lot, in the order of disposal; ``term`` by the calendar of ``zone``."""
    return table_bytes(GAINS_COLUMNS, (_gain_cells(match, zone) for match in result.matches))


def _gain_cells(match: Match, zone: ZoneInfo) -> tuple[str, ...]:
    disposal, lot = match.disposal, match.lot
    told = (plain(match.basis, _MONEY_PLACES), plain(match.gain, _MONEY_PLACES)) if lot.basis_known else _NOT_KNOWN
    return (
        iso(disposal.timestamp), guarded(disposal.asset), shortest(match.amount), iso(lot.timestamp), plain(match.proceeds, _MONEY_PLACES),
        *told, term_of(lot.timestamp, disposal.timestamp, zone),
        disposal.kind.value, guarded(disposal.wallet), guarded(disposal.disposal_id), guarded(lot.acquired_id),
    )  # fmt: skip


def open_lots_bytes(result: LotsResult) -> bytes:
    """What is left of each lot, by acquisition."""
    return table_bytes(OPEN_LOTS_COLUMNS, (_lot_cells(lot) for lot in result.open_lots))


def _lot_cells(lot: Lot) -> tuple[str, ...]:
    source = lot.source
    return (
        iso(source.timestamp), guarded(source.asset), shortest(lot.amount),
        plain(lot.basis, _MONEY_PLACES) if source.basis_known else "", guarded(source.wallet), guarded(source.acquired_id),
    )  # fmt: skip
