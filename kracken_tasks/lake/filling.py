"""Windows without trades as flat candles, made when reading and never stored.

In: candles and their typed holes.  Out: the same candles with a flat one (all prices the last close, no volume) for every window
of which a source said that nothing was traded.  Never: a value for a window that nobody asked for, that a venue could not answer
for, or whose candle was kept out; nor for one that follows such a window, for its last price is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from kracken_tasks.lake.holes import Hole

__all__ = ["with_quiet_windows"]


def with_quiet_windows(candles: pd.DataFrame, quiet: Sequence[Hole], step: timedelta) -> pd.DataFrame:
    """``candles`` (CANDLE_COLUMNS, by ts) and ``quiet`` holes as one frame with a column ``filled``, sorted by ts."""
    whole = candles.assign(filled=False)
    parts = [whole]
    closes = dict(zip(candles["ts"], candles["close"], strict=True))
    for hole in quiet:
        last = closes.get(pd.Timestamp(hole.start) - step)
        if last is None:
            continue
        ts = pd.date_range(hole.start, periods=hole.windows, freq=step, unit="ms")
        flat = pd.DataFrame({"ts": ts, **dict.fromkeys(("open", "high", "low", "close"), last)})
        flat = flat.assign(volume=0.0, vwap=np.nan, trades=0, source="none", filled=True)
        parts.append(flat.astype({"trades": "Int64", "source": candles["source"].dtype})[list(whole.columns)])
    return pd.concat(parts).sort_values("ts", kind="stable", ignore_index=True) if len(parts) > 1 else whole
