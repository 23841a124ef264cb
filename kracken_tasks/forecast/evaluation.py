"""Is the model better than saying «the same price again»?

In: predicted and true log returns of the same held-out bars.  Out: scores against the last-value forecast, and a judgement that says
what the model may become.  Never: a promotion to champion; that takes a person.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Judgement", "Margins", "Scores", "judge", "score", "scores_from", "suspicions"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """How forecasts did on ``bars`` held-out bars, beside the last value (a forecast return of zero) on the same bars.

    Units:  errors are of log returns (0.01 is 1 % of the price); ratios below 1 beat the last value; None where nothing can be divided.
    ``hit_rate``: share of right directions among ``hit_bars`` (neither side zero).  ``gross_return``: sum of log returns of buying when the
    forecast exceeds the cost of a round trip and holding until it turns negative; ``net_return`` is that less ``cost_fraction`` a side.
    """

    bars: int
    mae: float
    naive_mae: float
    mae_ratio: float | None
    rmse: float
    naive_rmse: float
    rmse_ratio: float | None
    hit_rate: float | None
    hit_bars: int
    cost_fraction: float
    entries: int
    gross_return: float
    net_return: float
    hold_return: float

    def as_mapping(self) -> dict[str, float | int | None]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Margins:
    """What counts as better, and as too good to be true.  Ratios against the last value; set once, stated in every judgement."""

    improvement: float = 0.005  # the mean absolute error must be at least this share smaller
    least_bars: int = 100
    suspicious_mae_ratio: float = 0.80  # hourly prices are not this predictable: look for a leak
    suspicious_hit_rate: float = 0.65
    suspicious_from_bars: int = 50


@dataclass(frozen=True, slots=True)
class Judgement:
    """``state``: shadow or candidate.  ``too_good`` keeps a model a candidate until a named person clears it.  ``reasons``: why."""

    state: str
    too_good: bool
    reasons: tuple[str, ...]


def score(predicted: Floats, actual: Floats, *, cost_fraction: float) -> Scores:
    """Compare forecast and true log returns.  Shapes: both [N], N >= 1, in time order."""
    error, naive = np.abs(predicted - actual), np.abs(actual)
    mae, naive_mae = float(error.mean()), float(naive.mean())
    rmse, naive_rmse = math.sqrt(float((error**2).mean())), math.sqrt(float((naive**2).mean()))
    decided = (predicted != 0) & (actual != 0)
    hits = int((np.sign(predicted[decided]) == np.sign(actual[decided])).sum())
    hit_bars = int(decided.sum())
    entries, gross = _followed(predicted, actual, 2 * cost_fraction)
    return Scores(
        bars=len(actual),
        mae=mae,
        naive_mae=naive_mae,
        mae_ratio=mae / naive_mae if naive_mae > 0 else None,
        rmse=rmse,
        naive_rmse=naive_rmse,
        rmse_ratio=rmse / naive_rmse if naive_rmse > 0 else None,
        hit_rate=hits / hit_bars if hit_bars else None,
        hit_bars=hit_bars,
        cost_fraction=cost_fraction,
        entries=entries,
        gross_return=gross,
        net_return=gross - 2 * cost_fraction * entries,
        hold_return=float(actual.sum()),
    )


def judge(scores: Scores, margins: Margins | None = None) -> Judgement:
    """What retraining may end in: shadow if the last value is beaten by the margin and the result can be believed."""
    limits = margins or Margins()
    if found := suspicions(scores, limits):
        return Judgement("candidate", True, found)
    doubts = _doubts(scores, limits)
    if doubts:
        return Judgement("candidate", False, doubts)
    return Judgement(
        "shadow", False, (f"mean absolute error is {scores.mae_ratio:.4f} of the last value's on {scores.bars} bars",)
    )


def scores_from(values: Mapping[str, float | int | None]) -> Scores:
    """Read back what ``as_mapping`` wrote."""
    return Scores(**values)  # type: ignore[arg-type]  # the mapping is our own


def _followed(predicted: Floats, actual: Floats, threshold: float) -> tuple[int, float]:
    """(entries, gross log return) of going long above the threshold and out below zero."""
    entries, gross, holding = 0, 0.0, False
    for forecast, outcome in zip(predicted.tolist(), actual.tolist(), strict=True):
        if not holding and forecast > threshold:
            holding, entries = True, entries + 1
        elif holding and forecast < 0:
            holding = False
        gross += outcome if holding else 0.0
    return entries, gross


def suspicions(scores: Scores, limits: Margins) -> tuple[str, ...]:
    """Reasons to look for a leak before believing the scores; empty if there are none."""
    if scores.bars < limits.suspicious_from_bars:
        return ()
    found = []
    if scores.mae_ratio is not None and scores.mae_ratio <= limits.suspicious_mae_ratio:
        found.append(
            f"too good to be true: error {scores.mae_ratio:.3f} of the last value's (<= {limits.suspicious_mae_ratio})"
        )
    if scores.hit_rate is not None and scores.hit_rate >= limits.suspicious_hit_rate:
        found.append(
            f"too good to be true: direction right {scores.hit_rate:.1%} (>= {limits.suspicious_hit_rate:.0%})"
        )
    return tuple(found)


def _doubts(scores: Scores, limits: Margins) -> tuple[str, ...]:
    found = []
    if not (math.isfinite(scores.mae) and math.isfinite(scores.rmse)):
        found.append("the forecasts are not numbers")
    if scores.bars < limits.least_bars:
        found.append(f"only {scores.bars} held-out bars, {limits.least_bars} are needed")
    needed = 1 - limits.improvement
    if scores.mae_ratio is None or scores.mae_ratio > needed:
        found.append(
            f"mean absolute error is {_said(scores.mae_ratio)} of the last value's, {needed:.4f} or less is needed"
        )
    if scores.rmse_ratio is None or scores.rmse_ratio >= 1:
        found.append(f"root mean square error is {_said(scores.rmse_ratio)} of the last value's, less than 1 is needed")
    return tuple(found)


def _said(ratio: float | None) -> str:
    return "not defined as a share" if ratio is None else f"{ratio:.4f}"
