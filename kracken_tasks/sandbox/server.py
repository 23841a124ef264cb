"""The sandbox as a process: one port, one market, dialects beside each other, a back door for control.

In: a ``SandboxConfig``.  Out: a server that runs until it is told to stop.  Never: a lost order, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sqlite3
from typing import Final

from aiohttp import web

from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.control import Control
from kracken_tasks.sandbox.dialects.binance.app import BinanceDialect
from kracken_tasks.sandbox.dialects.binance.sockets import BinanceStreams
from kracken_tasks.sandbox.dialects.bitstamp.app import BitstampDialect
from kracken_tasks.sandbox.dialects.coinbase.app import CoinbaseDialect
from kracken_tasks.sandbox.dialects.kraken.app import KrakenDialect
from kracken_tasks.sandbox.dialects.kraken.streams.app import KrakenStreams
from kracken_tasks.sandbox.dialects.kraken.tokens import Tokens
from kracken_tasks.sandbox.dialects.rest import RestDialect
from kracken_tasks.sandbox.faults import Faults
from kracken_tasks.sandbox.market.opening import open_market
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.news import News
from kracken_tasks.sandbox.profiles import KRAKEN, PROFILES, market_of
from kracken_tasks.sandbox.sockets import Sockets
from kracken_tasks.sandbox.venue import Venue

__all__ = ["SandboxServer", "open_venues", "run_sandbox"]

_log = logging.getLogger(__name__)
_TICK_SECONDS = 1.0
_MAX_BODY = 1024 * 1024


# Kraken's own has tokens and streams besides.
_DIALECTS: Final[dict[str, type[RestDialect]]] = {
    "binance": BinanceDialect,
    "coinbase": CoinbaseDialect,
    "bitstamp": BitstampDialect,
}


def open_venues(config: SandboxConfig, market: Market | None = None) -> dict[str, Venue]:
    """The configured venues over one market, Kraken first: the others follow its clock.

    Raises: ValueError for a market or state that cannot be used; sqlite3.OperationalError for a state in use
    """
    common = market or open_market(config.market)
    # A replay strays the same way wherever its files lie.
    key = config.market if config.market.startswith("synthetic:") else "replay"
    venues = {KRAKEN.name: Venue(common, config)}
    try:
        for name in config.venues:
            if name not in venues:
                profile = PROFILES[name]
                seen = market_of(profile, common, key)
                venues[name] = Venue(seen, config, profile=profile, leader=venues[KRAKEN.name])
    except BaseException:
        for venue in venues.values():
            venue.close()
        raise
    return venues


class SandboxServer:
    """Start and stop inside a running event loop; ``port`` is the real one, also when 0 was asked for."""

    def __init__(self, config: SandboxConfig, market: Market | None = None) -> None:
        self._config = config
        self.venues = open_venues(config, market)
        self.venue = self.venues[KRAKEN.name]
        self.faults = Faults()
        self.sockets = Sockets()
        self.tokens = Tokens()
        self.streams = KrakenStreams(self.venue, self.faults, self.sockets, self.tokens)
        self.stopping = asyncio.Event()
        self.port = config.port
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def base_url(self) -> str:
        return f"http://{self._config.host}:{self.port}"

    async def start(self) -> None:
        """Listen.  Raises: OSError if the port is taken."""
        app = web.Application(client_max_size=_MAX_BODY)
        keys = {key.key: key for key in self._config.api_keys}
        app.add_routes(KrakenDialect(self.venue, keys, self.faults, self.tokens).routes())
        for name, dialect in _DIALECTS.items():
            if name in self.venues:
                app.add_routes(dialect(self.venues[name], keys, self.faults).routes())
        if "binance" in self.venues:
            sockets = BinanceStreams(self.venues["binance"], self.faults, self.sockets)
            app.add_routes(sockets.routes())
            app.on_shutdown.append(sockets.close)
        app.add_routes(self.streams.routes())
        app.on_shutdown.append(self.streams.close)
        app.add_routes(News(self.venue).routes())
        token = self._config.control_token
        app.add_routes(
            Control(
                self.venues, self.faults, self.sockets, self.tokens, token, self.stopping, self._follow_wall
            ).routes()
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._config.host, self._config.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        if self._config.clock_mode is ClockMode.WALL:
            self._keep_up()
        _log.info("sandbox listening", extra={"url": self.base_url, "market": self._config.market})

    def _follow_wall(self) -> None:
        self.venue.follow_wall()
        self._keep_up()

    def _keep_up(self) -> None:
        """A market that follows the wall moves on while nobody asks."""
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        if self._runner is not None:
            await self._runner.cleanup()
        self.close()

    def close(self) -> None:
        """Let go of the venues' files."""
        for venue in self.venues.values():
            venue.close()

    async def _tick(self) -> None:
        """Keep up with the market while nobody asks."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for venue in self.venues.values():
                try:
                    venue.catch_up()
                except Exception:
                    _log.exception("sandbox tick failed", extra={"venue": venue.profile.name})


def run_sandbox(config: SandboxConfig, market: Market | None = None) -> int:
    """Serve until SIGTERM, SIGINT or a control call; returns the process's exit code."""
    return asyncio.run(_serve(config, market))


async def _serve(config: SandboxConfig, market: Market | None) -> int:
    try:
        server = SandboxServer(config, market)
    except (ValueError, sqlite3.OperationalError) as error:
        _log.error("sandbox cannot open its state or market: %s", error, extra={"state": str(config.state_path)})
        return 1
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, server.stopping.set)
    try:
        await server.start()
    except OSError as error:
        _log.error("sandbox cannot listen: %s", error, extra={"url": config.base_url})
        server.close()
        return 1
    try:
        await server.stopping.wait()
    finally:
        await server.stop()
    return 0
