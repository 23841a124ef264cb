"""``KrakenPaperLiveBot``: a paper account to open and close positions on, by hand or by signals, with every limit in force.

In: a config file or mapping with the keys of ``kraken_paper_trading.yaml``; a seed for the embedded market, or a venue.  Out: results as
mappings that say which market they are from.  Never: a real order; an exception for a trade that is refused (the reason is in the result).

    bot = create_kraken_paper_bot(config_dict={"initial_capital": 10_000.0})
    opened = bot.open_position(symbol="BTC/USD", side="BUY", signal_confidence=0.75)
    bot.advance(minutes=90)
    bot.close_position(opened["position"].position_id)

Every call is one tick of the execution room, or a part of one: reconcile, mark, exits, decide with sizing and guards, send, protect.  The
calls do not wait with ``await`` and may be made from inside a running event loop; one thread at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.trading import Action, SizeReceipt, TradingState
from kracken_tasks.errors import KrackenError, Misconfigured
from kracken_tasks.execution.by_hand import close_by_hand
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.marks import release
from kracken_tasks.paper.account import SANDBOX, PaperAccount
from kracken_tasks.paper.figures import (
    PaperPerformance,
    PaperPosition,
    calculate_sharpe_ratio,
    dashboard,
    performance_of,
)
from kracken_tasks.paper.journal import export_journal
from kracken_tasks.paper.markets import VenueStand, market_of
from kracken_tasks.paper.sizes import answer_of, size_of
from kracken_tasks.paper.spoken import Spoken
from kracken_tasks.risk.correlation import correlation_cut
from kracken_tasks.risk.state import losing_streak
from kracken_tasks.settings import load_paper_settings

__all__ = ["KrakenPaperLiveBot", "create_kraken_paper_bot"]

_BUY, _SELL = ("BUY", "LONG"), ("SELL", "CLOSE")
_DEFAULT_MINUTES: Final = 60.0
Answer = dict[str, Any]


def create_kraken_paper_bot(
    config_path: str | Path | None = None,
    config_dict: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    home: str | Path | None = None,
) -> KrakenPaperLiveBot:
    """A paper bot from a config file, a mapping, or the promised defaults.

    Raises: Misconfigured naming file, key, value and what is allowed; also where both are given.
    """
    if config_path is not None and config_dict is not None:
        raise Misconfigured("give config_path or config_dict, not both", key="config_path")
    return KrakenPaperLiveBot(config_dict if config_path is None else Path(config_path), seed=seed, home=home)


class KrakenPaperLiveBot:
    """See the module docstring.  ``home``: a folder in which account, ledger and exports outlive the process; None keeps them in memory.

    ``seed`` makes the embedded market; the same seed and the same calls give the same results to the last digit.
    """

    def __init__(
        self, config: Mapping[str, Any] | Path | None = None, *, seed: int = 0, home: str | Path | None = None
    ) -> None:
        self.account = PaperAccount(load_paper_settings(config), seed=seed, home=None if home is None else Path(home))
        self._adapter: Any = None

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.account.symbols)

    @property
    def market(self) -> str:
        """Where the prices come from: ``sandbox``, or a venue's name."""
        return self.account.market

    @property
    def journal(self) -> deque[dict[str, Any]]:
        """The newest 10,000 openings and closings; all of them are in the ledger."""
        return self.account.events

    # -- trading -------------------------------------------------------------------------------------------------------------

    def open_position(
        self,
        symbol: str,
        side: str,
        signal_confidence: float = 1.0,
        volatility: float | None = None,
        stop_loss_pct: float | None = None,
        take_profit_pct: float | None = None,
        tags: Sequence[str] = (),
        reason: str = "asked for",
    ) -> Answer:
        """Buy, sized and guarded; or with ``side`` SELL close the long of that symbol.

        ``signal_confidence`` in [0, 1]; ``volatility`` daily, as a fraction (None: measured); stops as fractions of the price (None: the
        settings').  Returns success, position or error, the size receipt's cuts, market.
        """
        said = str(side).upper()
        if said in _SELL:
            return self._close_symbol(symbol, reason)
        problem = self._unfit(symbol, said, signal_confidence, volatility, stop_loss_pct, take_profit_pct)
        if problem:
            return self._answer(error=problem)
        word = Spoken(
            Action.BUY,
            float(signal_confidence),
            reason,
            stop_loss_pct,
            take_profit_pct,
            volatility,
            tuple(map(str, tags)),
        )
        return self.act(symbol, word)

    def close_position(self, position_id: str, reason: str = "manual") -> Answer:
        """Sell a position whole.  Returns success with the closed position and its ``pnl``, or an error."""
        account = self.account
        before = {held.symbol: held for held in account.positions().values() if held.position_id == position_id}
        try:
            left = close_by_hand(account.tools, account.slot(), position_id, reason=reason)
        except KrackenError as refused:
            return self._answer(error=str(refused))
        closed = account.note_closed(before)
        account.look()
        if position_id not in closed:
            return self._answer(error=left.problem or "still held")
        return self._answer(position=closed[position_id], pnl=closed[position_id].pnl)

    def emergency_close_all_positions(self, by: str = "toolkit") -> Answer:
        """Halt, cancel everything, sell everything.  Nothing is entered afterwards until ``resume``."""
        account, tools = self.account, self.account.tools
        before = account.positions()
        report = flatten(
            tools.broker, tools.ledger, tools.wall, holder=tools.holder, by=by, config=tools.config, pause=tools.pause
        )
        closed = account.note_closed(before)
        account.look()
        problem = "; ".join(f"{symbol}: {why}" for symbol, why in report.problems.items())
        return self._answer(error=problem, closed=sorted(closed))

    def resume(self, by: str) -> Answer:
        """Let a named person end a halt; drawdown, day and streak are measured from here on."""
        state = release(self.account.ledger, by, now=self.account.now())
        return self._answer(state=state.state.value, reason=state.reason)

    # -- looking -------------------------------------------------------------------------------------------------------------

    def check_risk_limits(self) -> Answer:
        """Mark the account and judge every limit now: positions that have to be left are left, a reached drawdown closes all and halts."""
        mark = self.account.mark()
        state = self.account.ledger.state()
        limits = self.account.tools.limits
        streak = losing_streak(self.account.profits_since_release())
        rows = (
            ("max_drawdown_limit", mark.drawdown, limits.max_drawdown_limit),
            ("daily_loss_limit", mark.daily_loss, limits.daily_loss_limit),
            ("max_consecutive_losses", float(streak), float(limits.max_consecutive_losses)),
        )
        told = [{"limit": name, "value": value, "most": most, "reached": value >= most} for name, value, most in rows]
        return {
            "can_trade": state.state is TradingState.NORMAL,
            "state": state.state.value,
            "reason": state.reason,
            "limits": told,
            "market": self.market,
        }

    @property
    def performance(self) -> PaperPerformance:
        """Closed trades and the daily curve; ``win_rate`` a fraction."""
        return performance_of(self.account.ledger)

    @property
    def positions(self) -> dict[str, PaperPosition]:
        """Open positions by id."""
        quotes = self.account.quotes(self.account.positions())
        return {
            one.position_id: PaperPosition.open_one(one, quotes.get(one.symbol))
            for one in self.account.positions().values()
        }

    def get_performance_dashboard(self) -> Answer:
        """``account``, ``performance`` (rates in percent, drawdown a negative fraction), ``risk_metrics``, ``reasons``, ``market``."""
        mark = self.account.mark()
        held = sorted(self.account.positions())
        frames = {symbol: self.account.candles(symbol) for symbol in held}
        alike: dict[str, float] = {}
        for place, symbol in enumerate(held):
            others = {other: frames[other] for other in held[place + 1 :]}
            found = correlation_cut(
                frames[symbol], others, self.account.tools.limits.correlation_threshold
            ).correlations
            alike |= {f"{symbol} {other}": value for other, value in found.items()}
        told = dashboard(
            self.account.ledger, mark, self.account.quotes(held), currency=self.account.tools.currency,
            initial=float(self.account.settings.initial_capital),
            losing_streak=losing_streak(self.account.profits_since_release()), correlation=alike,
        )  # fmt: skip
        return told | {"market": self.market, "as_of": iso(self.account.now())}

    def calculate_position_size(
        self, symbol: str, signal_confidence: float, volatility: float, correlation_adj: float | None = None
    ) -> Answer:
        """What ``open_position`` would order now: quantity, notional, and every cut with its reason.  Nothing is sent.

        ``correlation_adj`` in [0, 1] multiplies the size, in place of the correlation measured against holdings (None: what is measured).
        Guards are not asked: an entry of this size may still be refused.
        """
        problem = self._unfit(symbol, "BUY", signal_confidence, volatility, None, None)
        if problem or not (correlation_adj is None or 0.0 <= correlation_adj <= 1.0):
            return self._answer(error=problem or f"correlation_adj {correlation_adj!r}: allowed is 0 to 1")
        mark = self.account.mark()
        keys = self.account.series({symbol, *self.account.positions()})
        word = Spoken(Action.BUY, float(signal_confidence), "asked for its size", volatility=volatility)
        receipt = size_of(
            self.account.tools, mark, self.account.quotes(keys), keys, symbol, word, correlation=correlation_adj
        )
        return self._answer(receipt=receipt) | answer_of(receipt)

    @staticmethod
    def calculate_sharpe_ratio(daily_returns: Sequence[float]) -> float:
        """See ``figures.calculate_sharpe_ratio``."""
        return calculate_sharpe_ratio(daily_returns)

    def export_trade_journal(self, output_dir: str | Path | None = None) -> Path:
        """Write the journal JSON (checked against its schema) and return its path; byte-identical for the same entries.

        ``output_dir``: default ``exports`` under ``home``, or under the working folder.  Raises: BadData before anything was traded.
        """
        folder = Path(output_dir) if output_dir is not None else (self.account.home or Path()) / "exports"
        return export_journal(self.account.ledger, self.account.settings, folder, mode=self.market)

    def act(self, symbol: str, word: Spoken) -> Answer:
        """Put a strategy's word to the account; what became of it, as ``open_position`` says it."""
        acted = self.account.act(symbol, word)
        if acted.position is None:
            return self._answer(error=acted.problem, receipt=acted.receipt)
        return self._answer(position=acted.position, receipt=acted.receipt)

    # -- time, and live prices -----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Market time."""
        return self.account.now()

    def advance(self, minutes: float = 1.0) -> Answer:
        """Let the embedded market go on; stops, targets and limits are met on the way.  Returns what is held then, and what it is worth.

        Raises: Misconfigured on a venue, whose time nobody moves.
        """
        report = self.account.advance(timedelta(minutes=minutes))
        return self._answer(
            as_of=iso(self.account.now()), portfolio_value=report.equity, open_positions=len(self.account.positions())
        )

    async def initialize_exchange(self, exchange: object = None) -> Answer:
        """Stand on a venue's live prices from here on; None: the embedded market.

        ``exchange``: a venue's name, ``CCXTAdapter``, ``UnifiedExchangeManager`` or a venue.  Orders stay on paper.
        Raises: Misconfigured once something was traded: one account knows one market.
        """
        name = self.account.settings.exchange
        if exchange is None or exchange == SANDBOX:
            self.account.stand_on(None, SANDBOX)
            return self._answer(symbols=list(self.symbols))
        if isinstance(exchange, str):
            from kracken_tasks.exchange import CCXTAdapter

            name, exchange = exchange, CCXTAdapter([exchange])
            self._adapter = exchange
        fresh = self.account.settings.trading.max_quote_age_seconds / 2
        self.account.stand_on(VenueStand(market_of(exchange, name), freshest_seconds=fresh), name)
        return self._answer(symbols=list(self.symbols))

    async def run_live_trading(
        self,
        duration_minutes: float | None = None,
        *,
        streams: Any = None,
        signals: Any = None,
        every_seconds: float = 60.0,
    ) -> Answer:
        """Look after the account for a while: prices, stops, targets, limits; with ``signals`` (``MLTradingIntegration``) entries, too.

        On the embedded market ``duration_minutes`` are minutes of market time (60 unless said), gone through as fast as they can be; on a
        venue minutes of the wall's time (for ever unless said), on streamed prices that fall back to polling by themselves.
        """
        from kracken_tasks.paper.live import run_embedded, run_streaming

        if self.account.embedded:
            ran = await run_embedded(
                self.account, _DEFAULT_MINUTES if duration_minutes is None else duration_minutes, signals
            )
        else:
            ran = await run_streaming(self.account, duration_minutes, streams, signals, every_seconds)
        return self._answer(looks=ran) | {"account": self.get_performance_dashboard()["account"]}

    async def close(self) -> None:
        """Give connections back; the account of a ``home`` goes on with the next bot."""
        self.account.ledger.close()
        if self._adapter is not None:
            await self._adapter.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _close_symbol(self, symbol: str, reason: str) -> Answer:
        position = self.account.positions().get(symbol)
        if position is None:
            return self._answer(
                error=f"SELL closes a long, and there is none in {symbol}; paper accounts do not sell short"
            )
        return self.close_position(position.position_id, reason=reason)

    def _unfit(
        self,
        symbol: str,
        side: str,
        confidence: float,
        volatility: float | None,
        stop: float | None,
        target: float | None,
    ) -> str:
        if side not in (*_BUY, *_SELL):
            return f"side {side!r}: allowed is BUY or SELL"
        if symbol not in self.symbols:
            return f"symbol {symbol!r} is not traded here; allowed: {', '.join(self.symbols)}"
        bounds = (("signal_confidence", confidence, 0.0, 1.0), ("volatility", volatility, 0.0, 10.0))
        stops = (("stop_loss_pct", stop, 0.001, 0.5), ("take_profit_pct", target, 0.001, 10.0))
        for name, value, low, high in (*bounds, *stops):
            if value is not None and not low <= value <= high:
                return f"{name} {value!r}: allowed is {low:g} to {high:g}"
        return ""

    def _answer(self, error: str = "", receipt: SizeReceipt | None = None, **told: Any) -> Answer:
        said = {"error": error} if error else {}
        cuts = {} if receipt is None else {"cuts": answer_of(receipt)["cuts"]}
        return {"success": not error, "market": self.market, **said, **told, **cuts}
