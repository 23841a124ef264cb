"""Settings into who is told, and into how taxes are counted.

In: ``Settings``.  Out: an alert channel, tax choices.  Never: a secret in a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kracken_tasks.settings import Settings

if TYPE_CHECKING:
    from kracken_tasks.alerts.channel import Channel
    from kracken_tasks.tax.exports import TaxChoices

__all__ = ["channel", "tax_choices"]


def channel(settings: Settings) -> Channel:
    """Telegram where a token and a chat are set, else the log."""
    from kracken_tasks.alerts.channel import LogChannel

    alerts = settings.alerts
    if alerts.telegram_token is None or alerts.telegram_chat_id is None:
        return LogChannel()
    from kracken_tasks.alerts.telegram import TelegramAlerts, TelegramChannel

    token = alerts.telegram_token.get_secret_value()
    return TelegramChannel(TelegramAlerts(token, alerts.telegram_chat_id, base_url=alerts.telegram_base_url))


def tax_choices(settings: Settings) -> TaxChoices:
    from kracken_tasks.tax.exports import TaxChoices

    tax = settings.tax
    return TaxChoices(tax.base_currency, tax.tax_timezone, tax.method, tax.scope, costs=tax.costs)
