"""Door of the signals room: what the sources of sentiment say now, kept for the ticks."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact

from kracken_tasks import wiring
from kracken_tasks.settings import load_settings
from kracken_tasks.signals.sentiment.reading import heard_rows, read_round
from kracken_tasks.task_policy import NETWORK_READ


@task(name="read sentiment", **NETWORK_READ)
def read_sentiment() -> int:
    """Read every configured source and keep what it said; returns how many answered.

    Raises: RetryLater if there are sources and none answers.
    """
    settings, logger = load_settings(), get_run_logger()
    sources = wiring.sentiment_sources(settings)
    if not sources:
        logger.info("no source of sentiment is configured (sentiment.feeds, sentiment.fear_greed_url)")
        return 0
    now, board = wiring.market_now(settings), wiring.sentiment_board(settings)
    found = read_round(sources, board, now)
    for name, why in found.problems.items():
        logger.warning("%s keeps its last word: %s", name, why)
    found.require_an_answer()
    create_table_artifact(
        heard_rows(board, settings.traded_symbols, now),
        key="sentiment",
        description="What headlines and the index say of every symbol, as the ticks hear it",
    )
    return len(found.answered)
