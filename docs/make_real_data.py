"""The tables of ``docs/real-data.md``: what the contracts find in real files of five exchanges, and how exactly candles add up.

    python -m docs.make_real_data FOLDER            write them into docs/real-data.md

FOLDER holds files named as ``kracken import`` reads them.  Every file goes through the same contract and commit, one after the other,
into a lake that is thrown away.  Text outside the marks is written by hand and stays.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kracken_tasks import wiring
from kracken_tasks.candles.aggregate import aggregate, can_make
from kracken_tasks.candles.files import ImportSource, discover, read
from kracken_tasks.candles.ingestion import import_sources
from kracken_tasks.candles.names import FileKind
from kracken_tasks.contracts import check_batch
from kracken_tasks.domain.clock import WallClock
from kracken_tasks.domain.market import SeriesKey, Tape
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.lake import Lake, LocalStore

__all__ = ["found", "sums"]

FILE = Path(__file__).with_name("real-data.md")
FOUND = ("<!-- what was found: begin -->", "<!-- what was found: end -->")
SUMS = ("<!-- how it adds up: begin -->", "<!-- how it adds up: end -->")
# Files whose name tells nothing, and what they hold.
_TOLD = {"kraken_eth_usd_historical_price_source.csv": ("kraken", "ETH/USD", Tape.TRADES)}
_FIGURES = ["open", "high", "low", "close"]


def found(folder: Path) -> Iterator[str]:
    """Lines of a Markdown table: a row for each file, in the order of their names."""
    yield "| file | holds | rows | first | last | kept out | new, revised | what the contract found |"
    yield "|---|---|---:|---|---|---:|---|---|"
    with tempfile.TemporaryDirectory() as home:
        lake, now = Lake(LocalStore(Path(home))), WallClock().now()

        def judge(batch: StagedBatch, moment: object) -> Verdict:
            return check_batch(lake, batch, now=now, contracts_dir=wiring.contracts_dir())

        for sources in _files(folder):
            commit, verdict = import_sources(lake, sources, judge, now=now)
            yield _row(folder, sources, verdict, f"{commit.rows_added}, {commit.rows_revised}")


def _files(folder: Path) -> Iterator[list[ImportSource]]:
    for path in sorted(one for one in folder.rglob("*") if one.suffix in (".csv", ".parquet")):
        exchange, symbol, what = _TOLD.get(path.name, (None, None, None))
        yield discover(path, exchange=exchange, symbol=symbol, timeframe=what, tapes=True)


def _row(folder: Path, sources: list[ImportSource], verdict: Verdict, commit: str) -> str:
    path = sources[0].path.relative_to(folder)
    staged = [one for one in verdict.accepted if one.rows]
    kept_out = sum(one.rows for one in verdict.quarantined)
    first = min(one.first_ts for one in staged if one.first_ts)
    last = max(one.last_ts for one in staged if one.last_ts)
    told = "; ".join(f"{one.rule}: {one.detail.rstrip('.')}" for one in verdict.findings) or "nothing"
    rows = " + ".join(f"{one.rows:,}" for one in staged)
    holds = ", ".join(str(one.key) for one in staged)
    return f"| `{path}` | {holds} | {rows} | {first:%Y-%m-%d} | {last:%Y-%m-%d} | {kept_out} | {commit} | {told} |"


def sums(folder: Path) -> Iterator[str]:
    """Lines of a Markdown table: each file of an exchange's own coarser candles against those made of its finest file."""
    yield "| made of | into | candles compared | prices equal | volumes equal | largest difference of a volume |"
    yield "|---|---|---:|---:|---:|---:|"
    frames = {source.path.name: source for source in discover(folder) if source.kind is FileKind.CANDLE_TABLE}
    for name, source in frames.items():
        for other, finer in frames.items():
            if _makes(finer, source) and (line := _sum(other, finer, name, source)):
                yield line


def _makes(finer: ImportSource, source: ImportSource) -> bool:
    base, into = finer.key, source.key
    if not (isinstance(base, SeriesKey) and isinstance(into, SeriesKey)):
        return False
    one_market = (base.exchange, base.symbol) == (into.exchange, into.symbol)
    return one_market and can_make(base.timeframe, into.timeframe)


def _sum(name: str, finer: ImportSource, coarse: str, source: ImportSource) -> str:
    assert isinstance(finer.key, SeriesKey)
    assert isinstance(source.key, SeriesKey)
    base = finer.key.timeframe
    fine, own = read(finer), read(source).set_index("ts")
    known = [(fine["ts"].iloc[0].to_pydatetime(), fine["ts"].iloc[-1].to_pydatetime() + base.delta)]
    made = aggregate(fine, base, source.key.timeframe, known).frame.set_index("ts")
    both = made.index.intersection(own.index)
    if both.empty:
        return ""
    ours, theirs = made.loc[both], own.loc[both]
    prices = int((ours[_FIGURES] == theirs[_FIGURES]).all(axis=1).sum())
    apart: pd.Series[float] = (ours["volume"] - theirs["volume"]).abs()
    equal = int((apart == 0).sum())
    return f"| `{name}` | `{coarse}` | {len(both):,} | {prices:,} | {equal:,} | {_largest(apart, theirs)} |"


def _largest(apart: pd.Series[float], theirs: pd.DataFrame) -> str:
    if not len(apart) or not apart.max():
        return "0"
    at = int(apart.to_numpy().argmax())
    return f"{apart.iloc[at]:.1e} of {theirs['volume'].iloc[at]:,.2f} on {theirs.index[at]:%Y-%m-%d}"


def _between(text: str, marks: tuple[str, str], lines: Iterator[str]) -> str:
    head, begin, rest = text.partition(marks[0])
    _, end, tail = rest.partition(marks[1])
    if not (begin and end):
        raise ValueError(f"{FILE.name} lacks its marks {marks[0]!r} and {marks[1]!r}")
    return "\n\n".join((f"{head}{begin}", "\n".join(lines), f"{end}{tail}"))


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("which folder?  python -m docs.make_real_data FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    text = FILE.read_text(encoding="utf-8")
    text = _between(text, FOUND, found(folder))
    FILE.write_text(_between(text, SUMS, sums(folder)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
