"""Ingest and streams through bad weather: ``make fault-run``.

    python -m tests.e2e.fault_run [--minutes 10] [--seed 1] [--folder FOLDER]

In: nothing but this machine.  A local exchange in a process of its own drops, delays, mutes and refuses requests and frames at random
(seeded) while one recorder and one ingest loop bring everything into one lake.  Out: what happened, what the lake holds, and what it was
held against; exit code 1 and a sentence a broken promise.  Never: the network, a process left behind.

Afterwards, for every symbol: the trades in the lake are the venue's, each once; every candle is closed and the venue's own; every hole
has a cause, and where the cause is that nobody traded, nobody did.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.clock import monotonic_seconds, pause
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.errors import BadData, RetryLater
from kracken_tasks.exchange.streams import Channel, FeedSource, PublicTrade, WebSocketManager
from kracken_tasks.exchange.streams.questions import trades_of
from kracken_tasks.feeds import Recorder, RecorderReport
from kracken_tasks.feeds.render import feed_rows, report_line
from kracken_tasks.lake.holes import HoleCause
from kracken_tasks.settings import Settings, load_settings
from tests.support.sandbox import ControlClient, ControlError, free_port, sandbox_process

SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD")
WIDTH = Timeframe.M1
INGEST_EVERY = 20.0
CALM_SECONDS = 60.0
MICROSECOND = timedelta(microseconds=1)
REST = ("Trades", "OHLC", "Ticker", "Time", "Depth")
CHANNELS = ("ticker", "trade", "ohlc")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# -- weather --------------------------------------------------------------------------------------------------------------


def _rest(dice: random.Random) -> tuple[str, dict[str, Any]]:
    endpoint = dice.choice([*REST, "*"])
    lasting = {"seconds": dice.uniform(1.0, 8.0), "count": None, "probability": dice.choice([0.3, 1.0])}
    kind = dice.choice(["429", "5xx", "busy", "throttled", "drop", "delay", "html"])
    what: dict[str, Any] = {
        "429": {"status": 429},
        "5xx": {"status": dice.choice([500, 502, 503, 504, 520])},
        "busy": {"error": "EService:Busy"},
        "throttled": {"error": "EAPI:Rate limit exceeded"},
        "drop": {"drop": True},
        "delay": {"delay_ms": dice.randint(200, 4000)},
        "html": {"status": 200, "body": "<html>one moment</html>"},
    }[kind]
    return f"rest {kind}", {"endpoint": endpoint, **lasting, **what, "seed": dice.getrandbits(16)}


def _stream(dice: random.Random) -> tuple[str, dict[str, Any]]:
    channel = dice.choice(CHANNELS)
    kind = dice.choice(
        [
            "cut",
            "cut",
            "cut",
            "mute",
            "mute all",
            "refuse connection",
            "refuse subscription",
            "hang",
            "interval",
            "twice",
            "delay",
        ]
    )
    lasting = {"seconds": dice.uniform(1.0, 8.0), "count": None}
    what: dict[str, Any] = {
        "cut": {"endpoint": f"ws/send/{channel}", "drop": True, "count": 1},
        "mute": {"endpoint": f"ws/send/{channel}", "mute": True, "probability": dice.choice([0.3, 1.0]), **lasting},
        "mute all": {"endpoint": "ws/send/*", "mute": True, **lasting},
        "refuse connection": {"endpoint": "ws/connect", "status": 503, **lasting},
        "refuse subscription": {
            "endpoint": f"ws/subscribe/{channel}",
            "error": "Currency pair not supported",
            **lasting,
        },
        "hang": {"endpoint": "ws/send/ack", "mute": True, **lasting},
        "interval": {"endpoint": "ws/send/ohlc", "spoil": "interval", "count": 1},
        "twice": {"endpoint": f"ws/send/{channel}", "spoil": "twice", "count": dice.randint(1, 20)},
        "delay": {"endpoint": f"ws/send/{channel}", "delay_ms": dice.randint(100, 2000), **lasting},
    }[kind]
    return f"stream {kind}", {**what, "seed": dice.getrandbits(16)}


async def _weather(control: ControlClient, seconds: float, seed: int) -> Counter[str]:
    """A fault every few seconds; now and then all sockets are cut at once."""
    dice, until, happened = random.Random(seed), monotonic_seconds() + seconds, Counter[str]()
    while monotonic_seconds() < until:
        name, rule = dice.choice([_rest, _stream, _stream])(dice)
        try:
            await asyncio.to_thread(lambda rule=rule: control.fault(**rule))  # type: ignore[misc]
        except ControlError as error:
            raise SystemExit(f"the sandbox does not know the fault {rule}: {error}") from None
        happened[name] += 1
        await pause(min(dice.uniform(0.5, 4.0), max(until - monotonic_seconds(), 0.0)))
    await asyncio.to_thread(control.clear_faults)
    return happened


# -- work -----------------------------------------------------------------------------------------------------------------


async def _keep_ingesting(settings: Settings, keys: Sequence[SeriesKey], stop: asyncio.Event) -> Counter[str]:
    """What the ingest flow does, again and again; RetryLater is what its retries are for."""
    lake, judge, venue = wiring.lake(settings), wiring.judge(settings), wiring.venue(settings)
    told = Counter[str]()
    while not stop.is_set():
        try:
            commit = await asyncio.to_thread(ingest, lake, venue, keys, judge)
            told["ingest runs"] += 1
            told["ingested candles"] += commit.rows_added if commit else 0
            told["ingested revisions"] += commit.rows_revised if commit else 0
        except RetryLater:
            told["ingest runs that were put off"] += 1
        try:
            await asyncio.wait_for(stop.wait(), INGEST_EVERY)
        except TimeoutError:
            continue
    return told


async def _until_calm(streams: WebSocketManager) -> bool:
    """After the weather every feed comes back to its stream by itself."""
    give_up = monotonic_seconds() + CALM_SECONDS
    while monotonic_seconds() < give_up:
        if all(status.source is FeedSource.STREAM for status in streams.status()):
            return True
        await pause(0.5)
    return False


async def _live_through(
    settings: Settings, control: ControlClient, minutes: float, seed: int
) -> tuple[RecorderReport, Counter[str], Counter[str], bool]:
    feeds = wiring.feeds(settings, None, SYMBOLS, [Channel.TICKER, Channel.TRADES, Channel.CANDLES], [WIDTH])
    keys = [SeriesKey("kraken", symbol, WIDTH) for symbol in SYMBOLS]
    stop = asyncio.Event()
    next_line = 0.0

    def progress(report: RecorderReport) -> None:
        nonlocal next_line
        if report.seconds >= next_line:
            next_line = report.seconds + 30.0
            _say(f"  {report.seconds:5.0f} s: {report_line(report)}")

    async with wiring.streams(settings) as streams:
        recorder: Recorder = wiring.recorder(settings, streams, feeds)
        recording = asyncio.create_task(recorder.run(progress=progress))
        ingesting = asyncio.create_task(_keep_ingesting(settings, keys, stop))
        weather = asyncio.create_task(_weather(control, minutes * 60.0, seed))
        await asyncio.wait({weather, recording, ingesting}, return_when=asyncio.FIRST_COMPLETED)
        for work in (recording, ingesting):
            if work.done():  # neither ends by itself, whatever the weather
                weather.cancel()
                work.result()
        happened = weather.result()
        calm = await _until_calm(streams)
        for status in streams.status():
            if status.source is not FeedSource.STREAM:
                _say(f"  not back: {status}")
        await pause(2.0)
        stop.set()
        told = await ingesting
        recording.cancel()
        await asyncio.wait({recording})
        if not recording.cancelled():
            recording.result()
        return recorder.report(), happened, told, calm


# -- judgement ------------------------------------------------------------------------------------------------------------


def _venue_trades(settings: Settings, symbol: str, start: datetime, end: datetime) -> list[PublicTrade]:
    venue, cursor = wiring.venue(settings), None
    found: dict[object, PublicTrade] = {}
    while True:
        frame, following = _patiently(lambda cursor=cursor: venue.trades(symbol, cursor, start))  # type: ignore[misc]
        page = trades_of(frame)
        found |= {trade.identity: trade for trade in page if start <= trade.ts <= end + MICROSECOND}
        if not page or following == cursor or page[-1].ts > end:
            return sorted(found.values(), key=lambda trade: (trade.ts, trade.trade_id or 0))
        cursor = following


def _patiently(ask: Callable[[], Any]) -> Any:
    for _ in range(20):
        try:
            return ask()
        except RetryLater:
            continue
    return ask()


def _judge_trades(settings: Settings, symbol: str) -> tuple[dict[str, Any], list[str]]:
    tape = wiring.lake(settings).snapshot().tape(TapeKey("kraken", symbol, Tape.TRADES))
    ours = trades_of(tape)
    if not ours:
        return {"symbol": symbol}, [f"{symbol}: the lake has no trade at all"]
    theirs = _venue_trades(settings, symbol, ours[0].ts, ours[-1].ts)
    broken = []
    ids = Counter(trade.trade_id for trade in ours)
    twice = [identity for identity, count in ids.items() if count > 1]
    if twice:
        broken.append(f"{symbol}: {len(twice)} trades stand twice, the first is {twice[0]}")
    known = {trade.trade_id: trade for trade in theirs}
    lacking, invented = sorted(known.keys() - ids.keys()), sorted(ids.keys() - known.keys())
    if lacking:
        broken.append(f"{symbol}: {len(lacking)} trades of the venue are not in the lake, the first {lacking[0]}")
    if invented:
        broken.append(f"{symbol}: {len(invented)} trades of the lake are not the venue's, the first {invented[0]}")
    odd = [trade for trade in ours if trade.trade_id in known and not _same(trade, known[trade.trade_id])]
    if odd:
        broken.append(f"{symbol}: {len(odd)} trades are told otherwise than by the venue, the first {odd[0]}")
    sources = tape["source"].value_counts().to_dict()
    return {
        "symbol": symbol,
        "trades": len(ours),
        "by the stream": sources.get("stream", 0),
        "by REST": sources.get("trades", 0),
    }, broken


def _same(one: PublicTrade, other: PublicTrade) -> bool:
    """All of a trade; the stream cuts its stamp to the microsecond, REST's is rounded to it."""
    return one[1:] == other[1:] and abs(one.ts - other.ts) <= MICROSECOND


