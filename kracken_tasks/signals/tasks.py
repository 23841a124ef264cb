"""Door of the signals room: what the sources of sentiment say now, kept for the ticks."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact

from kracken_tasks import wiring
from kracken_tasks.errors import RetryLater
from kracken_tasks.settings import load_settings
from kracken_tasks.signals.sentiment.sources import read_all
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
    found, problems = read_all(sources, now)
    for reading in found:
        board.put(reading)
    for name, why in problems.items():
        logger.warning("%s keeps its last word: %s", name, why)
    if not found:
        raise RetryLater("no source of sentiment answered: " + "; ".join(problems.values()), sources=sorted(problems))
    heard = {symbol: board.reading(symbol, now) for symbol in settings.traded_symbols}
    create_table_artifact(
        [
            {
                "symbol": symbol,
                "score": "none" if said is None else f"{said.score:+.3f}",
                "of": said.told if said else "",
            }
            for symbol, said in heard.items()
        ],
        key="sentiment",
        description="What headlines and the index say of every symbol, as the ticks hear it",
    )
    return len(found)
