"""Challenger against champion, on bars that neither saw.

In: two bundles and candles that reach beyond both trainings.  Out: scores of both and whether the challenger wins.  Never: a bar from
either model's training data as evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.errors import BadData
from kracken_tasks.features.frames import bar_milliseconds, candle_frame
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.evaluation import Margins, Scores, score, suspicions
from kracken_tasks.forecast.inference import Forecaster

__all__ = ["Contest", "compete"]


@dataclass(frozen=True, slots=True)
class Contest:
    """``won``: the challenger beats the last value by the margin, and champion and standing aside after costs.  ``reasons``: why (not)."""

    challenger_id: str
    champion_id: str
    challenger: Scores
    champion: Scores
    won: bool
    reasons: tuple[str, ...]


def compete(
    challenger: Bundle, champion: Bundle, frame: pd.DataFrame, *, cost_fraction: float, margins: Margins | None = None
) -> Contest:
    """Score both on the same bars, all later than the newest candle either was trained or tested on.

    Raises: BadData if there is no such bar, or the models are of different series.
    """
    if challenger.key != champion.key:
        raise BadData(f"models of {challenger.key} and {champion.key} cannot compete", rule="same_series")
    candles = candle_frame(frame)
    seen_until = max(parse_utc(bundle.meta.data_last_ts) for bundle in (challenger, champion))
    first, second = (Forecaster(bundle).returns(candles).to_numpy()[:-1] for bundle in (challenger, champion))
    stamps, closes = candles["ts"], candles["close"].to_numpy()
    outcome = np.log(closes[1:] / closes[:-1])
    neighbours = stamps.diff().to_numpy()[1:] == np.timedelta64(bar_milliseconds(candles), "ms")
    unseen = (stamps > seen_until).to_numpy()[:-1] & neighbours & np.isfinite(first) & np.isfinite(second)
    if not unseen.any():
        raise BadData("no bar that neither model saw", rule="unseen_bars", seen_until=seen_until)
    ours = score(first[unseen], outcome[unseen], cost_fraction=cost_fraction)
    theirs = score(second[unseen], outcome[unseen], cost_fraction=cost_fraction)
    failed = _failed(ours, theirs, margins or Margins())
    reasons = failed or (f"better than last value and champion on {ours.bars} bars neither saw",)
    return Contest(challenger.model_id, champion.model_id, ours, theirs, not failed, reasons)


def _failed(ours: Scores, theirs: Scores, limits: Margins) -> tuple[str, ...]:
    needed = 1 - limits.improvement
    rules = (
        (ours.bars < limits.least_bars, f"only {ours.bars} unseen bars, {limits.least_bars} are needed"),
        (
            ours.mae_ratio is None or ours.mae_ratio > needed,
            f"does not beat the last value by {limits.improvement:.1%}",
        ),
        (ours.mae >= theirs.mae, f"error {ours.mae:.6f} is not below the champion's {theirs.mae:.6f}"),
        (ours.net_return < max(theirs.net_return, 0.0), "after costs it earns less than the champion or than nothing"),
    )
    return (*suspicions(ours, limits), *(sentence for failed, sentence in rules if failed))
