"""``kracken agents``: who shares the account, what each holds, and how each has done.

In: settings, the ledger, the venue's quotes.  Out: a table.  Never: an order.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated

import typer
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, say
from kracken_tasks.domain.money import plain
from kracken_tasks.errors import RetryLater
from kracken_tasks.settings import Settings, load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    app.command("agents")(agents)


def agents(as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a program")] = False) -> None:
    """Every agent's share of the capital, the coins it holds and its own results, exact to the last digit.

    Results of closed parts are after fees; what is held is valued at the bid, or without a quote at its cost.
    """
    from kracken_tasks.strategies.shares import AgentBook, books_of

    settings = load_settings()
    books = books_of(wiring.ledger(settings), heir=settings.agents[0].name)
    prices = _bids(settings, sorted({symbol for book in books.values() for symbol in book.coins}))
    shares = {agent.name: agent for agent in settings.agents}
    rows: list[dict[str, str]] = []
    holds: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys([*shares, *books]):
        book, agent = books.get(name, AgentBook(name)), shares.get(name)
        closed = sum((result for _, _, result in book.results), Decimal(0))
        holds[name] = {symbol: plain(amount.normalize()) for symbol, amount in sorted(book.coins.items()) if amount}
        rows.append(
            {
                "agent": name,
                "strategy": "" if agent is None else agent.strategy,
                "share": "" if agent is None else f"{agent.share:g}",
                "closed": plain(closed.normalize()),
                "sales": f"{len(book.results)}",
                "result": f"{book.worth(prices, settings.tax.base_currency):.2f}",
            }
        )
    if as_json:
        typer.echo(json.dumps([{**row, "holds": holds[row["agent"]]} for row in rows], indent=2))
        return
    table = Table("agent", "strategy", "share", "holds", "sales", "closed result", "with what is held")
    for row in rows:
        held = ", ".join(f"{amount} {symbol}" for symbol, amount in holds[row["agent"]].items())
        table.add_row(row["agent"], row["strategy"], row["share"], held, row["sales"], row["closed"], row["result"])
    console.print(table)
    rest = 1.0 - sum(agent.share for agent in settings.agents)
    if rest > 1e-9:
        say(f"{100 * rest:g} % of the capital is nobody's share and is not traded")


def _bids(settings: Settings, symbols: list[str]) -> dict[str, float]:
    """Bids of what is held; none where the venue does not answer."""
    if not symbols:
        return {}
    try:
        quotes = wiring.broker(settings).quotes(symbols)
    except RetryLater:
        say("the venue does not answer: what is held is shown at its cost", style="yellow")
        return {}
    return {symbol: quote.bid for symbol, quote in quotes.items() if quote.usable}
