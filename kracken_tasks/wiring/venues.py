"""Settings into venues, the rate budget they share, and where orders go: the place that knows sandbox from paper from live.

In: ``Settings``.  Out: venues to read from, brokers to send to, and both together for the toolkit's adapter.  Never: a network call that
nobody asked for, a way to a real market that is not armed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kracken_tasks.domain.clock import sleep
from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import ExchangeSettings, PaperSettings, Profile, Settings

if TYPE_CHECKING:
    import pandas as pd

    from kracken_tasks.domain.market import Instrument
    from kracken_tasks.exchange.access import VenueAccess
    from kracken_tasks.exchange.rates import RateBudget
    from kracken_tasks.exchange.venue import CcxtVenue
    from kracken_tasks.execution.broker import Broker
    from kracken_tasks.execution.paper_matching import FillRules, PaperBook
    from kracken_tasks.execution.paper_tape import PaperTrade

__all__ = [
    "access",
    "broker",
    "enabled",
    "fill_rules",
    "keyed_venue",
    "market_now",
    "not_enabled",
    "rate_budget",
    "stream_options",
    "venue",
]

_BOOK_DEPTH = 100


def enabled(settings: Settings) -> list[str]:
    """Names of the venues that may be used, in order."""
    return sorted(name for name, one in settings.exchanges.items() if one.enabled)


def not_enabled(settings: Settings, name: str) -> Misconfigured:
    allowed = ", ".join(enabled(settings))
    return Misconfigured(
        f"exchange {name!r} is not enabled; allowed: {allowed}", key="exchanges", value=name, allowed=allowed
    )


def rate_budget(settings: Settings) -> RateBudget:
    """The budget that all processes of this home, or of this database, share."""
    return _rate_budget(settings.rates_url(), settings.paths.rate_counters)


@cache
def _rate_budget(url: str | None, path: Path) -> RateBudget:
    from kracken_tasks.exchange.rates import RateBudget

    if url is None:
        from kracken_tasks.exchange.rates.sqlite import SqliteCounters

        return RateBudget(SqliteCounters(path))
    from kracken_tasks.exchange.rates.postgres import PostgresCounters

    return RateBudget(PostgresCounters(url))


def venue(settings: Settings, exchange: str | None = None, *, private: bool = False) -> CcxtVenue:
    """A venue to read from, and with ``private`` to trade on.  In the sandbox profile every venue is the local exchange.

    Raises: Misconfigured if the venue is not enabled, or has no key and needs one.
    """
    name = exchange or settings.exchange
    listed = settings.exchanges.get(name)
    if listed is None or not listed.enabled:
        raise not_enabled(settings, name)
    if settings.profile is Profile.SANDBOX:
        return _local_venue(
            name, f"http://127.0.0.1:{settings.sandbox.port}", listed, rate_budget(settings), _traded(settings, listed)
        )
    if private:
        keyed = keyed_venue(settings, name) if settings.profile is Profile.LIVE else None
        if keyed is None:
            raise Misconfigured(
                f"no orders go to {name}: profile live and its API key are needed (profile is {settings.profile.value})",
                key=f"exchanges.{name}.api_key", value=settings.profile.value,
            )  # fmt: skip
        return keyed
    if listed.base_url is not None:
        return _local_venue(name, listed.base_url, listed, rate_budget(settings), _traded(settings, listed))
    return _real_venue(name, listed, rate_budget(settings), _traded(settings, listed))


@cache
def _local_venue(
    name: str, base_url: str, listed: ExchangeSettings, budget: RateBudget, symbols: tuple[str, ...]
) -> CcxtVenue:
    from kracken_tasks.exchange.venue import CcxtVenue
    from kracken_tasks.sandbox.client_config import VENUE_OPTIONS

    if name not in VENUE_OPTIONS:
        allowed = ", ".join(sorted(VENUE_OPTIONS))
        raise Misconfigured(f"the sandbox speaks {allowed}, not {name!r}", key="exchanges", value=name, allowed=allowed)
    options = {**VENUE_OPTIONS[name](base_url), **_pace(listed)}
    # Its clock is asked every time: it may stand still or be moved by hand, and what a demo writes down must not depend on how fast it ran.
    return CcxtVenue(
        name,
        options,
        timeout_seconds=listed.timeout_seconds,
        clock_keeps_seconds=0,
        budget=budget,
        tier=listed.tier,
        symbols=symbols,
    )


def keyed_venue(settings: Settings, exchange: str | None = None) -> CcxtVenue | None:
    """A venue with the account's key; None without a key.  Only the live profile ever sends through it, behind the gate of ``broker``."""
    name = exchange or settings.exchange
    return _keyed_venue(
        name, settings.exchanges[name], rate_budget(settings), _traded(settings, settings.exchanges[name])
    )


