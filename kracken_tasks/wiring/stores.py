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
from kracken_tasks.settings import Settings

if TYPE_CHECKING:
    from kracken_tasks.forecast.registry import Registry
    from kracken_tasks.ledger import Ledger

__all__ = ["contracts_dir", "judge", "lake", "ledger", "object_store", "registry"]

_PROJECT = Path(__file__).resolve().parents[2]


def lake(settings: Settings) -> Lake:
    return _lake(settings.lake.url or str(settings.paths.lake), settings.lake.endpoint, settings.lake.region)


@cache
def _lake(url: str, endpoint: str | None, region: str | None) -> Lake:
    # One per process: its cache of decoded files is what makes a tick's reads cheap.
    return Lake(_object_store(url, endpoint, region))


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
