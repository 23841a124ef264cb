"""One venue: a market, its clock, its matching engine and its disk, behind one door.

In: requests, each inside ``with venue.request() as now_ns``.  Out: effects that are on disk before the block is left.
Never: HTTP.  A request first works through the market up to now, so whoever asks sees a venue that never slept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from kracken_tasks.domain.clock import to_ns, utc
from kracken_tasks.sandbox.amounts import scaled
from kracken_tasks.sandbox.assets import asset_from_code
from kracken_tasks.sandbox.clock import ClockMode, VenueClock, wall_ns
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.engine.desk import Desk
from kracken_tasks.sandbox.engine.engine import Engine
from kracken_tasks.sandbox.engine.fees import FeeSchedule
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.limits import TIERS, Tier
from kracken_tasks.sandbox.listing import Listings
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.profiles import KRAKEN, VenueProfile
from kracken_tasks.sandbox.state import Happening, Settings, State
from kracken_tasks.sandbox.store import Store, Window

__all__ = ["Venue"]

_MANUAL_START = utc(2025, 1, 6)
_WALL_LAG_MS = 200


class Venue:
    """See the module docstring.  ``state``, ``engine`` and ``desk`` are replaced when a request fails: never keep them.

    Who is in ``listeners`` is handed, after every commit, what happened to orders and money since the one before, in its order.
    A venue with a ``leader`` has no clock of its own: its now is the leader's, so that several venues of one sandbox cannot
    disagree about the time.  Its accounts, orders and file are its own (``STATE.VENUE.SUFFIX`` beside the leader's).
    """

    def __init__(
        self,
        market: Market,
        config: SandboxConfig,
        wall: Callable[[], int] = wall_ns,
        *,
        profile: VenueProfile = KRAKEN,
        leader: Venue | None = None,
    ) -> None:
        self.market = market
        self.profile = profile
        self._config = config
        self._wall = wall
        self._leader = leader
        own = FeeSchedule(config.fee_tiers) if config.fee_tiers and profile is KRAKEN else None
        self.listings = Listings(market, own or profile.schedule)
        self.accounts = sorted({key.account for key in config.api_keys})
        self.listeners: list[Callable[[Sequence[Happening]], None]] = []
        self.store = Store(self._path(config.state_path))
        try:
            self._adopt(self.store.load() or self._fresh_state())
            self._restart()
        except BaseException:
            self.store.close()
            raise

    def _path(self, path: Path | None) -> Path | None:
        return path if path is None or self._leader is None else path.with_suffix(f".{self.profile.name}{path.suffix}")

    def close(self) -> None:
        self.store.close()

    @property
    def tier(self) -> Tier:
        return TIERS[self.state.settings.tier]

    def now_ns(self) -> int:
        """The venue's now; it never goes back, whatever the wall does."""
        clock_ns = self.state.clock.now_ns(self._wall) if self._leader is None else self._leader.now_ns()
        return max(clock_ns, self.state.processed_ns)

    @contextmanager
    def request(self) -> Iterator[int]:
        """Work through the market up to now, run the block, and put all of it on disk in one transaction.

        A ``Refused`` keeps what the market did and passes on; anything else undoes the whole request.
        """
        try:
            now_ns = self.now_ns()
            self.engine.advance(now_ns)
            self.store.flush(self.state)
            try:
                yield now_ns
            except Refused:
                self._commit()
                raise
            self._commit()
        except Refused:
            raise
        except BaseException:
            self.store.rollback()
            self._reload()
            raise

    def move_to(self, market_ns: int) -> None:
        """Set a manual clock forward, working through everything on the way.  Raises: ValueError for a step back."""
        now_ns = self.now_ns()
        if market_ns < now_ns:
            raise ValueError(f"the venue's clock stands at {now_ns} ns and does not go back")
        with self.request():
            self.state.set_clock(self.state.clock.moved_to(market_ns, self._wall))
            self.engine.advance(market_ns)

    def follow_wall(self) -> None:
        """Let the clock go: market time jumps forward to the wall's, works through what that skips, and follows it from there.

        A market that is already ahead of the wall keeps its lead.
        """
        with self.request() as now_ns:
            market_ns = max(now_ns, self._wall())
            self.state.set_clock(VenueClock.starting(ClockMode.WALL, market_ns, self._wall))
            self.state.change_settings(listing_lag_ms=self._lag(ClockMode.WALL))
            self.engine.advance(market_ns)

    def catch_up(self) -> None:
        """Work through the market up to now without being asked for anything."""
        with self.request():
            pass

    def is_listed(self, opened_ns: int, now_ns: int) -> bool:
        """Whether an order shows in listings yet: they lag a little behind the matching engine."""
        return opened_ns + self.state.settings.listing_lag_ms * 1_000_000 <= now_ns

    def _commit(self) -> None:
        self.store.flush(self.state)
        if self.store.in_transaction:
            self.store.commit()
        happened, self.state.happened = self.state.happened, []
        for listener in self.listeners:
            listener(happened)

    def _adopt(self, state: State) -> None:
        self.state = state
        self.engine = Engine(self.market, self.listings, state)
        self.desk = Desk(self.engine)

    def _reload(self) -> None:
        state = self.store.load()
        if state is not None:
            self._adopt(state)

    def _fresh_state(self) -> State:
        config = self._config
        start_ns = self._start_ns(config.clock_start)
        return State(
            seed=self._seed(),
            clock=VenueClock.starting(config.clock_mode, start_ns, self._wall),
            settings=Settings(),
            processed_ns=start_ns,
        )

    def _lag(self, mode: ClockMode) -> int:
        if self._leader is not None:
            return 0
        if self._config.listing_lag_ms is not None:
            return self._config.listing_lag_ms
        return 0 if mode is ClockMode.MANUAL else _WALL_LAG_MS

    def _seed(self) -> str:
        owner = "" if self._leader is None else f"|{self.profile.name}"
        return f"{self._config.market}|{','.join(self.accounts)}{owner}"

    def _start_ns(self, start: datetime | None) -> int:
        if self._leader is not None:
            return self._leader.now_ns()
        if start is not None:
            return to_ns(start)
        if self._config.market.startswith("replay:"):
            return max(self.market.first_trade_ns(spec.symbol) for spec in self.market.pairs)
        return to_ns(_MANUAL_START) if self._config.clock_mode is ClockMode.MANUAL else self._wall()

    def _restart(self) -> None:
        """Bring a loaded state in line with the configuration, and open accounts that were never seen."""
        config, state = self._config, self.state
        if state.seed != self._seed():
            raise ValueError(f"{config.state_path} belongs to {state.seed!r}, not to {self._seed()!r}")
        state.change_settings(
            tier=self.profile.tier or config.tier,
            fill_share_percent=config.fill_share_percent,
            public_calls_per_second=config.public_calls_per_second,
            listing_lag_ms=self._lag(config.clock_mode),
        )
        if state.clock.mode is not config.clock_mode:
            state.set_clock(replace(state.clock.moved_to(self.now_ns(), self._wall), mode=config.clock_mode))
        for account in self.accounts:
            if not self.store.ledger(account, Window(), 1).count:
                for code, amount in sorted(self._purse().items()):
                    asset = asset_from_code(code)
                    units = scaled(amount, asset.decimals)
                    self.engine.booking.deposit(account, asset.key, units, state.processed_ns)
        self._commit()

    def _purse(self) -> Mapping[str, str]:
        """What an account opens with: the venue's own purse where one is configured, else everyone's, in the venue's money."""
        own = self._config.venue_balances.get(self.profile.name)
        if own is not None:
            return own
        return {self.profile.money if code == "USD" else code: v for code, v in self._config.opening_balances.items()}
