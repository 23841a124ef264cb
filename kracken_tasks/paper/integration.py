"""``MLTradingIntegration``: signals to decisions to trades on a paper account, and how each module's signals turned out.

In: a bot, signal modules, a config.  Out: a decision per symbol with the votes behind it; statistics per module.  Never: a vote counted in
a way of its own (``signals.ensemble`` and ``signals.feedback`` do), one module's failure kept from being told or failing the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import pandas as pd

from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.errors import Misconfigured
from kracken_tasks.paper.bot import KrakenPaperLiveBot
from kracken_tasks.paper.spoken import Spoken
from kracken_tasks.settings import load_paper_settings
from kracken_tasks.signals import SIGNALS, Combined, SignalModule, TradeOutcome, combine, corrected_weights
from kracken_tasks.signals.registry import Outside
from kracken_tasks.signals.window import window_of

__all__ = ["MLTradingIntegration", "ModuleManager"]

_DIRECTIONS: Final = {"BUY": 1.0, "SELL": -1.0, "HOLD": 0.0}
_WON, _LOST = "WIN", "LOSS"
Module = SignalModule | Callable[[str, pd.DataFrame], Any]


class ModuleManager(Protocol):
    """Whoever knows the signal modules by name."""

    def modules(self) -> Mapping[str, Module] | Iterable[SignalModule]: ...


class MLTradingIntegration:
    """``module_manager`` None: the built-in modules.  A module of the caller's is called with a symbol and a frame of closed candles and
    answers {signal, confidence, reason}, an ``Opinion``, or None for no opinion.

    ``config``: keys of ``ml_integration`` (or a mapping that holds them under that name); None: the bot's own.
    """

    def __init__(
        self,
        bot: KrakenPaperLiveBot,
        module_manager: ModuleManager | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises: Misconfigured for a config key, or a weight, that cannot be right."""
        self.bot = bot
        self._modules = _named(module_manager)
        self._rules = bot.account.settings.ml_integration if config is None else _rules(config)
        # A module of the caller's without a configured weight counts as much as the average of those that have one.
        told = dict(self._rules.signal_weights)
        fair = sum(told.values()) / len(told) if told else 1.0
        self.base_weights: dict[str, float] = {name: told.get(name, fair) for name in self._modules}
        self._opinions: dict[str, tuple[Opinion, ...]] = {}
        self._outcomes: dict[str, TradeOutcome] = {}

    # -- signals to decisions ------------------------------------------------------------------------------------------------

    async def process_trading_signals(
        self, symbols: Iterable[str], *, execute: bool = True
    ) -> dict[str, dict[str, Any]]:
        """Ask every module about every symbol, combine, and with ``execute`` act on the bot: BUY opens, SELL closes the long.

        Returns by symbol: ``decision`` (action, confidence, reason), ``signals`` per module, ``trade`` (what the bot answered, None where
        nothing was to be done), ``market``.
        """
        self._learn()
        return {symbol: self._process(symbol, execute) for symbol in symbols}

    def aggregate_signals(self, signal_data: Mapping[str, Mapping[str, Any]], symbol: str) -> dict[str, Any]:
        """Combine {module: {signal, confidence, reason}}: signal, confidence, signal_count, score, weights, reason

        ``signal``: BUY, SELL, HOLD, or a direction in [-1, 1].  Raises: ValueError naming module and value for anything else.
        """
        opinions = tuple(_opinion(name, told) for name, told in signal_data.items())
        vote = self._vote(opinions)
        return {
            "symbol": symbol,
            "signal": vote.action.value,
            "confidence": vote.confidence,
            "signal_count": sum(one.has_opinion for one in opinions),
            "score": vote.score,
            "weights": dict(vote.weights),
            "reason": vote.reason,
        }

    @property
    def weights(self) -> dict[str, float]:
        """Weights as corrected by how signals turned out so far."""
        return dict(corrected_weights(self.base_weights, self._outcomes.values()).weights)

    # -- how they turned out -------------------------------------------------------------------------------------------------

    def update_signal_performance(self, position_id: str, outcome: str, pnl: float) -> None:
        """Tell how a position turned out; its modules' weights follow within bounds.  Telling it again replaces what was told.

        Positions that this object opened are learned from the ledger by themselves; a word about one wins over the ledger's.
        Raises: ValueError for a position it did not open, or an outcome that contradicts ``pnl``.
        """
        said = str(outcome).upper()
        if said not in (_WON, _LOST, "BREAKEVEN"):
            raise ValueError(f"outcome {outcome!r}: allowed is WIN, LOSS or BREAKEVEN")
        if not math.isfinite(pnl) or (said == _WON) != (pnl > 0) or (said == _LOST) != (pnl < 0):
            raise ValueError(f"outcome {said} does not go with a pnl of {pnl!r}")
        if position_id not in self._opinions:
            known = ", ".join(self._opinions) or "none"
            raise ValueError(f"position {position_id!r} was not opened on signals here; those that were: {known}")
        self._outcomes[position_id] = TradeOutcome(position_id, float(pnl), self._opinions[position_id])

    def get_signal_performance_report(self) -> dict[str, Any]:
        """``summary`` (best_performing_module, None while nobody was right; trades, pnl) and ``modules``: statistics and weight of each."""
        self._learn()
        learned = corrected_weights(self.base_weights, self._outcomes.values())
        modules = {
            name: {
                "trades": record.trades,
                "right": record.right,
                "hit_rate": 100.0 * record.hit_rate,
                "pnl": record.pnl,
                "base_weight": self.base_weights[name],
                "weight": learned.weights[name],
            }
            for name, record in learned.records.items()
        }
        tried = {name: row for name, row in modules.items() if row["right"]}
        best = max(tried, key=lambda name: (tried[name]["hit_rate"], tried[name]["pnl"], name), default=None)
        return {
            "summary": {
                "best_performing_module": best,
                "trades": len(self._outcomes),
                "pnl": math.fsum(one.pnl for one in self._outcomes.values()),
                "market": self.bot.market,
            },
            "modules": modules,
        }

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _process(self, symbol: str, execute: bool) -> dict[str, Any]:
        frame = self.bot.account.candles(symbol)
        opinions = tuple(self._ask(name, module, symbol, frame) for name, module in self._modules.items())
        vote = self._vote(opinions)
        trade = self._act(symbol, vote, opinions) if execute else None
        return {
            "decision": {"action": vote.action.value, "confidence": vote.confidence, "reason": vote.reason},
            "signals": {
                one.module: {"signal": _word(one), "confidence": one.confidence, "reason": one.reason}
                for one in opinions
            },
            "trade": trade,
            "market": self.bot.market,
        }

    def _act(self, symbol: str, vote: Combined, opinions: tuple[Opinion, ...]) -> dict[str, Any] | None:
        if vote.action is Action.SELL:
            return (
                self.bot.open_position(symbol, "SELL", reason=vote.reason)
                if symbol in self.bot.account.positions()
                else None
            )
        if vote.action is not Action.BUY:
            return None
        word = Spoken(
            Action.BUY, vote.confidence, vote.reason, tags=("ml_signal",), opinions=opinions, name="ml_integration"
        )
        answer = self.bot.act(symbol, word)
        if answer["success"]:
            self._opinions[answer["position"].position_id] = opinions
        return answer

    def _vote(self, opinions: tuple[Opinion, ...]) -> Combined:
        weights = self.weights
        fair = sum(weights.values()) / len(weights) if weights else 1.0
        heard = [one for one in opinions if one.has_opinion or not self._stands_alone_silent(one.module)]
        asked = {one.module: weights.get(one.module, fair) for one in heard}
        return combine(heard, asked, threshold=self._rules.confidence_threshold)

    def _stands_alone_silent(self, name: str) -> bool:
        """Whether a module speaks for a model or for news that nobody has brought: its weight is not missing from the vote."""
        module = self._modules.get(name)
        return isinstance(module, SignalModule) and not module.hears_candles_alone

    def _ask(self, name: str, module: Module, symbol: str, frame: pd.DataFrame) -> Opinion:
        try:
            if isinstance(module, SignalModule):
                return module.opine(window_of(frame, module.lookback), Outside(), self.bot.now())
            told = module(symbol, frame)
            if told is None:
                return Opinion(name, None, 0.0, "no opinion")
            return told if isinstance(told, Opinion) else _opinion(name, told)
        except Exception as failed:  # somebody else's code: its failure is its own silence, and is told
            return Opinion(name, None, 0.0, f"failed: {type(failed).__name__}: {failed}")

    def _learn(self) -> None:
        for trip in self.bot.account.closed_trips():
            if trip.position_id in self._opinions and trip.position_id not in self._outcomes:
                self._outcomes[trip.position_id] = TradeOutcome(
                    trip.position_id, float(trip.net), self._opinions[trip.position_id]
                )


