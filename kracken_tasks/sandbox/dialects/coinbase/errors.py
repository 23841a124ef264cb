"""Coinbase's refusals: of requests (HTTP 4xx with an error and a message) and of orders (HTTP 200 with ``success`` false).

In: what went wrong.  Out: a ``Rejection``, or the body of a failed order.  Never: a judgement.
Source: Coinbase Advanced Trade API documentation, "Create order" and "Errors".
"""

from __future__ import annotations

from typing import Any, Final

from kracken_tasks.sandbox.dialects.rest import Rejection

__all__ = ["argument", "failed_order", "failure_of", "not_found"]

# The engine's own wording (Kraken's) -> error, preview failure, message.
_FAILURES: Final = {
    "EOrder:Insufficient funds": ("INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND", "Insufficient balance in source account"),
    "EOrder:Post only order": ("INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY", "Order would match"),
    "EGeneral:Invalid arguments:volume minimum not met": (
        "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", "Order size is below the minimum",
    ),
    "EOrder:Cost minimum not met": (
        "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", "Order value is below the minimum",
    ),
    "EOrder:Orders limit exceeded": ("UNKNOWN_FAILURE_REASON", "PREVIEW_OPEN_ORDERS_LIMIT", "Too many open orders"),
}  # fmt: skip
_OTHER: Final = ("UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON", "Order could not be placed")
_CLOSED: Final = ("UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_MARKET_CLOSED", "source is not enabled for trading")


def argument(message: str) -> Rejection:
    return Rejection(400, {"error": "INVALID_ARGUMENT", "error_details": message, "message": message})


def not_found(message: str) -> Rejection:
    return Rejection(404, {"error": "NOT_FOUND", "error_details": message, "message": message})


def failure_of(reason: str) -> tuple[str, str, str]:
    """Error, preview failure and message for the engine's refusal."""
    return _CLOSED if reason.startswith("EService:Market in") else _FAILURES.get(reason, _OTHER)


def failed_order(failure: tuple[str, str, str], configuration: Any) -> dict[str, Any]:
    error, preview, message = failure
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": "",
        "error_response": {
            "error": error,
            "message": message,
            "error_details": "",
            "preview_failure_reason": preview,
            "new_order_failure_reason": error,
        },
        "order_configuration": configuration,
    }
