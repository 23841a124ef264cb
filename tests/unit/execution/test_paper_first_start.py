"""A paper account is opened once, whoever starts first and whenever a start dies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.execution.paper import PaperBroker
from tests.support.market_data import START, HandMovedMarket

EPOCH = START.replace(year=2000)


class _Deposit(Mapping[str, Decimal]):
    """Lets something else happen between a start's look at the account and its deposit."""

    def __init__(self, amounts: Mapping[str, Decimal], meanwhile: object = None) -> None:
        self._amounts, self._meanwhile = amounts, meanwhile

    def __getitem__(self, asset: str) -> Decimal:
        return self._amounts[asset]

    def __len__(self) -> int:
        return len(self._amounts)

    def __iter__(self) -> Iterator[str]:
        if callable(self._meanwhile):
            self._meanwhile()
        return iter(self._amounts)


def _open(path: Path, deposit: Mapping[str, Decimal]) -> PaperBroker:
    market = HandMovedMarket()
    return PaperBroker(
        exchange="kraken", clock=market.now, instruments=market.instruments, quotes=market.quotes, deposit=deposit, path=path
    )  # fmt: skip


def test_two_first_starts_at_once_book_one_deposit(tmp_path: Path) -> None:
    path, money = tmp_path / "paper.db", {"USD": Decimal(10_000), "EUR": Decimal(5)}
    others: list[PaperBroker] = []
    broker = _open(path, _Deposit(money, lambda: others.append(_open(path, money))))
    assert len(others) == 1
    assert {asset: held.total for asset, held in broker.balances().items()} == money
    assert len(broker.cash_movements(EPOCH)) == 2


def test_a_first_start_that_dies_between_two_deposits_has_opened_nothing(tmp_path: Path) -> None:
    path, money = tmp_path / "paper.db", {"USD": Decimal(10_000), "EUR": Decimal(5)}
    with pytest.raises(TypeError):
        _open(path, {"USD": Decimal(10_000), "EUR": "five"})  # type: ignore[dict-item]  # what ends the start half-way
    broker = _open(path, money)
    assert {asset: held.total for asset, held in broker.balances().items()} == money
