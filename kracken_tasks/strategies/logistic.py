"""A small logistic regression, fitted on many resamples at once: how likely a setup pays, and how sure the sample lets one be.

In: features and outcomes, a seed.  Out: a probability.  Never: a global generator; the same sample and seed give the same number.

Source: Newton's method for penalised logistic regression (iteratively reweighted least squares); bagging after Breiman (1996).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.signals.window import Floats

__all__ = ["probability"]

_RIDGE: Final = 4.0  # on standardised features: prior belief that a feature means nothing, worth some twenty setups
_STEPS: Final = 12


def probability(features: Floats, paid: NDArray[np.bool_], asked: Floats, *, seed: int, resamples: int = 16) -> float:
    """Mean probability, over ``resamples`` bootstrap fits, that ``asked`` pays.

    Shapes: features [N, F], paid [N], asked [F].  Features are standardised by the sample's own mean and deviation; two imaginary
    outcomes, one of each kind, keep few trades from being certain.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    rows = np.column_stack([np.ones(len(features)), (features - mean) / spread])
    rows = np.vstack([rows, np.zeros((2, rows.shape[1]))])
    rows[-2:, 0] = 1.0
    outcome = np.concatenate([paid.astype(np.float64), [1.0, 0.0]])
    point = np.concatenate([[1.0], np.clip((asked - mean) / spread, -4.0, 4.0)])
    # Resampling is weighting: each row counts as often as it was drawn; the imaginary two count once in every resample.
    draws = np.random.default_rng(seed).multinomial(len(features), np.full(len(features), 1 / len(features)), resamples)
    counts = np.column_stack([draws.astype(np.float64), np.ones((resamples, 2))])
    return float(_logit(_fits(rows, outcome, counts) @ point).mean())


def _fits(rows: Floats, outcome: Floats, counts: Floats) -> Floats:
    """Shapes: rows [N, K], outcome [N], counts [B, N] -> coefficients [B, K]."""
    penalty = np.eye(rows.shape[1]) * _RIDGE
    penalty[0, 0] = 1e-6  # the base rate itself is not pulled anywhere
    found = np.zeros((len(counts), rows.shape[1]))
    for _ in range(_STEPS):
        chance = _logit(found @ rows.T)
        weight = np.maximum(counts * chance * (1.0 - chance), 1e-9)
        slope = (counts * (outcome - chance)) @ rows - found @ penalty
        bend = np.einsum("bn,ni,nj->bij", weight, rows, rows, optimize=True) + penalty
        found = found + np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
    return found


def _logit(value: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -30.0, 30.0)))
