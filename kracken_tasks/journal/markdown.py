"""The journal told to a reader: one Markdown page for a period, usually a day.

In: a journal as built.  Out: text, the same for the same journal.  Never: an empty section without saying so, HTML, a link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["render_journal_markdown"]

Rows = Sequence[Mapping[str, Any]]


def render_journal_markdown(journal: Mapping[str, Any], *, title: str = "Journal", newest: int = 50) -> str:
    """Equity, exits, entries, open positions, what guards stopped.  ``newest``: how many rows of each table are shown."""
    head, summary = journal["metadata"], journal["performance_summary"]
    opened = [event for event in journal["trade_history"] if event["action"] == "OPEN"]
    lines = [
        f"# {title}",
        "",
        f"{head['mode']} · {head['exchange']} · {head['account']} · {head['period_start']} to {head['period_end']}",
        "",
        *_equity(summary, head["base_currency"]),
        *_section("Exits", _EXITS, journal["round_trips"], newest, "No position was closed."),
        *_section("Entries", _ENTRIES, opened, newest, "No position was opened."),
        *_section("Open positions", _OPEN, journal["open_positions"], newest, "Nothing is held."),
        *_agents(journal.get("agents", [])),
        *_section(
            f"Stopped by a guard since {head['decisions_from']}", _BLOCKED, journal["blocked_decisions"], newest,
            "No decision was stopped.",
        ),
    ]  # fmt: skip
    return "\n".join(lines).rstrip("\n") + "\n"


# Column title -> key of the row.
_EXITS = {
    "Closed": "closed_at", "Symbol": "symbol", "Amount": "amount", "Entry": "entry_price", "Exit": "exit_price", "Net": "net",
    "Strategy": "strategy", "Reason": "exit_reason", "Position": "trade_id",
}  # fmt: skip
_ENTRIES = {
    "Opened": "timestamp", "Symbol": "symbol", "Amount": "quantity", "Price": "entry_price", "Stop": "stop_loss",
    "Target": "take_profit", "Confidence": "signal_confidence", "Strategy": "strategy", "Position": "position_id",
}  # fmt: skip
_OPEN = {
    "Opened": "opened_at", "Symbol": "symbol", "Bought": "bought", "Sold": "sold", "Entry": "entry_price", "Stop": "stop_loss",
    "Target": "take_profit", "Position": "position_id",
}  # fmt: skip
_BLOCKED = {"Symbol": "symbol", "Guard": "guard", "Times": "count", "Last": "last_at", "Reason": "reason"}

_EQUITY_ROWS: tuple[tuple[str, str, str], ...] = (
    ("Starting equity", "starting_equity", "money"),
    ("Net profit of closed trades", "net_profit", "money"),
    ("Unrealised change", "unrealised_change", "money"),
    ("Deposits", "deposits", "money"),
    ("Withdrawals", "withdrawals", "money"),
    ("Income", "income_worth", "money"),
    ("Unexplained", "unexplained", "money"),
    ("Ending equity", "ending_equity", "money"),
    ("Total return", "total_return_pct", "percent"),
    ("Max drawdown", "max_drawdown", "percent"),
    ("Closed trades", "total_trades", "count"),
    ("Win rate", "win_rate", "percent"),
    ("Profit factor", "profit_factor", "ratio"),
    ("Sharpe ratio", "sharpe_ratio", "ratio"),
)


_AGENTS = {"Agent": "agent", "Closed": "closed", "Held": "held"}


def _agents(agents: Rows) -> list[str]:
    """Each agent's part; nothing for an account that one agent has to itself."""
    if not agents:
        return []
    rows = [
        {
            "agent": one["agent"],
            "closed": ", ".join(f"{item['symbol']} {item['net']} ({item['sales']})" for item in one["closed"]),
            "held": ", ".join(f"{item['amount']} {item['symbol']}" for item in one["held"]),
        }
        for one in agents
    ]
    return _section("Agents", _AGENTS, rows, len(rows), "")


def _equity(summary: Mapping[str, Any], currency: str) -> list[str]:
    rows = [
        {"figure": label, "value": _figure(summary, key, unit, currency)}
        for label, key, unit in _EQUITY_ROWS
        if key not in ("income_worth", "unexplained") or summary[key] != "0"
    ]
    fees = ", ".join(f"{amount} {name}" for name, amount in summary["fees"].items()) or "none"
    note = ["", "Too few trades or days to judge by."] if summary["unreliable"] else []
    return [
        *_section("Equity", {"Figure": "figure", "Value": "value"}, rows, len(rows), ""),
        f"Fees: {fees}.",
        *note,
        "",
    ]


def _figure(summary: Mapping[str, Any], key: str, unit: str, currency: str) -> str:
    value = summary[key]
    if value is None:
        return f"undefined: {summary['reasons'].get(key, 'not known')}"
    match unit:
        case "money":
            return f"{value} {currency}"
        case "percent":
            return f"{value:.2f} %"
        case "ratio":
            return f"{value:.3f}"
        case _:
            return str(value)


def _section(title: str, columns: Mapping[str, str], rows: Rows, newest: int, nothing: str) -> list[str]:
    lines = [f"## {title}", ""]
    if not rows:
        return [*lines, nothing, ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row[key]) for key in columns.values()) + " |" for row in rows[-newest:]]
    if len(rows) > newest:
        lines += ["", f"The newest {newest} of {len(rows)}."]
    return [*lines, ""]


def _cell(value: object) -> str:
    text = "–" if value in (None, "") else str(value)
    return text.replace("|", "\\|").replace("\r", " ").replace("\n", " ")
