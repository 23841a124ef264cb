"""Coinbase's accounts and fee tiers.

In: a signed call.  Out: JSON-ready answers with Coinbase's keys.  Never: an order.
Source: Coinbase Advanced Trade API documentation, "Accounts", "Fees", "Portfolios".
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.dialects.coinbase.errors import not_found
from kracken_tasks.sandbox.dialects.coinbase.public import stamp
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint
from kracken_tasks.sandbox.market.pairs import code_of

__all__ = ["ACCOUNT"]


def accounts(call: Call) -> Any:
    rows = [_account_json(call, code, *amounts) for code, amounts in sorted(call.balances().items())]
    return {"accounts": rows, "has_next": False, "cursor": "", "size": len(rows)}


def one_account(call: Call) -> Any:
    wanted = call.text("account_uuid")
    for row in accounts(call)["accounts"]:
        if row["uuid"] == wanted:
            return {"account": row}
    raise not_found("account not found")


def accounts_v2(call: Call) -> Any:
    """The older listing, which tells no holds: what ccxt's balance reads unless told otherwise."""
    codes = {code_of(asset.key): asset for asset in call.venue.listings.assets()}
    rows = [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.account}:{code}")),
            "name": f"{code} Wallet",
            "primary": False,
            "type": "fiat" if codes[code].fiat else "wallet",
            "currency": {"code": code, "name": code, "exponent": 8, "type": "fiat" if codes[code].fiat else "crypto"},
            "balance": {"amount": text_of(total, decimals), "currency": code},
            "resource": "account",
        }
        for code, (total, _, decimals) in sorted(call.balances().items())
    ]
    return {"pagination": {"ending_before": None, "starting_after": None, "limit": 250, "order": "desc"}, "data": rows}


def _account_json(call: Call, code: str, total: int, held: int, decimals: int) -> dict[str, Any]:
    fiat = any(asset.fiat and asset.altname == code for asset in call.venue.listings.assets())
    opened = stamp(call.venue.market.first_trade_ns(next(iter(call.venue.listings.by_symbol))))
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.account}:{code}")),
        "name": f"{code} Wallet",
        "currency": code,
        "available_balance": {"value": text_of(total - held, decimals), "currency": code},
        "default": True,
        "active": True,
        "created_at": opened,
        "updated_at": opened,
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if fiat else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": text_of(held, decimals), "currency": code},
        "retail_portfolio_id": _portfolio(call),
    }


def _portfolio(call: Call) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, call.account))


def portfolios(call: Call) -> Any:
    return {"portfolios": [{"name": "Default", "uuid": _portfolio(call), "type": "DEFAULT", "deleted": False}]}


def transaction_summary(call: Call) -> Any:
    volume = call.venue.engine.booking.volume_cents(call.account, call.now_ns)
    schedule = next(iter(call.venue.listings.by_symbol.values())).schedule
    tier = schedule.at(volume)
    following = schedule.after(tier)
    return {
        "total_volume": volume / 100,
        "total_fees": 0,
        "fee_tier": {
            "pricing_tier": f"Advanced {schedule.tiers.index(tier) + 1}",
            "usd_from": str(tier.volume_usd),
            "usd_to": str(following.volume_usd) if following else "",
            "taker_fee_rate": text_of(tier.taker_ppm, 6),
            "maker_fee_rate": text_of(tier.maker_ppm, 6),
            "aop_from": "",
            "aop_to": "",
        },
        "margin_rate": None,
        "goods_and_services_tax": None,
        "advanced_trade_only_volume": volume / 100,
        "advanced_trade_only_fees": 0,
        "coinbase_pro_volume": 0,
        "coinbase_pro_fees": 0,
        "total_balance": "",
        "has_promo_fee": False,
    }


_V3: Final = "/api/v3/brokerage"
ACCOUNT: Final = (
    Endpoint("GET", "/v2/accounts", "v2/accounts", accounts_v2, private=True),
    Endpoint("GET", f"{_V3}/accounts", "accounts", accounts, private=True),
    Endpoint("GET", f"{_V3}/accounts/{{account_uuid}}", "accounts", one_account, private=True),
    Endpoint("GET", f"{_V3}/portfolios", "portfolios", portfolios, private=True),
    Endpoint("GET", f"{_V3}/transaction_summary", "transaction_summary", transaction_summary, private=True),
)
