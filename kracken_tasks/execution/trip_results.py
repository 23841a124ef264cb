"""What closed trips brought, as limits and sizes judge it.

In: round trips, the venue's fee schedule.  Out: figures in quote (floats: measurements for decisions).  Never: a fee that counts as nothing
because it was paid in a third coin.
"""

from __future__ import annotations

from collections.abc import Mapping

from kracken_tasks.domain.market import Instrument
from kracken_tasks.execution.costs import CostModel
from kracken_tasks.ledger import RoundTrip

__all__ = ["judged_net"]


def judged_net(trip: RoundTrip, listed: Mapping[str, Instrument], costs: CostModel) -> float:
    """A trip's net in quote.  Where a part of its fees was paid in a third coin, all of them count as the schedule has them.

    What that coin was worth when it was paid the ledger does not know; a discount for paying with it is not counted.  A pair that is not
    listed any more has no schedule: its trip counts as it stands where it lost, and as no gain where it won.
    """
    net = float(trip.net)
    if not trip.fees_elsewhere:
        return net
    instrument = listed.get(trip.symbol)
    if instrument is None:
        return min(net, 0.0)
    told = float(trip.gross - trip.net)
    by_schedule = costs.fee_fraction(instrument) * float(trip.entry_cost + trip.exit_cost)
    return net - max(0.0, by_schedule - told)