def stream_options(settings: Settings, name: str) -> dict[str, Any]:
    """What ccxt.pro needs to stream a venue's public half: where another server stands in for it, and nothing else."""
    from kracken_tasks.sandbox.client_config import VENUE_OPTIONS

    local = f"http://127.0.0.1:{settings.sandbox.port}" if settings.profile is Profile.SANDBOX else None
    base_url = local or settings.exchanges[name].base_url
    return {} if base_url is None else dict(VENUE_OPTIONS[name](base_url))


@cache
def _real_venue(name: str, listed: ExchangeSettings, budget: RateBudget, symbols: tuple[str, ...]) -> CcxtVenue:
    from kracken_tasks.exchange.venue import CcxtVenue

    # Without the key: what is only read needs none, and what has none can send nothing.
    return CcxtVenue(
        name,
        _pace(listed),
        timeout_seconds=listed.timeout_seconds,
        budget=budget,
        tier=listed.tier or _slowest(name),
        symbols=symbols,
    )


@cache
def _keyed_venue(name: str, listed: ExchangeSettings, budget: RateBudget, symbols: tuple[str, ...]) -> CcxtVenue | None:
    """A venue that knows its account; None without a key."""
    from kracken_tasks.exchange.venue import CcxtVenue

    keys = {"apiKey": listed.api_key, "secret": listed.secret, "password": listed.password, "uid": listed.uid}
    told = {option: secret.get_secret_value() for option, secret in keys.items() if secret is not None}
    if not told:
        return None
    if listed.base_url is not None:
        from kracken_tasks.sandbox.client_config import VENUE_OPTIONS

        told = {**VENUE_OPTIONS[name](listed.base_url), **told}
    options = {**told, **_pace(listed)}
    return CcxtVenue(
        name,
        options,
        timeout_seconds=listed.timeout_seconds,
        budget=budget,
        tier=listed.tier or _slowest(name),
        symbols=symbols,
    )


def _traded(settings: Settings, listed: ExchangeSettings) -> tuple[str, ...]:
    """What can have been traded at a venue, for those that list an account one symbol at a time."""
    own = [symbol for agent in settings.agents for symbol in agent.symbols]
    return tuple(sorted({*(listed.symbols or settings.pairs), *settings.symbols, *own}))


def _slowest(name: str) -> str | None:
    return "starter" if name == "kraken" else None


def _pace(listed: ExchangeSettings) -> dict[str, Any]:
    return {} if listed.rate_limit_ms is None else {"rateLimit": listed.rate_limit_ms}


def access(settings: Settings) -> Mapping[str, VenueAccess]:
    """Every enabled venue with what may be done there, for the toolkit's adapter and manager.

    Orders go to the local exchange in the sandbox profile, to the paper broker (on the traded venue) in paper, and nowhere in live: real
    orders go by ``broker``, which ticks and a flatten are handed, and these classes are not.
    """
    from kracken_tasks.exchange.access import VenueAccess

    if settings.profile is Profile.SANDBOX:
        return _local_access(settings)
    found = {}
    for name in enabled(settings):
        listed, market = settings.exchanges[name], venue(settings, name)
        keyed = _keyed_venue(name, listed, rate_budget(settings), _traded(settings, listed))
        account: Any = keyed
        orders: Any = None
        why = f"profile {settings.profile.value} sends no orders to {name}"
        if settings.profile is Profile.PAPER and name == settings.exchange:
            account = orders = broker(settings)
        elif settings.profile is Profile.PAPER:
            why = f"profile paper trades on {settings.exchange} only, not on {name}"
        found[name] = VenueAccess(market, account, orders, why, listed.symbols or settings.pairs, own_fees=keyed)
    return found


def _local_access(settings: Settings) -> dict[str, VenueAccess]:
    # The local exchange speaks as all of its venues, whether or not they are enabled for ingest and trading.
    from kracken_tasks.exchange.access import VenueAccess
    from kracken_tasks.sandbox.client_config import VENUE_OPTIONS

    url, budget, found = f"http://127.0.0.1:{settings.sandbox.port}", rate_budget(settings), {}
    for name in dict.fromkeys((*enabled(settings), *VENUE_OPTIONS)):
        listed = settings.exchanges.get(name) or ExchangeSettings.model_validate({"enabled": False})
        market = _local_venue(name, url, listed, budget, _traded(settings, listed))
        symbols = listed.symbols or (settings.pairs if listed.enabled else ())
        found[name] = VenueAccess(market, market, market, "", symbols, listed.enabled, own_fees=market)
    return found


