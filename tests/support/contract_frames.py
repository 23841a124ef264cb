"""Rows of every dataset that keep all promises, made from a seed, and judging them in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kracken_tasks.contracts.contract import Contract, load_contracts
from kracken_tasks.contracts.judging import Judgement, judge, subject_of
from kracken_tasks.contracts.subject import Facts, dataset_of
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey
from tests.support.candle_frames import BTC, START, candle_frame

__all__ = ["CONTRACTS", "KEYS", "clean_frame", "contract_of", "judged", "later", "quotes_frame", "trades_frame"]

CONTRACTS = Path(__file__).parents[2] / "data_contracts"
KEYS: Mapping[str, SeriesKey | TapeKey] = {
    "candles": BTC,
    "trades": TapeKey("kraken", "BTC/USD", Tape.TRADES),
    "quotes": TapeKey("kraken", "BTC/USD", Tape.QUOTES),
}


def later(seconds: float) -> datetime:
    """``seconds`` after the first row."""
    return START + timedelta(seconds=seconds)


def trades_frame(count: int = 60, *, seed: int = 1, first_id: int = 1000, seconds: float = 10.0) -> pd.DataFrame:
    """A walk of trades, ids one by one."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "ts": _stamps(count, seconds),
            "price": 100 * np.exp(np.cumsum(random.normal(0, 0.0005, count))),
            "volume": random.random(count) + 0.1,
            "side": pd.array(random.choice(["b", "s"], count), dtype="str"),
            "kind": pd.array(random.choice(["m", "l"], count), dtype="str"),
            "trade_id": pd.array(np.arange(first_id, first_id + count), dtype="Int64"),
            "source": pd.array(["stream"] * count, dtype="str"),
        }
    )


def quotes_frame(count: int = 60, *, seed: int = 1, seconds: float = 10.0) -> pd.DataFrame:
    """A walk of best prices that arrive a fifth of a second after their stamp."""
    random = np.random.default_rng(seed)
    mid = 100 * np.exp(np.cumsum(random.normal(0, 0.0005, count)))
    ts = _stamps(count, seconds)
    return pd.DataFrame(
        {
            "ts": ts, "bid": mid * 0.9999, "ask": mid * 1.0001, "bid_volume": random.random(count) + 0.1,
            "ask_volume": random.random(count) + 0.1, "last": mid,
            "received": ts + pd.to_timedelta(random.integers(150_000, 250_000, count), unit="us").as_unit("us"),
            "source": pd.array(["stream"] * count, dtype="str"),
        }
    )  # fmt: skip


def clean_frame(dataset: str) -> pd.DataFrame:
    """Forty hours, or sixty events ten seconds apart."""
    return {"candles": lambda: candle_frame(40), "trades": trades_frame, "quotes": quotes_frame}[dataset]()


@cache
def contract_of(dataset: str) -> Contract:
    return load_contracts(CONTRACTS, [dataset])[dataset]


def judged(frame: pd.DataFrame, dataset: str, **facts: Any) -> Judgement:
    """One frame by its dataset's contract; ``now`` is right after the last row of a clean frame unless told."""
    key = facts.pop("key", KEYS[dataset])
    now = facts.pop("now", later(40 * 3600 if dataset == "candles" else 600))
    contract = contract_of(dataset_of(key))
    (result,) = judge(contract, [subject_of(frame, Facts(key, now, **facts), contract)])
    return result


def _stamps(count: int, seconds: float) -> pd.DatetimeIndex:
    origin = np.datetime64(START.replace(tzinfo=None), "us")
    return pd.DatetimeIndex(origin + (np.arange(count) * seconds * 1e6).astype("m8[us]")).tz_localize("UTC")
