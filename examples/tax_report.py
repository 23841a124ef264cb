"""From trades in plain dictionaries to tax files: matched lots (FIFO), open lots, neutral CSV, Koinly's template.

    python examples/tax_report.py [FOLDER]

Without a name the files go to ``exports`` in the current folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from kracken_tasks.tax import TaxReporter

console = Console(highlight=False, soft_wrap=True)


def trade(timestamp: str, side: str, amount: str, price: str, fee: str) -> dict[str, object]:
    return {
        "symbol": "BTC/USD", "side": side, "amount": amount, "price": price, "timestamp": timestamp,
        "exchange": "kraken", "fee": {"cost": fee, "currency": "USD"},
    }  # fmt: skip


TRADES = [
    trade("2023-01-10T12:00:00Z", "buy", "0.10", "17400", "6.96"),
    trade("2024-02-20T12:00:00Z", "buy", "0.05", "52000", "10.40"),
    trade("2024-03-05T12:00:00Z", "sell", "0.12", "63000", "30.24"),  # the whole first lot, and a part of the second
]


def main(folder: Path) -> None:
    for path in TaxReporter(folder, tax_timezone="Europe/London").export_all_formats(TRADES):
        console.print(path.name, style="bold")
        console.print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("exports"))
