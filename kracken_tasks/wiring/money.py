"""Settings into the one money that is traded in.

In: ``Settings``.  Out: nothing, or a refusal.  Never: a rate guessed between two kinds of money.
"""

from __future__ import annotations

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import Settings

__all__ = ["require_one_money"]


def require_one_money(settings: Settings) -> None:
    """Sizes, limits and equity are counted in one money: what is traded is quoted in it.  Ingesting other pairs is nobody's harm.

    Raises: Misconfigured naming the symbols and what to write.
    """
    base = settings.tax.base_currency
    foreign = [symbol for symbol in settings.traded_symbols if split_symbol(symbol)[1] != base]
    if foreign:
        raise Misconfigured(
            f"{', '.join(foreign)} would be traded for other money than tax.base_currency {base}, in which sizes, limits and equity "
            "are counted",
            key="symbols", value=", ".join(foreign), allowed=f"pairs quoted in {base}; others may stand under pairs, to be ingested",
        )  # fmt: skip
