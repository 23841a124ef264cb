"""Settings into concrete adapters; the only place that knows sandbox from paper from live.

In: ``Settings``.  Out: venues, brokers, lake, ledger, channels and what a tick works with.  Never: a decision, a network call that
nobody asked for.  Imported by doors, hooks of flows, the command line, the local stack, the paper bot, and ``exchange.granted`` for classes
that are opened without arguments; by no other room.

- ``venues`` venues, the rate budget they share, and where orders go · ``feeds`` streams and their recording
- ``stores`` lake, contracts, ledger, models · ``series`` which series are kept
- ``signals`` weights and what corrects them, and what reads the news
- ``research`` training, forecasts, strategies, rehearsals · ``limits`` limits, stops and how orders are sent
- ``trading`` what a tick or a flatten works with · ``live`` what real money is checked and armed by · ``money`` the one money traded in
- ``paper`` the toolkit's paper account · ``replays`` what past decisions are computed again with
- ``books`` the venue that the books are held against · ``values`` what coins were worth
- ``reports`` who is told, and how taxes are counted
"""

from kracken_tasks.wiring.feeds import feed_age, feed_board, feeds, recorder, streams
from kracken_tasks.wiring.limits import execution_config, risk_limits, stop_rules
from kracken_tasks.wiring.paper import PaperSource, PaperTools, embedded_market, paper_ledger, paper_tools
from kracken_tasks.wiring.reports import channel, tax_choices
from kracken_tasks.wiring.research import code_version, rehearsal, training_config
from kracken_tasks.wiring.series import series
from kracken_tasks.wiring.signals import corrected, learned_strategy, retuner, sentiment_board, sentiment_sources
from kracken_tasks.wiring.stores import contracts_dir, judge, lake, lake_fed_by, ledger, registry
from kracken_tasks.wiring.trading import (
    FlattenTools,
    agent_seats,
    around_tick,
    dead_man,
    deciding,
    flatten_tools,
    tick_deps,
)
from kracken_tasks.wiring.venues import access, broker, enabled, market_now, rate_budget, venue

__all__ = [
    "FlattenTools", "PaperSource", "PaperTools", "access", "agent_seats", "around_tick",
    "broker", "channel", "code_version", "contracts_dir", "corrected", "dead_man", "deciding",
    "embedded_market", "enabled", "execution_config", "feed_age", "feed_board", "feeds", "flatten_tools", "judge",
    "lake", "lake_fed_by", "learned_strategy", "ledger", "market_now", "paper_ledger", "paper_tools", "rate_budget", "recorder", "registry",
    "rehearsal", "retuner", "risk_limits", "sentiment_board",
    "sentiment_sources", "series", "stop_rules", "streams", "tax_choices", "tick_deps", "training_config", "venue",
]  # fmt: skip
