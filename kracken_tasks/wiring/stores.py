"""Settings into what is kept: lake, contracts and their gate, ledger, models.

In: ``Settings``.  Out: one lake and one ledger a process.  Never: a network call that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.errors import Misconfigured
from kracken_tasks.lake import Lake, Store, open_store
from kracken_tasks.settings import Profile, Settings

if TYPE_CHECKING:
    from kracken_tasks.forecast.registry import Registry
    from kracken_tasks.ledger import Ledger

__all__ = ["contracts_dir", "judge", "lake", "lake_fed_by", "ledger", "object_store", "registry"]

_PROJECT = Path(__file__).resolve().parents[2]


def lake(settings: Settings) -> Lake:
    return _lake(settings.lake.url or str(settings.paths.lake), settings.lake.endpoint, settings.lake.region)


@cache
def _lake(url: str, endpoint: str | None, region: str | None) -> Lake:
    # One per process: its cache of decoded files is what makes a tick's reads cheap.
    return Lake(_object_store(url, endpoint, region))


def lake_fed_by(settings: Settings, exchange: str) -> Lake:
    """The lake, for one who puts into it what a venue tells.

    A sandbox speaks under the venue's own name, so its made-up candles and the venue's would be one series, and nobody could tell
    them apart again: a lake takes the one or the other.  Which, the first who writes says; an empty lake may still be either's.
    Raises: Misconfigured for a lake that the other one feeds.
    """
    listed = settings.exchanges.get(exchange)
    local = settings.profile is Profile.SANDBOX or (listed is not None and listed.base_url is not None)
    found = lake(settings)
    _claimed(found, object_store(settings), exchange, "a local exchange" if local else "the venue itself")
    return found


def _claimed(found: Lake, store: Store, exchange: str, feeder: str) -> None:
    name = f"_feeders/{exchange}"
    if not store.exists(name):
        store.put_if_absent(name, feeder.encode())
    told = store.get(name).decode()
    if told == feeder:
        return
    if found.snapshot().seq:
        raise Misconfigured(
            f"this lake holds what {told} told as {exchange}, and {feeder} would tell another market under the same name; "
            "give this profile a home of its own (KRACKEN_HOME)",
            key="home", exchange=exchange, holds=told,
        )  # fmt: skip
    store.put_scratch(name, feeder.encode())


def object_store(settings: Settings) -> Store:
    """Where the lake lies: a folder or a bucket."""
    return _object_store(settings.lake.url or str(settings.paths.lake), settings.lake.endpoint, settings.lake.region)


@cache
def _object_store(url: str, endpoint: str | None, region: str | None) -> Store:
    return open_store(url, endpoint=endpoint, region=region)


def contracts_dir() -> Path:
    """Raises: Misconfigured if the data contracts are not where the distribution puts them."""
    folder = _PROJECT / "data_contracts"
    if not folder.is_dir():
        raise Misconfigured(f"no data contracts at {folder}", folder=str(folder))
    return folder


def judge(settings: Settings) -> Callable[[StagedBatch, datetime], Verdict]:
    """The contracts' gate, for candles and for tapes."""
    from kracken_tasks.contracts import check_batch

    store, folder = lake(settings), contracts_dir()
    return lambda batch, now: check_batch(store, batch, now=now, contracts_dir=folder)


def ledger(settings: Settings) -> Ledger:
    """The account's ledger; SQLite under the home folder unless another URL is set."""
    return _ledger(settings.ledger_url(), settings.trading.account, settings.exchange)


@cache
def _ledger(url: str, account: str, exchange: str) -> Ledger:
    from kracken_tasks.ledger import Ledger

    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return Ledger.open(url, account=account, exchange=exchange)


def registry(settings: Settings) -> Registry:
    from kracken_tasks.forecast.registry import Registry

    return Registry(settings.paths.registry)
