"""What a caller may do at venues: by the settings where nothing is said, by what the caller brings otherwise.

In: nothing, a config folder, or venues by name with their options.  Out: ``VenueAccess`` by venue.  Never: a way to a real market for
orders, whatever the profile or the arming; a key in an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.access import VenueAccess
from kracken_tasks.exchange.rates import RateBudget

if TYPE_CHECKING:
    from kracken_tasks.exchange.venue import CcxtVenue

__all__ = ["Brought", "brought", "configured", "configured_streams"]

Brought = Iterable[str] | Mapping[str, Mapping[str, Any] | None]

# Our words for ccxt's constructor options; ccxt's own are taken as they are.
_OURS: Final = {"api_key": "apiKey", "rate_limit_ms": "rateLimit"}
_CCXTS: Final = (
    "apiKey", "secret", "password", "uid", "privateKey", "walletAddress", "rateLimit", "urls", "hostname", "options", "headers",
)  # fmt: skip
_APART: Final = ("enabled", "symbols", "tier", "timeout_seconds", "clock_keeps_seconds")
_ALLOWED: Final = tuple(sorted({*_OURS, *_CCXTS, *_APART}))


def configured(config: Path | None) -> dict[str, VenueAccess]:
    """The venues of ``config/exchanges.yaml`` (``config``: that file, or its folder) as the profile grants them.

    Where nothing at all is configured: Kraken's public half.  Raises: Misconfigured for settings that cannot be right.
    """
    from kracken_tasks.settings import load_settings
    from kracken_tasks.settings.sources import anything_configured
    from kracken_tasks.wiring import venues

    folder = config.parent if config is not None and config.suffix else config
    if config is not None and not config.exists():
        raise Misconfigured(f"no such file or folder: {config}", file=str(config))
    if not anything_configured(folder):
        return brought(["kraken"], None)
    return dict(venues.access(load_settings(folder)))


def configured_streams(
    config: Path | None,
) -> tuple[list[str], Callable[[str], CcxtVenue], Callable[[str], dict[str, Any]]]:
    """Which venues the settings stream from, how to open one of them for questions, and ccxt.pro's options for it.

    Where nothing at all is configured: Kraken.  Raises: Misconfigured for settings that cannot be right.
    """
    from kracken_tasks.settings import load_settings
    from kracken_tasks.settings.sources import anything_configured
    from kracken_tasks.wiring import venues

    if not anything_configured(config):
        return ["kraken"], lambda name: cast("CcxtVenue", brought([name], None)[name].market), lambda name: {}
    settings = load_settings(config)
    return (
        venues.enabled(settings),
        lambda name: venues.venue(settings, name),
        lambda name: venues.stream_options(settings, name),
    )


def brought(venues: Brought, budget: RateBudget | None) -> dict[str, VenueAccess]:
    """Venues the caller names, with options of ours or of ccxt's constructors.

    Orders are let through only to this machine (a sandbox): at a real venue a tick's alone are, by profile live and an armed account.
    Raises: Misconfigured naming venue, key and what is allowed.
    """
    named: Mapping[str, Mapping[str, Any] | None] = (
        venues if isinstance(venues, Mapping) else dict.fromkeys([venues] if isinstance(venues, str) else venues)
    )
    shared = budget or RateBudget()
    return {name: _granted(name, dict(options or {}), shared) for name, options in named.items()}


def _granted(name: str, told: dict[str, Any], budget: RateBudget) -> VenueAccess:
    from kracken_tasks.exchange.venue import CcxtVenue

    for key in told:
        if key not in _ALLOWED:
            raise Misconfigured(
                f"exchanges: {name}: unknown key {key!r}; allowed: {', '.join(_ALLOWED)}", key=key, venue=name
            )
    symbols = tuple(told.get("symbols") or ())
    for symbol in symbols:
        _checked(name, symbol)
    options = {_OURS.get(key, key): value for key, value in told.items() if key not in _APART and value is not None}
    venue = CcxtVenue(
        name,
        options,
        timeout_seconds=float(told.get("timeout_seconds", 20.0)),
        clock_keeps_seconds=float(told.get("clock_keeps_seconds", 60.0)),
        budget=budget,
        tier=told.get("tier"),
        symbols=symbols,
    )
    return VenueAccess(
        market=venue,
        account=venue if venue.has_key else None,
        orders=venue if venue.has_key and venue.is_local else None,
        why_no_orders=f"{name} is a real venue: only a tick sends it orders, with profile live and an armed account (kracken arm)"
        if venue.has_key
        else f"there is no key for {name}",
        symbols=symbols,
        enabled=bool(told.get("enabled", True)),
        own_fees=venue if venue.has_key else None,
    )


def _checked(name: str, symbol: str) -> None:
    try:
        split_symbol(symbol)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"exchanges: {name}: symbols: {error}", key="symbols", venue=name, value=symbol) from None
