"""What an entry would be worth: the tick's own facts and sizing, asked on behalf of a person.

In: a paper account's tools, its mark, quotes, a word.  Out: a ``SizeReceipt``, and it as a mapping.  Never: an order, a cut of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kracken_tasks.domain.market import Quote, SeriesKey
from kracken_tasks.domain.trading import SizeReceipt
from kracken_tasks.execution.account import account_facts
from kracken_tasks.execution.desk import trading_desk
from kracken_tasks.execution.entries import Candidate, facts_of, frame_rows, proposal_on, sizing_on
from kracken_tasks.execution.tick_deps import TickDeps
from kracken_tasks.ledger import Source
from kracken_tasks.paper.spoken import Spoken
from kracken_tasks.risk.equity import UnitMark
from kracken_tasks.risk.sizing import size_entry

__all__ = ["answer_of", "size_of"]


def size_of(
    tools: TickDeps, mark: UnitMark, quotes: Mapping[str, Quote], keys: Mapping[str, SeriesKey], symbol: str, word: Spoken,
    *, correlation: float | None,
) -> SizeReceipt:  # fmt: skip
    """Size the entry that ``word`` asks for, as a tick would; what is held has its candles and quotes told, too.

    ``correlation`` in [0, 1] takes the place of what is measured against holdings; None: what is measured.
    Raises: AccountInUse while another run trades the account.
    """
    with trading_desk(
        tools.broker, tools.ledger, tools.wall, holder=tools.holder, tick_id="size", source=Source.PERSON, config=tools.config
    ) as desk:  # fmt: skip
        now, view = tools.broker.now(), tools.snapshot()
        candidates = {
            name: Candidate(
                key, word, desk.instrument(name), quotes[name], view.candles(key, last=frame_rows(word)), against=(),
                first_orders=tools.first_orders(now),
            )
            for name, key in keys.items() if name in quotes
        }  # fmt: skip
        free = {asset: float(balance.free) for asset, balance in tools.broker.balances().items()}
        account = account_facts(desk, mark, tools.limits, free, now)
        facts = facts_of(desk, candidates[symbol], candidates, account, tools.limits, tools.stops)
        before = proposal_on(candidates[symbol], tools.limits, commit_seq=view.seq, now=now)
    wanted = sizing_on(before, candidates[symbol], candidates, facts)
    if correlation is not None:
        wanted = replace(wanted, correlation_factor=correlation, correlation_reason=f"as said: {correlation:g}")
    return size_entry(wanted, tools.limits)


def answer_of(receipt: SizeReceipt) -> dict[str, Any]:
    """``quantity`` in base, ``notional`` in quote, ``cuts`` in order: rule, before, after, reason."""
    return {
        "symbol": receipt.symbol,
        "price": receipt.price,
        "quantity": float(receipt.amount),
        "notional": float(receipt.notional),
        "cuts": [
            {"rule": cut.rule, "before": cut.before, "after": cut.after, "reason": cut.reason} for cut in receipt.cuts
        ],
    }
