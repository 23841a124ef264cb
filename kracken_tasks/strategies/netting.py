"""Netting: what several agents want of one symbol, as one order and exchanges among themselves.

In: wishes in lots, positive to buy, negative to sell.  Out: ``Net``.  Never: an order where two agents want opposite things of the same
size; a lot that is nobody's, or two agents'.

What some buy and others sell is crossed between them and needs no order; what is left over goes to the venue.  On the larger side the
cross, and later every partial fill, is shared in proportion to the wishes, in whole lots by largest remainder, names in order where
remainders are equal: the same wishes always give the same shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext

from kracken_tasks.domain.money import MONEY

__all__ = ["Cross", "Net", "net", "share_lots", "split"]


@dataclass(frozen=True, slots=True)
class Cross:
    """Lots that pass from one agent to another without an order."""

    seller: str
    buyer: str
    lots: int


@dataclass(frozen=True, slots=True)
class Net:
    """``order``: lots to buy (or, negative, to sell) on the venue; ``ordered``: each agent's part of it, all of one sign."""

    order: int
    ordered: Mapping[str, int]
    crosses: tuple[Cross, ...]

    def crossed(self, agent: str) -> int:
        """Lots an agent gains (or, negative, gives) in crosses."""
        gained = sum(cross.lots for cross in self.crosses if cross.buyer == agent)
        return gained - sum(cross.lots for cross in self.crosses if cross.seller == agent)


def net(wishes: Mapping[str, int]) -> Net:
    """One order and the crosses that together do what every agent wants."""
    buys = {agent: lots for agent, lots in sorted(wishes.items()) if lots > 0}
    sells = {agent: -lots for agent, lots in sorted(wishes.items()) if lots < 0}
    crossed = min(sum(buys.values()), sum(sells.values()))
    bought, sold = share_lots(crossed, buys), share_lots(crossed, sells)
    left = {agent: lots - bought[agent] for agent, lots in buys.items()}
    left |= {agent: sold[agent] - lots for agent, lots in sells.items()}
    ordered = {agent: lots for agent, lots in left.items() if lots}
    return Net(sum(ordered.values()), ordered, _paired(bought, sold))


def share_lots(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """``total`` lots in proportion to positive ``weights``; nobody gets more than its weight while ``total`` is not above their sum."""
    whole = sum(weights.values())
    if total == 0 or whole == 0:
        return dict.fromkeys(weights, 0)
    shares = {agent: total * weight // whole for agent, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda agent: (-(total * weights[agent] % whole), agent))
    for agent in by_remainder[: total - sum(shares.values())]:
        shares[agent] += 1
    return shares


def split(amount: Decimal, weights: Mapping[str, Decimal], step: Decimal) -> dict[str, Decimal]:
    """``amount`` (not negative) in proportion to ``weights``, in whole steps; what is less than a step goes with the largest weight.

    The parts add up to ``amount`` exactly.  All weights zero: the first name takes all.
    """
    names = sorted(weights)
    with localcontext(MONEY):
        whole = sum(weights.values(), Decimal(0))
        if whole <= 0:
            return {name: amount if name == names[0] else Decimal(0) for name in names}
        units = int((amount / step).to_integral_value(ROUND_FLOOR))
        finest = min(int(_finite(weight).as_tuple().exponent) for weight in weights.values())
        shares = share_lots(units, {name: int(weights[name].scaleb(-finest)) for name in names})
        parts = {name: shares[name] * step for name in names}
        heaviest = min(names, key=lambda name: (-weights[name], name))
        parts[heaviest] += amount - units * step
    return parts


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite() or value < 0:
        raise ValueError(f"weight {value}: allowed is a finite amount, 0 or more")
    return value


def _paired(bought: Mapping[str, int], sold: Mapping[str, int]) -> tuple[Cross, ...]:
    """Sellers and buyers in order of their names, each giving to the next who still wants."""
    crosses: list[Cross] = []
    wanted = {agent: lots for agent, lots in sorted(bought.items()) if lots}
    for seller, lots in sorted(sold.items()):
        while lots:
            buyer = next(iter(wanted))
            passed = min(lots, wanted[buyer])
            crosses.append(Cross(seller, buyer, passed))
            lots, wanted[buyer] = lots - passed, wanted[buyer] - passed
            if not wanted[buyer]:
                del wanted[buyer]
    return tuple(crosses)
