"""Who may ask for what: anybody for market data, the holder of a token for an account.

In: params as sent.  Out: wishes and answers.  Raises ``Refused`` in Kraken's words.  Never: a socket.
"""

from __future__ import annotations

from typing import Any, Final

from kracken_tasks.sandbox.dialects.kraken.streams.account import BalancesFeed, ExecutionsFeed
from kracken_tasks.sandbox.dialects.kraken.streams.order_entry import METHODS, serve
from kracken_tasks.sandbox.dialects.kraken.streams.subscribing import Wish, boolean, public_wishes
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Json
from kracken_tasks.sandbox.dialects.kraken.tokens import Tokens
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.faults import Faults, Moment
from kracken_tasks.sandbox.venue import Venue

__all__ = ["PrivateDesk", "PublicDesk"]

_PUBLIC: Final = ("ticker", "trade", "ohlc", "book", "instrument")
_PRIVATE: Final = ("executions", "balances")
_ELSEWHERE: Final = "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com"
_BACK: Final = "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com"
_WORKING: Final = ("online", "cancel_only", "post_only")
_INVALID_SESSION: Final = "ESession:Invalid session"


class PublicDesk:
    """Market data for anybody."""

    name = "ws"

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def wishes(self, params: dict[str, Any]) -> list[Wish | tuple[str, str]]:
        if params.get("channel") in _PRIVATE:
            raise Refused(_ELSEWHERE)
        return public_wishes(self._venue, params)

    def answers(self, method: str, params: dict[str, Any]) -> list[Json]:
        raise Refused(_ELSEWHERE if method in METHODS else "Unsupported event")

    def catch_up(self) -> None:
        """Market data need no engine."""


class PrivateDesk:
    """One account's orders and money, for whoever has its token."""

    name = "ws-auth"

    def __init__(self, venue: Venue, tokens: Tokens, faults: Faults) -> None:
        self._venue, self._tokens, self._faults = venue, tokens, faults

    def wishes(self, params: dict[str, Any]) -> list[Wish | tuple[str, str]]:
        channel, venue = params.get("channel"), self._venue
        if channel in _PUBLIC:
            raise Refused(_BACK)
        if channel not in _PRIVATE:
            raise Refused("Unsupported event")
        account = self._account(params)
        result: Json = {"channel": channel}
        if channel == "balances":
            snapshot = boolean(params, "snapshot", True)
            result |= {"snapshot": snapshot}
            return [Wish(channel, None, result, snapshot, lambda: BalancesFeed(venue, account))]
        orders = boolean(params, "snap_orders", True)
        trades = boolean(params, "snap_trades", False)
        every = boolean(params, "order_status", True)
        result |= {"maxratecount": venue.tier.engine_max, "snap_orders": orders, "snap_trades": trades}
        return [Wish("executions", None, result, True, lambda: ExecutionsFeed(venue, account, orders, trades, every))]

    def answers(self, method: str, params: dict[str, Any]) -> list[Json]:
        if method not in METHODS:
            raise Refused("Unsupported event")
        account = self._account(params)
        with self._venue.request() as now_ns:
            if self._venue.state.settings.system_status not in _WORKING:
                raise Refused("EService:Unavailable")
            return serve(self._venue, now_ns, account, method, params)

    def catch_up(self) -> None:
        with self._venue.request():
            pass

    def _account(self, params: dict[str, Any]) -> str:
        """Whose token it is.  Raises: Refused for a missing, unknown or expired one."""
        token = params.get("token")
        if not isinstance(token, str) or not token:
            raise Refused("Token(s) not found")
        rule = self._faults.strike(f"{self.name}/token", Moment.BEFORE)
        account = self._tokens.account(token)
        if account is None or rule is not None:
            raise Refused(rule.error or _INVALID_SESSION if rule is not None else _INVALID_SESSION)
        return account
