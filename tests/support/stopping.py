"""A process that stops at its k-th step: broker and ledger wrapped so that every call to the one and every commit of the other counts.

In: a broker or a ledger's address, and k.  Out: the same, until step k; from then on everything raises, as for a dead process.
Never: a stop that runs the dead process's clean-up against the living ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kracken_tasks.ledger import Ledger

CHANGING = ("submit", "cancel", "amend")
READING = (
    "quotes",
    "balances",
    "open_orders",
    "closed_orders",
    "orders",
    "fills",
    "orders_with_fills",
    "cash_movements",
)
WRITING = (
    "record_decision", "record_intent", "record_outcome", "record_order", "book_fills", "book_cash", "record_balances", "mark_equity",
    "set_state", "set_plan", "record_tick", "add_alert",
)  # fmt: skip


class Stopped(BaseException):
    """The process is dead: no ``except Exception`` keeps it alive."""


class Stopper:
    """Counts steps; ``at`` 0 never stops."""

    def __init__(self, at: int = 0) -> None:
        self.at, self.count, self.dead = at, 0, False
        self.names: list[str] = []

    def step(self, name: str) -> None:
        self.check()
        self.count += 1
        self.names.append(name)
        if self.count == self.at:
            self.dead = True
            raise Stopped(f"step {self.count}: {name}")

    def check(self) -> None:
        if self.dead:
            raise Stopped("dead already")


class StoppingBroker:
    """Stops before a read, and before and after a change: the answer is lost, the change is not."""

    def __init__(self, inner: Any, stopper: Stopper) -> None:
        self._inner, self._stopper = inner, stopper

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in CHANGING + READING:
            return found

        def called(*args: Any, **options: Any) -> Any:
            self._stopper.step(f"before {name}")
            answer = found(*args, **options)
            if name in CHANGING:
                self._stopper.step(f"after {name}")
            return answer

        return called


class StoppingLedger(Ledger):
    """Stops after every write, inside a transaction (which is then rolled back) and after its commit."""

    stopper: Stopper
    _depth = 0

    @classmethod
    def with_stopper(cls, url: str, stopper: Stopper) -> StoppingLedger:
        ledger = cls.open(url, account="main", exchange="kraken")
        ledger.stopper = stopper
        ledger.leases = _StoppingLeases(ledger)  # type: ignore[assignment]  # same methods, counted
        return ledger

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.stopper.check()
        self._depth += 1
        try:
            with super().transaction():
                yield
        finally:
            self._depth -= 1
        if self._depth == 0:
            self.stopper.step("after commit")


class _StoppingLeases:
    def __init__(self, ledger: StoppingLedger) -> None:
        self._ledger, self._inner = ledger, ledger.leases

    def __getattr__(self, name: str) -> Any:
        self._ledger.stopper.check()
        return getattr(self._inner, name)


def _counted(name: str) -> Any:
    def write(self: StoppingLedger, *args: Any, **options: Any) -> Any:
        self.stopper.check()
        self._depth += 1
        try:
            written = getattr(Ledger, name)(self, *args, **options)
        finally:
            self._depth -= 1
        self.stopper.step(f"after {name}" if self._depth == 0 else f"inside a transaction, after {name}")
        return written

    return write


for _name in WRITING:
    setattr(StoppingLedger, _name, _counted(_name))
