"""Settings into how signals are weighed, and what they have learned.

In: ``Settings``.  Out: rules of the feedback, and strategies with today's weights.  Never: a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from kracken_tasks.settings import Settings
from kracken_tasks.wiring.stores import ledger

if TYPE_CHECKING:
    from kracken_tasks.signals.feedback import Correction, FeedbackConfig
    from kracken_tasks.signals.learning import Learned
    from kracken_tasks.strategies import Strategy

__all__ = ["corrected", "feedback_config", "learned_strategy", "retuner"]


def feedback_config(settings: Settings) -> FeedbackConfig:
    from kracken_tasks.signals.feedback import FeedbackConfig

    rules = settings.ml_integration
    return FeedbackConfig(rules.feedback_prior_trades, rules.feedback_lowest, rules.feedback_highest)


def corrected(settings: Settings, learned: Learned) -> Correction:
    """The configured weights as what was learned corrects them."""
    from kracken_tasks.signals.learning import correction_of

    return correction_of(settings.ml_integration.signal_weights, learned, feedback_config(settings))


def retuner(settings: Settings) -> Callable[[datetime], Callable[[Strategy], Strategy]]:
    """Learns, at a moment of market time, from what closed since, and says what a strategy is with the weights known then."""
    from kracken_tasks.signals.learning import learn

    book = ledger(settings)

    def at(now: datetime) -> Callable[[Strategy], Strategy]:
        learned = learn(book, ts=now)
        return lambda strategy: learned_strategy(settings, strategy, learned)

    return at


def learned_strategy(settings: Settings, strategy: Strategy, learned: Learned) -> Strategy:
    """An ensemble with the weights that ``learned`` gives it; any other strategy as it is."""
    from kracken_tasks.signals.learning import correction_of
    from kracken_tasks.strategies import EnsembleStrategy

    if not isinstance(strategy, EnsembleStrategy) or not settings.ml_integration.feedback_enabled:
        return strategy
    correction = correction_of(strategy.weights, learned, feedback_config(settings))
    return replace(strategy, weights=dict(correction.weights))
