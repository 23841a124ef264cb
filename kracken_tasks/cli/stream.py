"""``kracken stream``: live quotes on the screen, and everything that comes in the lake."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.live import Live
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, say
from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.settings import Settings, load_settings

if TYPE_CHECKING:
    from kracken_tasks.exchange.streams import Batch, Channel, FeedKey, FeedStatus, Gap
    from kracken_tasks.feeds import RecorderReport

__all__ = ["add_to"]

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_RATE_SECONDS: Final = 10.0
_COLOURS: Final = {"stream": "green", "polling": "yellow", "none": "red"}


def add_to(app: typer.Typer) -> None:
    app.command("stream")(stream)


def stream(
    symbols: Annotated[
        list[str] | None, typer.Option("--symbol", help="BTC/USD; repeat for several. Default: pairs.yaml")
    ] = None,
    exchange: Annotated[list[str] | None, typer.Option(help="Venue; repeat for several. Default: all enabled")] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="ticker, trades or candles; repeat for several. Default: ticker and trades")
    ] = None,
    timeframe: Annotated[list[Timeframe] | None, typer.Option(help="Of candles. Default: pairs.yaml")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="30s, 10m or 2h. Default: until Ctrl-C")] = None,
    record: Annotated[bool, typer.Option(help="Commit what comes to the lake")] = True,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget", help="Only clear away the pulse of recordings that died, so that entries ask for none"
        ),
    ] = False,
) -> None:
    """Listen to venues: quotes, trades, closed candles, as they happen.  Ctrl-C ends it with everything committed.

    While it records, a symbol whose feed is not known to be whole is not entered by trading.
    """
    settings = load_settings()
    if forget:
        board = wiring.feed_board(settings)
        for name in exchange or sorted(settings.exchanges):
            say(f"{name}: {board.forget(name)} recordings forgotten")
        return
    seconds, feeds = _duration(for_), wiring.feeds(settings, exchange, symbols, _channels(channel), timeframe)
    report = asyncio.run(_listen(settings, feeds, seconds, record))
    _tell(report, record)


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if found is None or float(found[1]) <= 0:
        raise typer.BadParameter(f"{text!r} is no time; write 30s, 10m or 2h", param_hint="--for")
    return float(found[1]) * _UNITS[found[2]]


def _channels(words: Sequence[str] | None) -> list[Channel]:
    from kracken_tasks.exchange.streams import Channel

    kept = [one.value for one in Channel if one is not Channel.BOOK]
    for word in words or ():
        if word not in kept:
            raise typer.BadParameter(f"{word!r} is not recorded; allowed: {', '.join(kept)}", param_hint="--channel")
    return [Channel(word) for word in words or ("ticker", "trades")]


async def _listen(settings: Settings, feeds: Sequence[FeedKey], seconds: float | None, record: bool) -> RecorderReport:
    """Listen until the time is up or somebody presses Ctrl-C."""
    screen = _Screen()
    exchanges = list(dict.fromkeys(key.exchange for key in feeds))
    async with wiring.streams(settings, exchanges) as streams:
        recorder = wiring.recorder(settings, streams, feeds, record=record)
        with Live(console=console, refresh_per_second=4, transient=True, get_renderable=screen.table) as live:
            run = asyncio.create_task(recorder.run(seconds=seconds, heard=screen.heard, progress=screen.progress))
            loop = asyncio.get_running_loop()
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(name, run.cancel)
            await asyncio.wait({run})
            live.refresh()
        if not run.cancelled():
            run.result()
        return recorder.report()


class _Screen:
    """What the table shows: the newest price of each feed, how it does, and how much comes."""

    def __init__(self) -> None:
        self._newest: dict[FeedKey, str] = {}
        self._arrivals: dict[FeedKey, deque[tuple[float, int]]] = {}
        self._report: RecorderReport | None = None

    def heard(self, one: Batch | Gap) -> None:
        from kracken_tasks.exchange.streams import Batch

        if not isinstance(one, Batch):
            return
        self._newest[one.key] = _words(one)
        arrivals = self._arrivals.setdefault(one.key, deque())
        arrivals.append((monotonic_seconds(), len(one.items)))

    def progress(self, report: RecorderReport) -> None:
        self._report = report

    def table(self) -> Table:
        table = Table(title=self._title(), title_justify="left", expand=False)
        for name in ("feed", "newest", "source", "a second", "lag", "silent", "rows", "reconnects", "holes", "trouble"):
            table.add_column(name, justify="left" if name in ("feed", "newest", "source", "trouble") else "right")
        for feed in self._report.feeds if self._report else ():
            table.add_row(*self._row(feed.status, feed.rows))
        return table

    def _row(self, status: FeedStatus, rows: int) -> tuple[str, ...]:
        colour = _COLOURS[status.source.value]
        holes = f"{status.filled} filled, {status.lost} left" if status.filled or status.lost else ""
        return (
            str(status.key), self._newest.get(status.key, ""), f"[{colour}]{status.source.value}[/]", f"{self._rate(status.key):.1f}",
            "" if status.lag_seconds is None else f"{status.lag_seconds:.1f} s",
            "" if status.silent_seconds is None else f"{status.silent_seconds:.0f} s",
            str(rows), str(status.reconnects), holes, status.trouble[:60].replace("[", "("),
        )  # fmt: skip

    def _rate(self, key: FeedKey) -> float:
        now, arrivals = monotonic_seconds(), self._arrivals.get(key, deque())
        while arrivals and now - arrivals[0][0] > _RATE_SECONDS:
            arrivals.popleft()
        return sum(count for _, count in arrivals) / _RATE_SECONDS

    def _title(self) -> str:
        if self._report is None:
            return "connecting"
        told = self._report
        return f"{told.seconds:.0f} s, {told.messages} messages, {told.rows} rows in {told.commits} commits"


def _words(batch: Batch) -> str:
    from kracken_tasks.exchange.streams import Candle, PublicTrade, Ticker

    item = batch.items[-1]
    if isinstance(item, Ticker):
        return f"{item.bid:g} / {item.ask:g}"
    if isinstance(item, PublicTrade):
        return f"{'buy' if item.side == 'b' else 'sell'} {item.volume:g} at {item.price:g}"
    return f"{item.ts:%H:%M} closed at {item.close:g}" if isinstance(item, Candle) else ""


def _tell(report: RecorderReport, record: bool) -> None:
    from kracken_tasks.feeds.render import report_line

    for feed in report.feeds:
        status = feed.status
        trouble = f"; {status.trouble}" if status.trouble else ""
        holes = f", {status.filled} holes filled, {status.lost} left" if status.filled or status.lost else ""
        say(
            f"{status.key}: {status.messages} messages, {feed.rows} rows, {status.reconnects} reconnects{holes}{trouble}"
        )
    say(report_line(report) if record else f"{report.messages} messages; nothing was recorded")
