"""Settings of the signals: how the modules are weighed, what corrects the weights, where the news come from.

In: values from files and environment.  Out: checked groups.  Never: a source that is asked without being named.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from kracken_tasks.settings.fields import Group

__all__ = ["PROMISED_WEIGHTS", "SentimentSettings", "SignalSettings"]

PROMISED_WEIGHTS = {
    "rsi": 0.25, "macd": 0.30, "bollinger_bands": 0.20, "sentiment": 0.25, "volume_profile": 0.15, "lstm": 0.25,
}  # fmt: skip


class SignalSettings(Group):
    """``ml_integration`` of kraken_paper_trading.yaml."""

    confidence_threshold: float = Field(
        0.6, ge=0.01, le=1, description="Least confidence of the ensemble for a decision."
    )
    cooldown_minutes: float = Field(30.0, ge=0, le=10_080, description="Pause per symbol after a trade.")
    signal_weights: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=lambda: dict(PROMISED_WEIGHTS), description="Weight of each module, renormalised over opinions."
    )
    feedback_enabled: bool = Field(
        True, description="Whether closed trades correct the weights (`kracken signals weights` shows how)."
    )
    feedback_prior_trades: float = Field(
        20.0,
        gt=0,
        le=10_000,
        description="Imaginary trades, half of them right, that keep few real ones from moving much.",
    )
    feedback_lowest: float = Field(0.5, gt=0, le=1, description="A weight is corrected to no less than this multiple.")
    feedback_highest: float = Field(
        1.5, ge=1, le=10, description="A weight is corrected to no more than this multiple."
    )

    @field_validator("signal_weights")
    @classmethod
    def _known_modules(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(value) - set(PROMISED_WEIGHTS))
        if unknown:
            raise ValueError(f"unknown modules {unknown}; allowed: {sorted(PROMISED_WEIGHTS)}")
        return value


_Address = Annotated[str, Field(pattern=r"^https?://[^@\s]+$")]
_SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]  # never fear_greed's


class SentimentSettings(Group):
    """Where the sentiment module's news come from; `kracken signals sentiment --read` and the flow `read_sentiment` fetch them."""

    feeds: dict[_SourceName, _Address] = Field(
        default_factory=dict, description="RSS or Atom feeds: a name and an address, without credentials."
    )
    fear_greed_url: _Address | None = Field(
        None, description="A fear-and-greed index in the form of `https://api.alternative.me/fng/`; null: none."
    )
    max_age_minutes: float = Field(180.0, ge=1, le=10_080, description="A source read longer ago counts no more.")
    headline_hours: float = Field(24.0, gt=0, le=240, description="A headline published longer ago counts no more.")
    timeout_seconds: float = Field(10.0, gt=0, le=120, description="How long a source may take to answer.")
