"""Named checks by dataset: what a contract file may list beside Great Expectations' own.

In: a series' rows as arrays and the facts around them.  Out: ``Hits``: which rows, and what they did.  Never: dropping or mending
anything.  Each rule looks at its own promise only, so that one fault has one name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from kracken_tasks.contracts import price_checks as price
from kracken_tasks.contracts import row_checks as row
from kracken_tasks.contracts import time_checks as time
from kracken_tasks.contracts.subject import Facts, Hits, Params

__all__ = ["CHECKS", "Check"]

# The rows are of the dataset's own class (Candles, Trades, Quotes): the table below pairs them.
Check: TypeAlias = Callable[[Any, Facts, Params], Hits]

CHECKS: Final[Mapping[str, Mapping[str, Check]]] = {
    "candles": {
        "in_order": time.in_order,
        "time_unit": time.time_unit,
        "on_grid": row.on_grid,
        "right_timeframe": row.right_timeframe,
        "closed": row.closed,
        "not_from_future": time.not_from_future,
        "vwap_in_range": row.vwap_in_range,
        "volume_unit": price.volume_unit,
        "misprint": price.misprint,
        "against_venues": price.against_venues,
        "repeated": row.repeated,
        "stored_misprint": price.stored_misprint,
        "jump": price.jump,
        "wick": price.wick,
        "far_from_venues": price.far_from_venues,
        "shifted_clock": price.shifted_clock,
        "empty_is_flat": row.empty_is_flat,
        "trades_match_volume": row.trades_match_volume,
        "flat_padding": row.flat_padding,
        "stale": time.stale,
    },
    "trades": {
        "time_unit": time.time_unit,
        "not_from_future": time.not_from_future,
        "time_not_backwards": time.time_not_backwards,
        "one_story_per_id": row.one_story_per_id,
        "odd_print": price.odd_print,
        "against_venues": price.against_venues,
        "volume_unit": price.volume_unit,
        "in_order": time.in_order,
        "repeated_id": row.repeated_id,
        "id_gaps": row.id_gaps,
        "step_in_price": price.step_in_price,
        "far_from_venues": price.far_from_venues,
        "stale_tape": time.stale_tape,
    },
    "quotes": {
        "time_unit": time.time_unit,
        "not_from_future": time.not_from_future,
        "misprint": price.misprint,
        "against_venues": price.against_venues,
        "in_order": time.in_order,
        "received_before_stamped": time.received_before_stamped,
        "clock_offset": time.clock_offset,
        "late": time.late,
        "locked": row.locked,
        "wide_spread": row.wide_spread,
        "last_near": row.last_near,
        "frozen": row.frozen,
        "step_in_price": price.step_in_price,
        "far_from_venues": price.far_from_venues,
        "stale_tape": time.stale_tape,
    },
}