def broker(settings: Settings) -> Broker:
    """Where orders go: the sandbox exchange through ccxt, or the paper broker on live prices.

    In the live profile the real venue with the account's key, behind a gate that buys nothing while the account is not armed.
    Raises: Misconfigured for the live profile without a key.
    """
    if settings.profile is Profile.LIVE:
        return _live_broker(settings)
    if settings.profile is not Profile.PAPER:
        return venue(settings, private=True)
    paths, paper = settings.paths, settings.paper_trading
    deposit = (settings.tax.base_currency, settings.initial_capital)
    keyed = keyed_venue(settings)
    fees = keyed if paper.simulate_fees and paper.commission_bps is None else None
    return _paper_broker(
        venue(settings),
        settings.exchange,
        paths.paper_state,
        deposit,
        fill_rules(paper),
        fees,
        settings.traded_symbols,
        (paper.simulate_depth or paper.simulate_queue, paper.simulate_queue),
    )


def _live_broker(settings: Settings) -> Broker:
    from kracken_tasks.execution.kill_switch import KillSwitch
    from kracken_tasks.live import ArmedBroker, why_not_armed
    from kracken_tasks.wiring.stores import ledger

    switch = KillSwitch(settings.paths.kill_switch, always=settings.trading.kill_switch)

    def why_not(now: datetime) -> str:
        # The ledger is opened for a purchase only: a way out must not need it.
        held = switch.holder()
        return f"the kill switch is {held}" if held else why_not_armed(ledger(settings), now)

    return ArmedBroker(venue(settings, private=True), why_not)


@cache
def _paper_broker(
    market: CcxtVenue,
    exchange: str,
    path: Path,
    deposit: tuple[str, Decimal],
    rules: FillRules,
    fees: CcxtVenue | None,
    symbols: tuple[str, ...],
    sees: tuple[bool, bool],
) -> Broker:
    """``sees``: whether fills know the venue's order book, and its trades."""
    from kracken_tasks.execution.paper import PaperBroker

    path.parent.mkdir(parents=True, exist_ok=True)
    return PaperBroker(
        exchange=exchange, clock=market.now, instruments=_instruments(market, fees, symbols), quotes=market.quotes,
        deposit=dict([deposit]), path=path, rules=rules, wait=lambda span: sleep(span.total_seconds()),
        book=_book_source(market) if sees[0] else None, trades=_trade_source(market) if sees[1] else None,
    )  # fmt: skip


def _book_source(market: CcxtVenue) -> Callable[[str], PaperBook]:
    from kracken_tasks.execution.paper_matching import PaperBook

    def exact(levels: Iterable[tuple[float, float]]) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((Decimal(str(price)), Decimal(str(amount))) for price, amount in levels)

    def told(symbol: str) -> PaperBook:
        book = market.order_book(symbol, _BOOK_DEPTH)
        return PaperBook(exact(book.bids), exact(book.asks))

    return told


def _trade_source(market: CcxtVenue) -> Callable[[str, datetime, datetime], list[PaperTrade]]:
    import pandas as pd

    from kracken_tasks.execution.paper_tape import trades_between

    def told(symbol: str, after: datetime, until: datetime) -> list[PaperTrade]:
        pages: list[pd.DataFrame] = []
        cursor: str | None = None
        while True:
            page, following = market.trades(symbol, cursor, after if cursor is None else None)
            pages.append(page)
            if page.empty or following == cursor or page["ts"].iloc[-1] > until:
                return trades_between(pd.concat(pages), after, until)
            cursor = following

    return told


def _instruments(
    market: CcxtVenue, fees: CcxtVenue | None, symbols: tuple[str, ...]
) -> Callable[[], Mapping[str, Instrument]]:
    """What is listed; with a key, the traded symbols at the fees that the account itself pays, asked once."""
    if fees is None:
        return market.instruments

    @cache
    def told() -> Mapping[str, Instrument]:
        listed = market.instruments()
        own = fees.fees([symbol for symbol in symbols if symbol in listed])
        paid = {name: replace(listed[name], maker_fee=fee.maker, taker_fee=fee.taker) for name, fee in own.items()}
        return {**listed, **paid}

    return told


def fill_rules(paper: PaperSettings) -> FillRules:
    """What a paper fill costs, by the settings."""
    from kracken_tasks.execution.paper_fees import FeeSchedule, FeeTier
    from kracken_tasks.execution.paper_matching import FillRules

    return FillRules(
        slippage_bps=float(paper.slippage_bps) if paper.simulate_slippage else 0.0,
        commission_bps=paper.commission_bps if paper.simulate_fees else Decimal(0),
        latency=timedelta(milliseconds=paper.execution_delay_ms if paper.simulate_latency else 0),
        fees=FeeSchedule(tuple(FeeTier(*row) for row in paper.fee_tiers)) if paper.fee_tiers else None,
        volume_share=paper.volume_share,
        depth_share=paper.depth_share,
    )


def market_now(settings: Settings) -> datetime:
    """Market time: the traded venue's clock."""
    return venue(settings).now()
