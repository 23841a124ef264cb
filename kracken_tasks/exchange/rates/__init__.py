"""How fast a venue may be called: one shared purse per key and address, in which exits always find room.

In: what a call costs, how urgent it is.  Out: a wait, or ``RetryLater`` with the wait in it.  Never: a call beyond what the venue allows,
an export that takes the room of an exit, a network call.

- ``counters``      the model: a counter rises by a call's cost and falls by itself; each priority has its own ceiling
- ``kraken``        Kraken's counters: REST per key, public per address, matching engine per pair · ``ages`` how long an order has rested
- ``weights``       every other venue: ccxt's weights against ccxt's rate
- ``store``         where counters lie: the protocol, and one in memory · ``sqlite`` one machine · ``postgres`` many pods
- ``budget``        ``RateBudget``: waits and refusals by priority
"""

from kracken_tasks.exchange.rates.budget import RateBudget
from kracken_tasks.exchange.rates.counters import Charge, Limit, Priority, calls_at

__all__ = ["Charge", "Limit", "Priority", "RateBudget", "calls_at"]
