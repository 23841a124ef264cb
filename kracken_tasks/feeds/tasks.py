"""Door of the feeds room: which feeds, recorded for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from prefect import get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.runtime import flow_run

from kracken_tasks import wiring
from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.exchange.streams import Channel, FeedKey
from kracken_tasks.feeds.render import report_line, report_text
from kracken_tasks.feeds.report import RecorderReport
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE, NETWORK_READ

__all__ = ["Channel", "RecorderReport", "list_feeds", "record_streams", "stream_run_name"]

_TOLD_EVERY_SECONDS = 30.0


def stream_run_name() -> str:
    """``stream ticker trades``: what the list of runs should say."""
    channels = flow_run.parameters.get("channels") or ["ticker", "trades"]
    return "stream " + " ".join(str(getattr(channel, "value", channel)) for channel in channels)


@task(name="list feeds", **LOCAL_COMPUTE)
def list_feeds(
    exchanges: Sequence[str] | None,
    symbols: Sequence[str] | None,
    channels: Sequence[Channel],
    timeframes: Sequence[Timeframe] | None,
) -> list[FeedKey]:
    """Venues x symbols x channels, each once; what is not named comes from the settings."""
    return wiring.feeds(load_settings(), exchanges, symbols, channels, timeframes)


@task(name="record streams", **NETWORK_READ)
async def record_streams(feeds: Sequence[FeedKey], minutes: float | None) -> RecorderReport:
    """Record feeds into the lake until the time is up or the run is cancelled; a retry goes on behind the newest committed trade."""
    settings, logger = load_settings(), get_run_logger()
    next_line = monotonic_seconds()

    def tell(report: RecorderReport) -> None:
        nonlocal next_line
        if monotonic_seconds() >= next_line:
            next_line = monotonic_seconds() + _TOLD_EVERY_SECONDS
            logger.info("%s", report_line(report))

    async with wiring.streams(settings, list(dict.fromkeys(key.exchange for key in feeds))) as streams:
        recorder = wiring.recorder(settings, streams, feeds)
        try:
            await recorder.run(
                seconds=None if minutes is None else timedelta(minutes=minutes).total_seconds(), progress=tell
            )
        finally:
            report = recorder.report()
            logger.info("%s", report_line(report))
            await acreate_markdown_artifact(
                report_text(report), key="stream-report", description="What the newest recording of streams brought"
            )
    return report
