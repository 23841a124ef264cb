"""Settings into how signals are weighed, and what they have learned.

In: ``Settings``.  Out: rules of the feedback, strategies with today's weights, sources of sentiment and what they said.  Never: a
decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kracken_tasks.settings import Settings
from kracken_tasks.wiring.stores import ledger, object_store

if TYPE_CHECKING:
    from kracken_tasks.signals.feedback import Correction, FeedbackConfig
    from kracken_tasks.signals.learning import Learned
    from kracken_tasks.signals.sentiment import SentimentSource
    from kracken_tasks.signals.sentiment.board import SentimentBoard
    from kracken_tasks.strategies import Strategy

__all__ = ["corrected", "feedback_config", "learned_strategy", "retuner", "sentiment_board", "sentiment_sources"]


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


def sentiment_sources(settings: Settings) -> tuple[SentimentSource, ...]:
    """The configured news feeds and index; none by default."""
    from kracken_tasks.signals.sentiment.sources import FearGreedIndex, NewsFeed

    wanted = settings.sentiment
    feeds = tuple(NewsFeed(name, url, wanted.timeout_seconds) for name, url in sorted(wanted.feeds.items()))
    if wanted.fear_greed_url is None:
        return feeds
    return (*feeds, FearGreedIndex("fear_greed", wanted.fear_greed_url, wanted.timeout_seconds))


def sentiment_board(settings: Settings) -> SentimentBoard:
    """Where readings lie: beside the lake, in the same store.  Only configured sources count."""
    from kracken_tasks.signals.sentiment.board import BoardRules, SentimentBoard

    wanted = settings.sentiment
    names = frozenset(wanted.feeds) | ({"fear_greed"} if wanted.fear_greed_url is not None else set())
    rules = BoardRules(timedelta(minutes=wanted.max_age_minutes), timedelta(hours=wanted.headline_hours), names)
    return SentimentBoard(object_store(settings), rules)