def _judge_candles(settings: Settings, symbol: str) -> tuple[dict[str, Any], list[str]]:
    key, snapshot = SeriesKey("kraken", symbol, WIDTH), wiring.lake(settings).snapshot()
    told, broken = snapshot.revisions(key), []
    early = told[told["known_at"] < told["ts"] + WIDTH.delta]
    if len(early):
        broken.append(
            f"{symbol}: {len(early)} candles were committed before they had closed, the first {early['ts'].iloc[0]}"
        )
    ours = snapshot.candles(key).set_index("ts")
    if ours.index.has_duplicates:
        broken.append(f"{symbol}: a candle stands twice")
    first, last = ours.index[0].to_pydatetime(), ours.index[-1].to_pydatetime()
    theirs = _patiently(lambda: wiring.venue(settings).ohlc(symbol, WIDTH, first)).set_index("ts")
    theirs = theirs[(theirs.index <= last) & (theirs["trades"] > 0)]
    columns = ["open", "high", "low", "close", "volume"]
    both = ours.index.intersection(theirs.index)
    wrong = both[(ours.loc[both, columns] != theirs.loc[both, columns]).any(axis=1)]
    if len(wrong):
        broken.append(f"{symbol}: {len(wrong)} candles are not the venue's, the first {wrong[0]}")
    holes = snapshot.holes(key, first, last + WIDTH.delta)
    quiet = [hole for hole in holes if hole.cause is HoleCause.NO_TRADES]
    lied = [ts for ts in theirs.index for hole in quiet if hole.start <= ts < hole.end]
    if lied:
        broken.append(f"{symbol}: {len(lied)} windows are said to be without trades and are not, the first {lied[0]}")
    untyped = [
        ts for ts in theirs.index.difference(ours.index) if not any(hole.start <= ts < hole.end for hole in holes)
    ]
    if untyped:
        broken.append(f"{symbol}: {len(untyped)} windows are missing without a cause, the first {untyped[0]}")
    causes = Counter(hole.cause.value for hole in holes)
    revised = int((told["revision"] > 0).sum())
    return {
        "candles": len(ours),
        "revisions": revised,
        "compared with the venue": len(both),
        "holes": dict(causes),
    }, broken