def _named(manager: ModuleManager | None) -> dict[str, Module]:
    if manager is None:
        return dict(SIGNALS)
    told = manager.modules()
    found: dict[str, Module] = dict(told) if isinstance(told, Mapping) else {module.name: module for module in told}
    if not found:
        raise Misconfigured("module_manager.modules() names no module", key="module_manager")
    return found


def _rules(config: Mapping[str, Any]) -> Any:
    told = config.get("ml_integration", config)
    return load_paper_settings({"ml_integration": dict(told)}).ml_integration


def _opinion(name: str, told: Mapping[str, Any]) -> Opinion:
    signal, confidence = told.get("signal"), float(told.get("confidence", 0.0))
    reason = str(told.get("reason", ""))
    if signal is None:
        return Opinion(name, None, 0.0, reason or "no opinion")
    direction = _DIRECTIONS.get(str(signal).upper()) if isinstance(signal, str) else float(signal)
    if direction is None or not -1.0 <= direction <= 1.0:
        raise ValueError(f"{name}: signal {signal!r}: allowed is BUY, SELL, HOLD or a number from -1 to 1")
    if not 0.0 <= confidence <= 1.0:
        raise ValueError(f"{name}: confidence {confidence!r}: allowed is 0 to 1")
    return Opinion(name, direction, confidence, reason)


def _word(opinion: Opinion) -> str | None:
    if opinion.direction is None:
        return None
    return (
        Action.BUY.value if opinion.direction > 0 else Action.SELL.value if opinion.direction < 0 else Action.HOLD.value
    )
