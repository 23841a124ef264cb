"""Many opinions into one: a weighted vote.

In: opinions and configured weights.  Out: ``Combined`` with the score, the action and the weights really used.  Never: an action on
one module's word, or on less than half of the weight that was asked.

    score      = sum(w_i d_i c_i) / sum(w_i)       over the modules that have an opinion, in [-1, 1]
    confidence = |score|
    action     = BUY if score >= threshold, SELL if score <= -threshold, else HOLD

The score is linear, so a more confident agreeing module never lowers it and a more confident dissenting one never raises it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from kracken_tasks.domain.trading import Action, Opinion

__all__ = ["DEFAULT_WEIGHTS", "Combined", "combine"]

# The promised weights; those of modules that are not asked or have no opinion fall out and the rest is renormalised.
DEFAULT_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {"rsi": 0.25, "macd": 0.30, "bollinger_bands": 0.20, "sentiment": 0.25, "volume_profile": 0.15, "lstm": 0.25}
)


@dataclass(frozen=True, slots=True)
class Combined:
    """What the ensemble thinks.

    ``score`` in [-1, 1]; ``confidence`` = |score|, also where the action is HOLD; ``weights`` those of the modules with an opinion,
    summing to 1 (empty: nobody had one); ``contributions`` their parts of the score.
    """

    action: Action
    confidence: float
    score: float
    reason: str
    weights: Mapping[str, float] = field(default_factory=dict)
    contributions: Mapping[str, float] = field(default_factory=dict)


def combine(
    opinions: Sequence[Opinion], weights: Mapping[str, float] = DEFAULT_WEIGHTS, *,
    threshold: float = 0.6, min_modules: int = 2, min_weight_share: float = 0.5,
) -> Combined:  # fmt: skip
    """Combine opinions by weight.

    ``min_weight_share``: of the weight of all modules asked, how much must have an opinion.
    Raises: ValueError for a threshold outside (0, 1], or a negative or not finite weight.
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"threshold {threshold!r}: allowed is above 0, up to 1")
    asked = [(opinion, _weight(weights, opinion.module)) for opinion in opinions]
    voting = [(opinion, weight) for opinion, weight in asked if opinion.has_opinion and weight > 0.0]
    asked_weight, weight_sum = sum(weight for _, weight in asked), sum(weight for _, weight in voting)
    silent = _why_silent(len(voting), min_modules, weight_sum, asked_weight, min_weight_share)
    shares = {opinion.module: weight / weight_sum for opinion, weight in voting}
    parts = {opinion.module: shares[opinion.module] * _lean(opinion) for opinion, _ in voting}
    score = max(-1.0, min(1.0, sum(parts.values())))
    if silent:
        return Combined(Action.HOLD, abs(score), score, silent, shares, parts)
    action = Action.BUY if score >= threshold else Action.SELL if score <= -threshold else Action.HOLD
    return Combined(action, abs(score), score, _reason(action, score, threshold, parts), shares, parts)


def _weight(weights: Mapping[str, float], module: str) -> float:
    weight = weights.get(module, 0.0)
    if not (math.isfinite(weight) and weight >= 0.0):
        raise ValueError(f"weight of {module} is {weight!r}: allowed is a finite number, 0 or more")
    return weight


def _lean(opinion: Opinion) -> float:
    lean = (opinion.direction or 0.0) * opinion.confidence
    # A module that answers nonsense counts as leaning nowhere; its weight still dilutes the others.
    return max(-1.0, min(1.0, lean)) if math.isfinite(lean) else 0.0


def _why_silent(voting: int, min_modules: int, weight: float, asked: float, share: float) -> str:
    if voting < min_modules:
        return f"{voting} of at least {min_modules} modules have an opinion"
    # A hair of slack, so that exactly half of a sum of decimals counts as half.
    if weight < share * asked - 1e-12:
        return f"{100 * weight / asked:.0f} % of the weight has an opinion, {100 * share:.0f} % is required"
    return ""


def _reason(action: Action, score: float, threshold: float, parts: Mapping[str, float]) -> str:
    heard = ", ".join(f"{module} {part:+.2f}" for module, part in parts.items())
    if action is Action.HOLD:
        return f"score {score:+.2f} within the threshold {threshold:.2f} ({heard})"
    return f"score {score:+.2f} reaches {threshold:.2f} ({heard})"
