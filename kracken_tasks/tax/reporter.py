"""The promised class: trades as plain mappings in, files out.

In: ``{"symbol": "BTC/USD", "side": "buy", "amount": 0.1, "price": 30000, "timestamp": 1234567890, "exchange": "kraken",
"fee": {"cost": 3, "currency": "USD"}}``.  Out: the paths written.  Never: arithmetic on floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kracken_tasks.files import publish
from kracken_tasks.tax.exports import KOINLY, TRADES, TaxChoices, all_files
from kracken_tasks.tax.koinly import koinly_bytes
from kracken_tasks.tax.trade import Trade, trades_from_mappings
from kracken_tasks.tax.trades_csv import trades_bytes
from kracken_tasks.tax.values import FairValues, ValueLookup

__all__ = ["TaxReporter"]


class TaxReporter:
    """Write tax files under ``output_dir``.

    Trades are mappings (timestamp in seconds, milliseconds or ISO 8601) or ``Trade`` values; a mapping without an id gets a stable one.
    Raises (every export): BadData naming the trade, the key and the reason; nothing is written then.
    """

    def __init__(
        self,
        output_dir: str | Path = "exports",
        *,
        base_currency: str = "USD",
        tax_timezone: str = "UTC",
        method: str = "fifo",
        scope: str = "per_wallet",
        fmv: ValueLookup | None = None,
    ) -> None:
        """``fmv(asset, moment)`` gives the worth of one unit in ``base_currency``, needed for quotes and fees that are not money.

        Raises: Misconfigured for a method, scope or zone that is not there.
        """
        self.output_dir = Path(output_dir)
        self.choices = TaxChoices(base_currency, tax_timezone, method, scope)
        self._values = fmv or FairValues()

    def export_to_csv(self, trades: Sequence[Mapping[str, Any] | Trade]) -> Path:
        """Write the neutral ``trades.csv``; return its path."""
        return self._write({TRADES: trades_bytes(trades_from_mappings(trades))})[0]

    def export_to_koinly(self, trades: Sequence[Mapping[str, Any] | Trade]) -> Path:
        """Write ``koinly.csv`` in Koinly's universal template, to be imported there by hand; return its path."""
        return self._write({KOINLY: koinly_bytes(trades_from_mappings(trades))})[0]

    def export_all_formats(self, trades: Sequence[Mapping[str, Any] | Trade]) -> list[Path]:
        """Write gains, open lots, neutral trades and Koinly together; return their paths.

        Raises: BadData also if more is sold than was bought, or a value is missing.
        """
        known = trades_from_mappings(trades)
        return self._write(all_files(known, self.choices.lots(known, self._values), self.choices))

    def _write(self, files: Mapping[str, bytes]) -> list[Path]:
        return publish(self.output_dir, files)
