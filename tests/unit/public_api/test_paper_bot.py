"""The paper bot's promises, one by one, as they were announced."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.errors import Misconfigured
from kracken_tasks.execution.kill_switch import KillSwitch
from kracken_tasks.paper import KrakenPaperLiveBot, MLTradingIntegration, create_kraken_paper_bot


@pytest.fixture
def bot() -> Iterator[KrakenPaperLiveBot]:
    made = create_kraken_paper_bot()
    yield made
    asyncio.run(made.close())


def opened(bot: KrakenPaperLiveBot, symbol: str = "BTC/USD") -> Any:
    return bot.open_position(
        symbol=symbol, side="BUY", signal_confidence=0.75, volatility=0.04, stop_loss_pct=0.03, take_profit_pct=0.06,
        tags=["ml_signal", "momentum"],
    )  # fmt: skip


def test_open_position_answers_with_the_position_and_what_protects_it(bot: KrakenPaperLiveBot) -> None:
    answer = opened(bot)
    assert answer["success"] is True
    assert answer["market"] == "sandbox"
    position = answer["position"]
    assert (position.symbol, position.side, position.tags) == ("BTC/USD", "BUY", ("ml_signal", "momentum"))
    assert position.quantity > 0
    assert position.stop_loss == pytest.approx(0.97 * position.entry_price, rel=2e-3)
    assert position.take_profit == pytest.approx(1.06 * position.entry_price, rel=2e-3)
    resting = bot.account.tools.broker.open_orders()
    assert [float(order.amount) for order in resting] == [position.quantity]


def test_open_position_needs_only_symbol_and_side(bot: KrakenPaperLiveBot) -> None:
    assert bot.open_position("ETH/USD", "BUY")["success"]


def test_a_refused_trade_is_a_reason_and_not_an_exception(bot: KrakenPaperLiveBot) -> None:
    refused = {
        "symbol": bot.open_position("FOO/USD", "BUY"),
        "side": bot.open_position("BTC/USD", "HOLD"),
        "signal_confidence": bot.open_position("BTC/USD", "BUY", signal_confidence=1.5),
        "stop_loss_pct": bot.open_position("BTC/USD", "BUY", stop_loss_pct=0.9),
        "confidence": bot.open_position("BTC/USD", "BUY", signal_confidence=0.2),
        "no open position": bot.close_position("pos_20200101_001"),
        "allowed is 0 to 1": bot.calculate_position_size("BTC/USD", 0.7, 0.04, correlation_adj=2.0),
    }
    for word, answer in refused.items():
        assert answer["success"] is False
        assert word in answer["error"]
    assert bot.account.closed_trips() == ()
    assert bot.positions == {}


def test_the_kill_switch_stops_a_paper_bot_s_entries_by_its_setting_and_by_a_file_in_its_home(tmp_path: Path) -> None:
    stopped = create_kraken_paper_bot(config_dict={"trading": {"kill_switch": True}})
    assert "held by the setting trading.kill_switch" in stopped.open_position("BTC/USD", "BUY")["error"]
    homely = create_kraken_paper_bot(home=tmp_path)
    assert homely.open_position("BTC/USD", "BUY")["success"]
    KillSwitch(tmp_path / "emergency" / "KILL").hold("ada", "odd prices", homely.now())
    assert "held by ada" in homely.open_position("ETH/USD", "BUY")["error"]
    assert homely.open_position("BTC/USD", "SELL")["success"]
    for made in (stopped, homely):
        asyncio.run(made.close())


def test_sell_closes_a_long_and_is_refused_with_a_reason_without_one(bot: KrakenPaperLiveBot) -> None:
    refused = bot.open_position("BTC/USD", "SELL")
    assert refused["success"] is False
    assert "there is none" in refused["error"]
    position = opened(bot)["position"]
    closed = bot.open_position("BTC/USD", "SELL", reason="enough")
    assert closed["success"]
    assert closed["position"].position_id == position.position_id
    assert closed["position"].exit_reason == "enough"
    assert bot.positions == {}


def test_close_position_sells_it_whole_and_once(bot: KrakenPaperLiveBot) -> None:
    position = opened(bot)["position"]
    closed = bot.close_position(position.position_id, reason="manual")
    assert closed["success"]
    assert closed["position"].exit_reason == "manual"
    assert closed["pnl"] == closed["position"].pnl < 0  # the spread and two fees within no time
    again = bot.close_position(position.position_id)
    assert again["success"] is False
    assert len(bot.account.closed_trips()) == 1
    assert bot.account.tools.broker.open_orders() == []


def test_the_dashboard_has_the_promised_keys_in_the_promised_units(bot: KrakenPaperLiveBot) -> None:
    bot.close_position(opened(bot)["position"].position_id)
    bot.advance(minutes=60)
    opened(bot, "ETH/USD")
    told = bot.get_performance_dashboard()
    account, performance, risk = told["account"], told["performance"], told["risk_metrics"]
    assert told["market"] == "sandbox"
    assert account["open_positions"] == 1
    assert account["total_return_pct"] == pytest.approx(100 * (account["portfolio_value"] / 10_000 - 1))
    assert 0 < account["cash"] < account["portfolio_value"] < 10_000
    assert performance["total_trades"] == 1
    assert performance["win_rate"] == 0.0  # percent
    assert performance["max_drawdown"] < 0
    assert performance["average_loss"] < 0
    assert math.isnan(performance["average_win"])
    assert "average_win" in told["reasons"]
    assert f"{performance['sharpe_ratio']:.2f}" == "nan"  # formatting never fails
    assert risk["current_drawdown"] <= 0 <= risk["daily_loss"]
    assert risk["consecutive_losses"] == 1
    assert 0 < risk["exposure"] < 0.11


def test_performance_is_the_same_as_an_object_with_win_rate_as_a_fraction(bot: KrakenPaperLiveBot) -> None:
    bot.close_position(opened(bot)["position"].position_id)
    assert bot.performance.total_trades == 1
    assert bot.performance.win_rate == 0.0
    assert math.isnan(bot.performance.average_win)
    assert bot.performance.reasons["average_win"] == "no winning trade"


def test_calculate_position_size_names_each_cut_and_its_reason(bot: KrakenPaperLiveBot) -> None:
    size = bot.calculate_position_size("BTC/USD", 0.75, 0.04, correlation_adj=0.8)
    cuts = {cut["rule"]: cut for cut in size["cuts"]}
    assert cuts["max_position_size"]["after"] == pytest.approx(1_000, rel=1e-3)
    assert cuts["correlation"]["after"] == pytest.approx(0.8 * cuts["correlation"]["before"])
    assert all(cut["reason"] and cut["after"] <= cut["before"] * (1 + 1e-8) for cut in size["cuts"])
    assert size["notional"] == pytest.approx(size["quantity"] * size["price"], rel=1e-4)
    assert bot.positions == {}


def test_less_confidence_more_volatility_and_more_likeness_make_a_position_smaller(bot: KrakenPaperLiveBot) -> None:
    plain = bot.calculate_position_size("BTC/USD", 0.9, 0.03)["notional"]
    assert bot.calculate_position_size("BTC/USD", 0.7, 0.03)["notional"] < plain
    assert bot.calculate_position_size("BTC/USD", 0.9, 0.06)["notional"] < plain
    assert bot.calculate_position_size("BTC/USD", 0.9, 0.03, correlation_adj=0.5)["notional"] < plain


@pytest.mark.parametrize("held", [(), ("BTC/USD",), ("BTC/USD", "ADA/USD")])
@pytest.mark.parametrize("stop_kind", ["fixed", "volatility"])
def test_the_size_that_is_told_is_the_size_that_is_ordered(held: tuple[str, ...], stop_kind: str) -> None:
    bot = create_kraken_paper_bot(
        config_dict={"risk_management": {"correlation_threshold": 0.3, "stop_kind": stop_kind}}
    )
    for symbol in held:
        assert opened(bot, symbol)["success"]
        bot.advance(minutes=1)
    told = bot.calculate_position_size("ETH/USD", 0.75, 0.04)
    ordered = bot.open_position("ETH/USD", "BUY", signal_confidence=0.75, volatility=0.04)
    assert ordered["success"], ordered
    assert told["cuts"] == ordered["cuts"]
    receipt = bot.account.ledger.decisions()[-1].decision.receipt
    assert receipt is not None
    assert (told["quantity"], told["notional"]) == (float(receipt.amount), float(receipt.notional))
    asyncio.run(bot.close())


def test_ether_beside_bitcoin_is_bought_smaller_than_alone() -> None:
    config = {"risk_management": {"correlation_threshold": 0.3}}
    alone = create_kraken_paper_bot(config_dict=config).open_position("ETH/USD", "BUY")
    both = create_kraken_paper_bot(config_dict=config)
    opened(both)
    beside = both.open_position("ETH/USD", "BUY")
    cuts = {cut["rule"]: cut for cut in beside["cuts"]}
    assert "BTC/USD" in cuts["correlation"]["reason"]
    assert "assumed" not in cuts["correlation"]["reason"]
    assert beside["position"].quantity < alone["position"].quantity


def test_check_risk_limits_says_whether_it_can_trade_and_why(bot: KrakenPaperLiveBot) -> None:
    told = bot.check_risk_limits()
    assert told["can_trade"] is True
    assert {row["limit"] for row in told["limits"]} == {
        "max_drawdown_limit",
        "daily_loss_limit",
        "max_consecutive_losses",
    }
    assert not any(row["reached"] for row in told["limits"])


def test_emergency_close_sells_everything_and_nothing_is_opened_until_somebody_resumes(bot: KrakenPaperLiveBot) -> None:
    held = {opened(bot)["position"].position_id, opened(bot, "ADA/USD")["position"].position_id}
    told = bot.emergency_close_all_positions()
    assert told["success"]
    assert set(told["closed"]) == held
    assert bot.positions == {}
    assert bot.check_risk_limits()["can_trade"] is False
    assert opened(bot, "ETH/USD")["success"] is False
    assert bot.resume("Ada Lovelace")["state"] == "normal"
    assert bot.check_risk_limits()["can_trade"] is True


def test_the_journal_has_open_and_close_with_tags_and_is_the_same_bytes_twice(
    bot: KrakenPaperLiveBot, tmp_path: Path
) -> None:
    bot.close_position(opened(bot)["position"].position_id)
    path = bot.export_trade_journal(tmp_path)
    told = json.loads(path.read_text())
    assert [event["action"] for event in told["trade_history"]] == ["OPEN", "CLOSE"]
    assert told["trade_history"][0]["tags"] == ["ml_signal", "momentum"]
    assert told["trade_history"][0]["signal_confidence"] == 0.75
    assert told["metadata"]["mode"] == "sandbox"
    before = path.read_bytes()
    assert bot.export_trade_journal(tmp_path).read_bytes() == before
    assert [event["action"] for event in bot.journal] == ["OPEN", "CLOSE"]


def test_the_same_calls_work_inside_a_running_event_loop() -> None:
    async def notebook() -> Any:
        async with create_kraken_paper_bot() as inside:
            answer = opened(inside)
            inside.advance(minutes=1)
            return answer, inside.close_position(answer["position"].position_id)

    assert all(answer["success"] for answer in asyncio.run(notebook()))


def test_the_same_seed_and_calls_give_the_same_results() -> None:
    def played(seed: int) -> Any:
        made = create_kraken_paper_bot(seed=seed)
        answer = opened(made)
        made.advance(minutes=5)
        return answer["position"], made.close_position(answer["position"].position_id)["pnl"]

    assert played(3) == played(3)
    assert played(3) != played(4)


def test_the_class_itself_takes_a_config_dict() -> None:
    made = KrakenPaperLiveBot({"initial_capital": 500.0, "symbols": ["ETH/USD"]})
    assert made.symbols == ("ETH/USD",)
    assert made.get_performance_dashboard()["account"]["portfolio_value"] == 500.0


def test_a_config_file_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("initial_capital: 2500.0\nsymbols: [ADA/USD]\nrisk_management: {max_position_size: 0.05}\n")
    made = create_kraken_paper_bot(config_path=str(file))
    assert made.account.settings.risk_management.max_position_size == 0.05
    assert made.symbols == ("ADA/USD",)
    file.write_text("initial_capitol: 1\n")
    with pytest.raises(Misconfigured, match=r"mine\.yaml.*initial_capitol"):
        create_kraken_paper_bot(config_path=file)
    file.write_text("risk_management: {max_position_size: 7}\n")
    with pytest.raises(Misconfigured, match=r"max_position_size.*allowed"):
        create_kraken_paper_bot(config_path=file)
    with pytest.raises(Misconfigured, match="no config file"):
        create_kraken_paper_bot(config_path=tmp_path / "absent.yaml")


def test_the_projects_own_config_file_makes_a_bot() -> None:
    made = create_kraken_paper_bot(config_path=Path(__file__).parents[3] / "config" / "kraken_paper_trading.yaml")
    assert made.symbols == ("BTC/USD", "ETH/USD", "ADA/USD")


def test_run_live_trading_goes_through_time_and_a_stop_is_met_on_the_way() -> None:
    async def live() -> Any:
        async with create_kraken_paper_bot(seed=1) as bot:
            position = bot.open_position("BTC/USD", "BUY", stop_loss_pct=0.002, take_profit_pct=5.0)["position"]
            await bot.initialize_exchange()
            return position, await bot.run_live_trading(duration_minutes=60), bot.journal[-1]

    position, ran, closing = asyncio.run(live())
    assert ran["account"]["open_positions"] == 0
    assert ran["looks"] == 60
    assert closing["action"] == "CLOSE"
    assert closing["position"].position_id == position.position_id
    assert closing["position"].exit_price <= position.stop_loss
    assert "stop" in closing["position"].exit_reason


def test_calculate_sharpe_ratio_is_annualised_over_365_days() -> None:
    returns = [0.01, -0.005, 0.02, 0.0]
    mean = sum(returns) / 4
    spread = math.sqrt(sum((one - mean) ** 2 for one in returns) / 3)
    assert KrakenPaperLiveBot.calculate_sharpe_ratio(returns) == pytest.approx(mean / spread * math.sqrt(365))
    assert math.isnan(KrakenPaperLiveBot.calculate_sharpe_ratio([0.01]))


class TwoModules:
    """A manager of the caller's own."""

    def __init__(self, signal: str | None, confidence: float = 0.9) -> None:
        self.said = {"signal": signal, "confidence": confidence, "reason": "as told"}

    def modules(self) -> Any:
        def broken(symbol: str, frame: Any) -> Any:
            raise RuntimeError("no data")

        return {"first": lambda symbol, frame: self.said, "second": lambda symbol, frame: self.said, "broken": broken}


