"""Settings into the series that are kept.

In: ``Settings`` and what a caller named.  Out: keys of series.  Never: a venue, a file.
"""

from __future__ import annotations

from collections.abc import Sequence

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.settings import Settings
from kracken_tasks.wiring.venues import enabled, not_enabled

__all__ = ["series"]


def series(
    settings: Settings,
    exchanges: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
    timeframes: Sequence[Timeframe] | None = None,
) -> list[SeriesKey]:
    """Venues x symbols x timeframes; what is left out comes from the settings.

    Raises: Misconfigured for a venue that is not enabled.
    """
    names = enabled(settings)
    for name in exchanges or ():
        if name not in names:
            raise not_enabled(settings, name)
    return [
        SeriesKey(name, symbol, Timeframe(timeframe))
        for name in exchanges or names
        for symbol in symbols or settings.exchanges[name].symbols or settings.pairs
        for timeframe in timeframes or settings.exchanges[name].timeframes or settings.timeframes
    ]
