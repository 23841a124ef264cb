"""Strategies: from candles and opinions to a proposal.

In: a symbol, closed candles, opinions.  Out: ``Proposal`` (buy, sell or hold, how sure, why, which exits).  Never: sizes, orders, or a
short: on a spot account SELL closes a long.

- ``proposal``  the value and the protocol every strategy obeys
- ``ensemble`` ``sma_cross`` ``lstm`` ``rsi_ml`` ``trend_vol``   one strategy each
- ``setups`` ``logistic``   what rsi_ml's filter learns from, and how
- ``decide``    candles to proposal in one call: the path of the tick, the paper bot and the backtest alike
- ``registry``  names and validated parameters to strategies · ``parameters`` the checks they share
- ``seated``    a strategy in an agent's seat · ``shares`` what belongs to which agent · ``netting`` what several want, as one order
"""

from kracken_tasks.strategies.decide import propose_from
from kracken_tasks.strategies.ensemble import EnsembleStrategy
from kracken_tasks.strategies.lstm import LstmStrategy
from kracken_tasks.strategies.proposal import Proposal, Strategy
from kracken_tasks.strategies.registry import STRATEGIES, build_strategy
from kracken_tasks.strategies.rsi_ml import RsiMlStrategy
from kracken_tasks.strategies.sma_cross import SmaCrossStrategy
from kracken_tasks.strategies.trend_vol import TrendVolStrategy

__all__ = [
    "STRATEGIES",
    "EnsembleStrategy",
    "LstmStrategy",
    "Proposal",
    "RsiMlStrategy",
    "SmaCrossStrategy",
    "Strategy",
    "TrendVolStrategy",
    "build_strategy",
    "propose_from",
]
