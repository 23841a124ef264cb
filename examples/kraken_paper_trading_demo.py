"""The paper bot, told as it goes: positions by hand, positions by signals, and what the limits do.  No server, no internet.

    python examples/kraken_paper_trading_demo.py --demo basic|ml|risk|all --duration MINUTES --seed NUMBER

``--duration`` are minutes of market time; the same seed gives the same lines.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kracken_tasks.paper import KrakenPaperLiveBot, MLTradingIntegration, create_kraken_paper_bot

console = Console(highlight=False, soft_wrap=True)


async def basic(minutes: float, seed: int) -> None:
    """Open, look, close, export."""
    async with create_kraken_paper_bot(seed=seed) as bot:
        console.print(
            f"An account of {bot.account.settings.initial_capital:f} USD on the {bot.market} market, {', '.join(bot.symbols)}."
        )
        opened = bot.open_position(
            symbol="BTC/USD", side="BUY", signal_confidence=0.75, volatility=0.04, stop_loss_pct=0.03, take_profit_pct=0.06,
            tags=["demo", "by_hand"],
        )  # fmt: skip
        position = opened["position"]
        console.print(
            f"Bought {position.quantity:.8f} BTC at {position.entry_price:,.1f}; "
            f"its stop rests at {position.stop_loss:,.1f}, its target is {position.take_profit:,.1f}."
        )
        console.print("Why so much, cut by cut:")
        console.print(cuts(opened["cuts"]))
        refused = bot.open_position("BTC/USD", "BUY")
        console.print(f"A second one is refused: {refused['error']}.")
        await bot.run_live_trading(minutes)
        closed = bot.close_position(position.position_id, reason="end of the demo")
        console.print(told_end(bot, minutes, closed))
        show(bot)
        console.print(f"The journal: {bot.export_trade_journal(Path('exports'))}")


async def ml(minutes: float, seed: int) -> None:
    """Signals decide; how they turned out moves their weights."""
    config = {"ml_integration": {"confidence_threshold": 0.15, "cooldown_minutes": 0}, "trading": {"timeframe": "5m"}}
    async with create_kraken_paper_bot(config_dict=config, seed=seed) as bot:
        integration = MLTradingIntegration(bot)
        await bot.run_live_trading(minutes, signals=integration)
        out = await integration.process_trading_signals(list(bot.symbols), execute=False)
        for symbol, told in out.items():
            votes = ", ".join(f"{name} {vote['signal'] or '-'}" for name, vote in told["signals"].items())
            console.print(f"{symbol}: {told['decision']['action']} {told['decision']['confidence']:.2f} ({votes})")
        for event in bot.journal:
            one = event["position"]
            console.print(f"{event['timestamp']} {event['action']:5} {one.symbol:8} {one.exit_reason}")
        report = integration.get_signal_performance_report()
        console.print(f"Best module so far: {report['summary']['best_performing_module']}")
        for name, row in report["modules"].items():
            console.print(
                f"  {name:16} {row['trades']:3d} trades, weight {row['base_weight']:.2f} -> {row['weight']:.3f}"
            )
        show(bot)


async def risk(minutes: float, seed: int) -> None:
    """What the limits do."""
    async with create_kraken_paper_bot(seed=seed) as bot:
        for confidence, volatility, likeness in (
            (0.9, 0.03, 1.0),
            (0.65, 0.03, 1.0),
            (0.9, 0.08, 1.0),
            (0.9, 0.03, 0.5),
        ):
            size = bot.calculate_position_size("ETH/USD", confidence, volatility, correlation_adj=likeness)
            console.print(
                f"confidence {confidence:.2f}, volatility {100 * volatility:.0f} %, correlation factor {likeness:.1f}: "
                f"{size['notional']:8.2f} USD"
            )
        for answer in (
            bot.open_position("ETH/USD", "BUY", signal_confidence=0.3),
            bot.open_position("ETH/USD", "SELL"),
            bot.open_position("DOGE/USD", "BUY"),
        ):
            console.print(f"Refused: {answer['error']}.")
        bot.open_position("ETH/USD", "BUY", stop_loss_pct=0.01)
        bot.open_position("ADA/USD", "BUY", stop_loss_pct=0.01)
        await bot.run_live_trading(minutes)
        for row in bot.check_risk_limits()["limits"]:
            console.print(f"{row['limit']}: {row['value']:.4f} of {row['most']:g}")
        told = bot.emergency_close_all_positions(by="the demo")
        console.print(
            f"Emergency: closed {', '.join(told['closed']) or 'nothing, all was closed'}; {bot.check_risk_limits()['reason']}."
        )
        console.print(f"Refused: {bot.open_position('ETH/USD', 'BUY')['error']}.")
        console.print(f"Resumed by a named person: {bot.resume('Ada Lovelace')['state']}.")
        show(bot)


def cuts(rows: list[dict[str, Any]]) -> Table:
    table = Table("cut", "before", "after", "why")
    for row in rows:
        table.add_row(row["rule"], f"{row['before']:.2f}", f"{row['after']:.2f}", row["reason"])
    return table


def told_end(bot: KrakenPaperLiveBot, minutes: float, closed: dict[str, Any]) -> str:
    if closed["success"]:
        return f"{minutes:g} minutes later it is sold at {closed['position'].exit_price:,.1f}: {closed['pnl']:+.2f} USD after fees."
    ended = bot.journal[-1]["position"]
    return f"Within {minutes:g} minutes it was closed ({ended.exit_reason}): {ended.pnl:+.2f} USD after fees."


def show(bot: KrakenPaperLiveBot) -> None:
    told = bot.get_performance_dashboard()
    account, performance = told["account"], told["performance"]
    console.print(
        f"Worth {account['portfolio_value']:,.2f} USD ({account['total_return_pct']:+.3f} %), {account['open_positions']} open; "
        f"{performance['total_trades']} trades, {performance['win_rate']:.0f} % won, max drawdown {100 * performance['max_drawdown']:.3f} %"
    )


DEMOS = {"basic": basic, "ml": ml, "risk": risk}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--demo", choices=(*DEMOS, "all"), default="all")
    parser.add_argument("--duration", type=float, default=60.0, metavar="MINUTES", help="of market time (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the market (default: 0)")
    wanted = parser.parse_args()
    if wanted.duration <= 0:
        parser.error(f"--duration {wanted.duration:g}: allowed is above 0")
    for name, demo in DEMOS.items():
        if wanted.demo in (name, "all"):
            console.rule(f"{name}: {(demo.__doc__ or '').rstrip('.')}")
            asyncio.run(demo(wanted.duration, wanted.seed))


if __name__ == "__main__":
    main()