def test_signals_become_decisions_and_trades(bot: KrakenPaperLiveBot) -> None:
    ml = MLTradingIntegration(bot, TwoModules("BUY"), {"confidence_threshold": 0.6})
    out = asyncio.run(ml.process_trading_signals(["BTC/USD", "ETH/USD"]))
    assert set(out) == {"BTC/USD", "ETH/USD"}
    decision = out["BTC/USD"]["decision"]
    assert decision["action"] == "BUY"
    assert decision["confidence"] == pytest.approx(0.9)
    assert out["BTC/USD"]["trade"]["success"]
    assert out["BTC/USD"]["signals"]["broken"]["reason"] == "failed: RuntimeError: no data"
    assert len(bot.positions) == 2
    sold = asyncio.run(MLTradingIntegration(bot, TwoModules("SELL")).process_trading_signals(["BTC/USD"]))
    assert sold["BTC/USD"]["trade"]["success"]
    assert [one.symbol for one in bot.positions.values()] == ["ETH/USD"]


def test_the_built_in_modules_give_a_decision_for_every_symbol(bot: KrakenPaperLiveBot) -> None:
    ml = MLTradingIntegration(bot, None, None)
    out = asyncio.run(ml.process_trading_signals(["BTC/USD"], execute=False))
    told = out["BTC/USD"]
    assert told["decision"]["action"] in ("BUY", "SELL", "HOLD")
    assert 0 <= told["decision"]["confidence"] <= 1
    assert {"rsi", "macd", "bollinger_bands", "lstm"} <= set(told["signals"])
    assert told["trade"] is None


