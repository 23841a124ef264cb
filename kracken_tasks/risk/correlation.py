"""How alike a candidate is to what is already held.

In: candle frames of the candidate and of the holdings.  Out: a factor in [0, 1] with its reason, and the holdings that move with the
candidate.  Never: a factor above one for a hedge; a long-only book has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["CorrelationCut", "correlation_cut"]

# Below so many shared candles a correlation is noise.
LEAST_SHARED: Final = 30
# What is assumed where it cannot be told.  Hourly returns of eight large coins on Binance, January to September 2024, had pairwise
# correlations of 0.61 to 0.83; the most alike pair (BTC, ETH) is taken.
ASSUMED: Final = 0.85
HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class CorrelationCut:
    """``factor`` to multiply a size by; ``correlations`` the figure per held symbol; ``cluster`` the held symbols that move with the
    candidate, also by way of another holding."""

    factor: float
    correlations: Mapping[str, float]
    reason: str
    cluster: tuple[str, ...] = ()

    @property
    def highest(self) -> float:
        return max(self.correlations.values(), default=0.0)


def correlation_cut(
    frame: pd.DataFrame | None, held: Mapping[str, pd.DataFrame | None], threshold: float, *, bars: int = 168
) -> CorrelationCut:
    """Cut a candidate's size for each holding it moves with.

    ``frame`` and each of ``held`` are candle frames (columns ts, close), None where there is none; of each pair the last ``bars`` shared
    candles are compared.  A correlation r above ``threshold`` multiplies the factor by 1 - HALF x (r - threshold) / (1 - threshold): full
    likeness halves the size, and every further alike holding halves it again.  A correlation nobody can tell counts as ASSUMED.
    """
    known = {symbol: _correlation(frame, other, bars) for symbol, other in sorted(held.items())}
    figures = {symbol: ASSUMED if figure is None else figure for symbol, figure in known.items()}
    factor, words = 1.0, []
    for symbol, figure in figures.items():
        if figure > threshold:
            factor *= 1.0 - HALF * (figure - threshold) / (1.0 - threshold)
            words.append(f"{symbol} {figure:.2f}{' assumed' if known[symbol] is None else ''}")
    reason = f"moves with {', '.join(words)}: factor {factor:.3f}" if words else f"no holding above {threshold:.2f}"
    return CorrelationCut(factor, figures, reason, _cluster(figures, held, threshold, bars))


def _cluster(
    figures: Mapping[str, float], held: Mapping[str, pd.DataFrame | None], threshold: float, bars: int
) -> tuple[str, ...]:
    """Holdings reached from the candidate over correlations above ``threshold``, one after the other."""
    reached = [symbol for symbol, figure in figures.items() if figure > threshold]
    for near in reached:  # grows while it is walked
        for symbol in figures:
            if symbol in reached:
                continue
            figure = _correlation(held[near], held[symbol], bars)
            if (ASSUMED if figure is None else figure) > threshold:
                reached.append(symbol)
    return tuple(sorted(reached))


def _correlation(frame: pd.DataFrame | None, other: pd.DataFrame | None, bars: int) -> float | None:
    if frame is None or other is None:
        return None
    ours, theirs = frame.iloc[-bars:], other.iloc[-bars:]
    _, left, right = np.intersect1d(_stamps(ours), _stamps(theirs), assume_unique=True, return_indices=True)
    if len(left) <= LEAST_SHARED:
        return None
    first, second = _returns(ours["close"], left), _returns(theirs["close"], right)
    if not (first.std() > 0.0 and second.std() > 0.0):
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _stamps(frame: pd.DataFrame) -> NDArray[np.int64]:
    return np.asarray(frame["ts"].astype("int64"), dtype=np.int64)


def _returns(closes: pd.Series[float], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.diff(np.log(closes.to_numpy(dtype=np.float64)[rows]))
