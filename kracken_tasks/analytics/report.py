"""A tear sheet in Markdown: every figure of ``Metrics`` in one table, undefined ones with their reason.

In: metrics and a title.  Out: text, the same for the same figures.  Never: rounding that hides a sign, an empty cell.
"""

from __future__ import annotations

from collections.abc import Sequence

from kracken_tasks.analytics.metrics import Metrics

__all__ = ["compare_sheet", "tear_sheet"]

# (label, field, unit): the order in which a trader reads.
_ROWS: tuple[tuple[str, str, str], ...] = (
    ("Days", "days", "count"),
    ("Starting equity", "starting_equity", "money"),
    ("Ending equity", "ending_equity", "money"),
    ("Deposits less withdrawals", "net_flows", "money"),
    ("Total return", "total_return", "percent"),
    ("CAGR", "cagr", "percent"),
    ("Sharpe", "sharpe", "ratio"),
    ("Sortino", "sortino", "ratio"),
    ("Max drawdown", "max_drawdown", "percent"),
    ("Days in the deepest drawdown", "drawdown_days", "count"),
    ("Longest drawdown, days", "longest_drawdown_days", "count"),
    ("Calmar", "calmar", "ratio"),
    ("Closed trades", "trades", "count"),
    ("Wins", "wins", "count"),
    ("Losses", "losses", "count"),
    ("Break-even", "breakevens", "count"),
    ("Net profit of closed trades", "net_profit", "money"),
    ("Win rate", "win_rate", "percent"),
    ("Profit factor", "profit_factor", "ratio"),
    ("Expectancy per trade", "expectancy", "money"),
    ("Payoff", "payoff", "ratio"),
    ("SQN", "sqn", "ratio"),
    ("Average win", "average_win", "money"),
    ("Average loss", "average_loss", "money"),
    ("Largest win", "largest_win", "money"),
    ("Largest loss", "largest_loss", "money"),
    ("Longest losing run", "longest_losing_run", "count"),
    ("Exposure", "exposure", "percent"),
)


def tear_sheet(metrics: Metrics, *, title: str, currency: str = "") -> str:
    """One performance table with the conventions under it.

    Units: money in ``currency``; percent are percent, ratios plain numbers.
    """
    lines = [f"# {title}", ""]
    if metrics.unreliable:
        lines += ["**Unreliable**: fewer than 30 closed trades or 90 days.", ""]
    lines += ["| figure | value |", "|---|---:|"]
    lines += [f"| {label} | {_cell(metrics, name, unit, currency)} |" for label, name, unit in _ROWS]
    return "\n".join([*lines, "", _conventions(metrics), ""])


def compare_sheet(columns: Sequence[tuple[str, Metrics]], *, title: str, currency: str = "") -> str:
    """Several results side by side, one column each, in the order given."""
    lines = [f"# {title}", "", "| figure | " + " | ".join(name for name, _ in columns) + " |"]
    lines.append("|---|" + "---:|" * len(columns))
    for label, name, unit in _ROWS:
        cells = " | ".join(_cell(metrics, name, unit, currency) for _, metrics in columns)
        lines.append(f"| {label} | {cells} |")
    return "\n".join([*lines, ""])


def _cell(metrics: Metrics, name: str, unit: str, currency: str) -> str:
    value = getattr(metrics, name)
    if value is None:
        return f"undefined ({metrics.reasons.get(name, 'not measured')})"
    if unit == "count":
        return f"{value:d}"
    if unit == "percent":
        return f"{_positive_zero(value * 100, 2):,.2f} %"
    if unit == "money":
        return f"{_positive_zero(value, 2):,.2f} {currency}".rstrip()
    return f"{_positive_zero(value, 3):.3f}"


def _positive_zero(value: float, places: int) -> float:
    return 0.0 if round(value, places) == 0 else value


def _conventions(metrics: Metrics) -> str:
    return (
        f"Daily returns at 00:00 {metrics.zone}, {metrics.periods_per_year} periods a year, ddof {metrics.ddof}, "
        f"risk-free {metrics.risk_free_daily:g} a day; trades net of all fees."
    )
