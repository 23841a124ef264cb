"""The toolkit's paper account for notebooks and scripts: a face on execution, risk, signals, ledger and journal.

In: a config file or mapping with the keys of ``kraken_paper_trading.yaml``.  Out: ``KrakenPaperLiveBot``, ``MLTradingIntegration``.
Never: a decision, size, guard, fill or journal of its own; every call goes through the rooms that the scheduled ticks use.

- ``bot``          the promised class: open, close, look, size, export · ``integration``  signals to decisions to trades
- ``account``      what is behind it: one tick, one word at a time · ``live`` looking after it while time passes
- ``markets``      what the account stands on: the embedded seeded market, or a venue's streams and questions
- ``sizes``        what an entry would be worth · ``journal`` its journal file
- ``figures``      performance and dashboard, in the units the toolkit promises
- ``spoken``       a person's word as a strategy, so that it meets the same sizing and guards
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.paper.bot import KrakenPaperLiveBot, create_kraken_paper_bot
    from kracken_tasks.paper.integration import MLTradingIntegration

__all__ = ["KrakenPaperLiveBot", "MLTradingIntegration", "create_kraken_paper_bot"]


def __getattr__(name: str) -> Any:
    # Rooms below load pandas, SQLAlchemy and TA-Lib: only for those who ask.
    if name in ("KrakenPaperLiveBot", "create_kraken_paper_bot"):
        from kracken_tasks.paper import bot

        return getattr(bot, name)
    if name == "MLTradingIntegration":
        from kracken_tasks.paper.integration import MLTradingIntegration

        return MLTradingIntegration
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