def test_aggregate_signals_weighs_the_votes(bot: KrakenPaperLiveBot) -> None:
    ml = MLTradingIntegration(bot)
    agreed = ml.aggregate_signals(
        {name: {"signal": "BUY", "confidence": 0.8, "reason": "up"} for name in ("rsi", "macd", "bollinger_bands")},
        "BTC/USD",
    )
    assert (agreed["signal"], agreed["signal_count"]) == ("BUY", 3)
    assert agreed["confidence"] == pytest.approx(0.8)
    split = ml.aggregate_signals(
        {"rsi": {"signal": "BUY", "confidence": 0.8}, "macd": {"signal": "SELL", "confidence": 0.8}}, "BTC/USD"
    )
    assert split["signal"] == "HOLD"
    with pytest.raises(ValueError, match="rsi: signal 'UP': allowed"):
        ml.aggregate_signals({"rsi": {"signal": "UP", "confidence": 0.8}}, "BTC/USD")


def test_how_signals_turned_out_moves_weights_within_bounds_and_is_reported(bot: KrakenPaperLiveBot) -> None:
    ml = MLTradingIntegration(bot, TwoModules("BUY"))
    asyncio.run(ml.process_trading_signals(["BTC/USD"]))
    (position_id,) = bot.positions
    before = ml.weights
    ml.update_signal_performance(position_id, "WIN", pnl=150.0)
    ml.update_signal_performance(position_id, "WIN", pnl=150.0)
    assert before["first"] < ml.weights["first"] <= 1.5 * ml.base_weights["first"]
    assert ml.weights["broken"] == before["broken"]  # it said nothing
    report = ml.get_signal_performance_report()
    assert report["summary"]["best_performing_module"] in ("first", "second")
    assert report["summary"]["trades"] == 1
    assert report["modules"]["first"]["hit_rate"] == 100.0
    with pytest.raises(ValueError, match="does not go with"):
        ml.update_signal_performance(position_id, "WIN", pnl=-1.0)
    with pytest.raises(ValueError, match="not opened on signals"):
        ml.update_signal_performance("pos_x", "WIN", pnl=1.0)


def test_closed_positions_are_learned_from_by_themselves(bot: KrakenPaperLiveBot) -> None:
    ml = MLTradingIntegration(bot, TwoModules("BUY"))
    asyncio.run(ml.process_trading_signals(["BTC/USD"]))
    (position_id,) = bot.positions
    bot.close_position(position_id)  # at once, so at a loss
    report = ml.get_signal_performance_report()
    assert report["modules"]["first"]["hit_rate"] == 0.0
    assert report["summary"]["best_performing_module"] is None
    assert ml.weights["first"] < ml.base_weights["first"]
