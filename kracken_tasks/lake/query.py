"""SQL over one snapshot, in an in-memory DuckDB that can read the lake's own files and nothing else.

In: one SELECT.  Out: a frame.  Views: ``candles`` (newest revision known), ``candles_all`` (every revision), ``quarantine``,
``commits``, ``findings``.  The manifest names the files; nothing is globbed.  Never: a statement that changes anything.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import BadData
from kracken_tasks.lake.log import CommitLog
from kracken_tasks.lake.manifest import Commit, FileEntry
from kracken_tasks.lake.snapshot import Snapshot
from kracken_tasks.lake.staging import table_of
from kracken_tasks.lake.store import Store

__all__ = ["run_query"]

_COLUMNS = "ts, open, high, low, close, volume, vwap, trades, source, revision, commit_seq, known_at"
_KEYED = "exchange, symbol, timeframe, " + _COLUMNS
_NOTHING = (
    "SELECT ''::VARCHAR AS exchange, ''::VARCHAR AS symbol, ''::VARCHAR AS timeframe, NULL::TIMESTAMPTZ AS ts, "
    "0::DOUBLE AS open, 0::DOUBLE AS high, 0::DOUBLE AS low, 0::DOUBLE AS close, 0::DOUBLE AS volume, 0::DOUBLE AS vwap, "
    "0::BIGINT AS trades, ''::VARCHAR AS source, 0::INTEGER AS revision, 0::BIGINT AS commit_seq, NULL::TIMESTAMPTZ AS known_at "
    "WHERE false"
)


def run_query(store: Store, snapshot: Snapshot, log: CommitLog, query: str) -> pd.DataFrame:
    """Answer one query over ``snapshot``.

    Raises: BadData for SQL that does not parse, does not run, or is no SELECT (WITH, FROM, DESCRIBE, SUMMARIZE included).
    """
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        _one_select(connection, query)
        paths = _candle_views(connection, store, snapshot)
        _log_views(connection, store, log, snapshot.seq, query.lower())
        _fence(connection, paths)
        try:
            answer: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas()
        except duckdb.Error as error:
            raise BadData(f"the query does not run: {_first_line(error)}", query=query) from error
        return answer


def _one_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise BadData(f"the query does not parse: {_first_line(error)}", query=query) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadData("the lake answers one SELECT at a time and changes nothing", query=query, allowed="SELECT")


def _candle_views(connection: duckdb.DuckDBPyConnection, store: Store, snapshot: Snapshot) -> list[str]:
    every, newest, paths = [], [], []
    for number, key in enumerate(snapshot.series()):
        files = snapshot.live_files(key)
        source, read = _source(connection, store, files, f"_series_{number}")
        paths += read
        text = f"SELECT {_literals(key)}, {_COLUMNS} FROM {source} WHERE commit_seq <= {snapshot.seq}"
        every.append(text)
        revised = any(entry.max_revision for entry in files)
        newest.append(
            f"{text} QUALIFY row_number() OVER (PARTITION BY ts ORDER BY revision DESC) = 1" if revised else text
        )
    for view, parts in (("candles_all", every), ("candles", newest)):
        connection.execute(f"CREATE VIEW {view} AS {' UNION ALL '.join(f'({part})' for part in parts or [_NOTHING])}")
    return paths


def _source(
    connection: duckdb.DuckDBPyConnection, store: Store, files: tuple[FileEntry, ...], name: str
) -> tuple[str, list[str]]:
    local = [store.local_path(entry.name) for entry in files]
    paths = [str(path) for path in local if path is not None]
    if len(paths) == len(files):
        return f"read_parquet([{', '.join(map(_quoted, paths))}])", paths
    connection.register(name, pa.concat_tables([table_of(store.get(entry.name)) for entry in files]))
    return name, []


def _log_views(connection: duckdb.DuckDBPyConnection, store: Store, log: CommitLog, seq: int, query: str) -> None:
    """The views over the log cost a read of all of it, so they are made only for a query that speaks of them."""
    if not any(word in query for word in ("commits", "findings", "quarantine")):
        return
    commits = list(log.commits(seq))
    _register(connection, "commits", _commit_rows(commits), _COMMITS)
    _register(connection, "findings", _finding_rows(commits), _FINDINGS)
    rows = _quarantine_rows(store, commits) if "quarantine" in query else []
    _register(connection, "quarantine", rows, _QUARANTINE)


_TIME = pa.timestamp("ms", "UTC")
_KEY_FIELDS = [("exchange", pa.string()), ("symbol", pa.string()), ("timeframe", pa.string())]
_COMMITS = pa.schema([
    ("seq", pa.int64()), ("kind", pa.string()), ("known_at", _TIME), ("checked_at", _TIME), ("contract", pa.string()),
    ("batch_hash", pa.string()), ("rows_added", pa.int64()), ("rows_revised", pa.int64()), ("rows_quarantined", pa.int64()),
])  # fmt: skip
_FINDINGS = pa.schema([
    ("commit_seq", pa.int64()), *_KEY_FIELDS, ("rule", pa.string()), ("action", pa.string()), ("rows", pa.int64()),
    ("first_ts", _TIME), ("detail", pa.string()),
])  # fmt: skip
_NUMBERS = ("open", "high", "low", "close", "volume", "vwap")
_QUARANTINE = pa.schema([
    ("commit_seq", pa.int64()), *_KEY_FIELDS, ("ts", _TIME), *((name, pa.float64()) for name in _NUMBERS),
    ("trades", pa.int64()), ("source", pa.string()), ("rule", pa.string()), ("reason", pa.string()),
])  # fmt: skip


def _commit_rows(commits: list[Commit]) -> list[dict[str, Any]]:
    return [
        {
            "seq": commit.seq, "kind": commit.kind, "known_at": from_ms(commit.known_at),
            "checked_at": from_ms(commit.checked_at), "contract": commit.contract, "batch_hash": commit.batch_hash,
            "rows_added": sum(change.added for change in commit.changes),
            "rows_revised": sum(change.revised for change in commit.changes),
            "rows_quarantined": sum(entry.rows for change in commit.changes for entry in change.quarantine),
        }
        for commit in commits
    ]  # fmt: skip


def _finding_rows(commits: list[Commit]) -> list[dict[str, Any]]:
    return [
        {
            "commit_seq": commit.seq, **_key_cells(change.key), "rule": finding.rule, "action": finding.action,
            "rows": finding.rows, "first_ts": finding.first_ts, "detail": finding.detail,
        }
        for commit in commits for change in commit.changes for finding in change.findings
    ]  # fmt: skip


def _quarantine_rows(store: Store, commits: list[Commit]) -> list[dict[str, Any]]:
    return [
        {"commit_seq": commit.seq, **_key_cells(change.key), **row}
        for commit in commits
        for change in commit.changes
        for entry in change.quarantine
        for row in table_of(store.get(entry.name)).to_pylist()
    ]


def _register(connection: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    connection.register(name, pa.Table.from_pylist(rows, schema=schema))


def _fence(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    if paths:
        connection.execute(f"SET allowed_paths = [{', '.join(map(_quoted, paths))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _literals(key: SeriesKey) -> str:
    return ", ".join(f"{_quoted(value)} AS {name}" for name, value in _key_cells(key).items())


def _key_cells(key: SeriesKey) -> dict[str, str]:
    return {"exchange": key.exchange, "symbol": key.symbol, "timeframe": key.timeframe.value}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