def _judge_quotes(settings: Settings, symbol: str) -> tuple[dict[str, Any], list[str]]:
    tape = wiring.lake(settings).snapshot().tape(TapeKey("kraken", symbol, Tape.QUOTES))
    twice = int(tape.duplicated(["ts", "bid", "ask"]).sum())
    return {"quotes": len(tape)}, [f"{symbol}: {twice} quotes stand twice"] if twice else []


def _settings(folder: Path, port: int) -> Settings:
    return load_settings(
        folder / "config",
        env={
            "KRACKEN_HOME": str(folder),
            "KRACKEN_SANDBOX__PORT": str(port),
            "KRACKEN_PRICE_FEED__BATCH_SECONDS": "5",
            "KRACKEN_PRICE_FEED__PATIENCE_SECONDS": "300",
            "KRACKEN_EXCHANGES": "{kraken: {timeout_seconds: 5}}",
        },
    )


def run(folder: Path, minutes: float, seed: int) -> list[str]:
    """Live through it and hold the lake against the venue; the promises that were broken."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    port = free_port()
    with sandbox_process("tests.support.sandbox_on_wall_time", folder / "sandbox.sqlite") as sandbox:
        port = int(sandbox.base_url.rsplit(":", 1)[1])
        settings = _settings(folder, port)
        _say(f"{minutes:g} minutes of bad weather, seed {seed}, lake {settings.paths.lake}")
        report, happened, told, calm = asyncio.run(_live_through(settings, sandbox.control, minutes, seed))
        broken = [] if calm else [f"a feed was not back on its stream {CALM_SECONDS:g} s after the weather"]
        _say(
            f"\nfaults set ({happened.total()}): "
            + ", ".join(f"{name} {count}" for name, count in sorted(happened.items()))
        )
        _say("ingest: " + ", ".join(f"{name} {count}" for name, count in sorted(told.items())))
        _say(
            f"streams: {report_line(report)}; {report.seconds_judging:.1f} s of {report.seconds:.0f} s checking and committing\n"
        )
        _say(pd.DataFrame(feed_rows(report)).drop(columns=["trouble", "whole until"]).to_string(index=False))
        rows = []
        for symbol in SYMBOLS:
            row: dict[str, Any] = {}
            for judge in (_judge_trades, _judge_candles, _judge_quotes):
                found, wrong = judge(settings, symbol)
                row |= found
                broken += wrong
            rows.append(row)
        _say("\n" + pd.DataFrame(rows).to_string(index=False))
        broken += [f"bytes of {name} are not those that were committed" for name in wiring.lake(settings).verify()]
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description="ingest and streams through bad weather")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    told = parser.parse_args()
    try:
        if told.folder is not None:
            broken = run(told.folder, told.minutes, told.seed)
        else:
            with tempfile.TemporaryDirectory(prefix="kracken-fault-run-") as folder:
                broken = run(Path(folder), told.minutes, told.seed)
    except BadData as error:
        broken = [str(error)]
    _say("\n" + ("\n".join(f"BROKEN: {one}" for one in broken) if broken else "every promise held"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
