"""A size receipt as a line a trader can follow."""

from __future__ import annotations

from decimal import Decimal

from kracken_tasks.domain.receipts import receipt_line
from kracken_tasks.domain.trading import SizeCut, SizeReceipt


def test_a_size_receipt_is_one_line_a_trader_can_follow() -> None:
    cuts = (
        SizeCut("max_position", 1000.0, 1000.0, ""),
        SizeCut("kelly", 1000.0, 400.0, ""),
        SizeCut("correlation", 400.0, 260.0, ""),
        SizeCut("lot_step", 260.0, 259.5, ""),
    )
    receipt = SizeReceipt("BTC/USD", 30000.0, cuts, 86, Decimal("0.0086"), Decimal("258"))
    assert receipt_line(receipt) == (
        "max position ok -> kelly 400.00 (x0.40) -> correlation 260.00 (x0.65) -> lot step 259.50 (x1.00) -> 0.0086 BTC"
    )
