"""SQL over one snapshot, in an in-memory DuckDB that can read the lake's own files and nothing else.

In: one SELECT.  Out: a frame.  Views: ``candles`` (newest revision known), ``candles_all`` (every revision), ``trades``,
``quotes``, ``quarantine``, ``commits``, ``outages``, ``findings``.  The manifest names the files; nothing is globbed.  Never: a
statement that changes anything.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.domain.market import DataKey, SeriesKey, key_parts
from kracken_tasks.errors import BadData
from kracken_tasks.lake.dataset import CANDLES, QUOTES, TRADES, Dataset, dataset_of
from kracken_tasks.lake.log import CommitLog
from kracken_tasks.lake.manifest import Commit, FileEntry
from kracken_tasks.lake.remote import remote_files
from kracken_tasks.lake.snapshot import Snapshot
from kracken_tasks.lake.staging import table_of
from kracken_tasks.lake.store import Store

__all__ = ["open_views", "run_query"]


def run_query(store: Store, snapshot: Snapshot, log: CommitLog, query: str) -> pd.DataFrame:
    """Answer one query over ``snapshot``.

    Raises: BadData for SQL that does not parse, does not run, or is no SELECT (WITH, FROM, DESCRIBE, SUMMARIZE included).
    """
    # The views over the log cost a read of all of it, so they are made only for a query that speaks of them.
    history = any(word in query.lower() for word in ("commits", "findings", "quarantine", "outages"))
    with open_views(store, snapshot, log if history else None) as connection:
        _one_select(connection, query)
        try:
            answer: pd.DataFrame = connection.sql(query).to_arrow_table().to_pandas()
        except duckdb.Error as error:
            raise BadData(f"the query does not run: {_first_line(error)}", query=query) from error
        return answer


def open_views(store: Store, snapshot: Snapshot, log: CommitLog | None) -> duckdb.DuckDBPyConnection:
    """A connection with a view a dataset, and those over ``log`` if it is given; it can read the lake's files and nothing else."""
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    paths = _data_views(connection, store, snapshot)
    if log is not None:
        _log_views(connection, store, log, snapshot)
    if paths:
        connection.execute(f"SET allowed_paths = [{', '.join(map(_quoted, paths))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _one_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise BadData(f"the query does not parse: {_first_line(error)}", query=query) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadData("the lake answers one SELECT at a time and changes nothing", query=query, allowed="SELECT")


def _data_views(connection: duckdb.DuckDBPyConnection, store: Store, snapshot: Snapshot) -> list[str]:
    every, newest, paths = [], [], []
    columns = ", ".join(CANDLES.stored)
    for number, key in enumerate(snapshot.series()):
        files = snapshot.live_files(key)
        source, read = _source(connection, store, snapshot, key, f"_series_{number}")
        paths += read
        text = f"SELECT {_literals(key)}, {columns} FROM {source}{_known(files, snapshot)}"
        every.append(text)
        revised = any(entry.max_revision for entry in files)
        newest.append(
            f"{text} QUALIFY row_number() OVER (PARTITION BY ts ORDER BY revision DESC) = 1" if revised else text
        )
    _view(connection, "candles_all", every, CANDLES, "timeframe")
    _view(connection, "candles", newest, CANDLES, "timeframe")
    for dataset in (TRADES, QUOTES):
        parts, columns = [], ", ".join((*dataset.columns, "commit_seq", "known_at"))
        for number, tape in enumerate(key for key in snapshot.tapes() if key.tape.value == dataset.name):
            files = snapshot.live_files(tape)
            source, read = _source(connection, store, snapshot, tape, f"_{dataset.name}_{number}")
            paths += read
            parts.append(f"SELECT {_literals(tape)}, {columns} FROM {source}{_known(files, snapshot)}")
        _view(connection, dataset.name, parts, dataset, "")
    return paths


def _view(connection: duckdb.DuckDBPyConnection, name: str, parts: list[str], dataset: Dataset, third: str) -> None:
    """A view of all parts; without any, an empty one of the same columns."""
    if parts:
        connection.execute(f"CREATE VIEW {name} AS {' UNION ALL '.join(f'({part})' for part in parts)}")
        return
    keys = [pa.field(column, pa.string()) for column in ("exchange", "symbol", third) if column]
    fields = [field for field in dataset.schema if third or field.name != "revision"]
    _register(connection, name, [], pa.schema([*keys, *fields]))


def _known(files: tuple[FileEntry, ...], snapshot: Snapshot) -> str:
    """Leaves out what later commits brought, where the manifest does not say that there is nothing of the kind."""
    return f" WHERE commit_seq <= {snapshot.seq}" if any(entry.max_seq > snapshot.seq for entry in files) else ""


def _source(
    connection: duckdb.DuckDBPyConnection, store: Store, snapshot: Snapshot, key: DataKey, name: str
) -> tuple[str, list[str]]:
    """What to select from, and the paths it reads: files where they lie, those of a bucket when a query comes to them, and rows out of
    packs, which are few, as they are now."""
    dataset, files = dataset_of(key), [entry for entry in snapshot.live_files(key) if entry.at is None]
    packed = [entry for entry in snapshot.live_files(key) if entry.at is not None]
    local = {entry.name: store.local_path(entry.name) for entry in files}
    parts, paths = [], [str(path) for path in local.values() if path is not None]
    if len(paths) < len(files):
        connection.register(name, remote_files(store, files, dataset))
        parts, paths = [name], []
    else:
        full = [_quoted(str(local[entry.name])) for entry in files if not entry.bare]
        parts += [_read_bare(str(local[entry.name]), entry, dataset) for entry in files if entry.bare]
        parts += [f"read_parquet([{', '.join(full)}])"] if full else []
    if packed:
        tables = [_plain(snapshot.rows_of(key, entry).to_table(), dataset) for entry in packed]
        connection.register(f"{name}_packed", pa.concat_tables(tables))
        parts.append(f"{name}_packed")
    if len(parts) == 1:
        return parts[0], paths
    columns = ", ".join(dataset.stored)
    return f"({' UNION ALL '.join(f'SELECT {columns} FROM {part}' for part in parts)})", paths


def _plain(table: pa.Table, dataset: Dataset) -> pa.Table:
    """Words as text."""
    return table.cast(
        pa.schema([pa.field(f.name, pa.string()) if f.name in dataset.vocabulary else f for f in table.schema])
    )


def _read_bare(path: str, entry: FileEntry, dataset: Dataset) -> str:
    """A file without bookkeeping, and the one value that the manifest tells of each such column."""
    same = dict(entry.same)
    told = (
        f"{same['revision']}::INTEGER AS revision, {same['commit_seq']}::BIGINT AS commit_seq, "
        f"make_timestamptz({same['known_at'] * 1000}) AS known_at"
    )
    return f"(SELECT {', '.join(dataset.columns)}, {told} FROM read_parquet([{_quoted(path)}]))"


def _log_views(connection: duckdb.DuckDBPyConnection, store: Store, log: CommitLog, snapshot: Snapshot) -> None:
    commits = list(log.commits(snapshot.seq))
    _register(connection, "commits", _commit_rows(commits), _COMMITS)
    _register(connection, "findings", _finding_rows(commits), _FINDINGS)
    _register(connection, "outages", _outage_rows(commits), _OUTAGES)
    _register(connection, "quarantine", _quarantine_rows(store, commits, snapshot), _QUARANTINE)


_TIME = pa.timestamp("ms", "UTC")
_US = pa.timestamp("us", "UTC")
_KEY_FIELDS = [(name, pa.string()) for name in ("exchange", "symbol", "timeframe", "tape")]
_COMMITS = pa.schema([
    ("seq", pa.int64()), ("kind", pa.string()), ("known_at", _TIME), ("checked_at", _TIME), ("contract", pa.string()),
    ("batch_hash", pa.string()), ("rows_added", pa.int64()), ("rows_revised", pa.int64()), ("rows_quarantined", pa.int64()),
    ("released_by", pa.string()), ("reason", pa.string()),
])  # fmt: skip
_FINDINGS = pa.schema([
    ("commit_seq", pa.int64()), *_KEY_FIELDS, ("rule", pa.string()), ("action", pa.string()), ("rows", pa.int64()),
    ("first_ts", _US), ("detail", pa.string()), ("why", pa.string()), ("contract", pa.string()),
    ("sample", pa.list_(pa.string())),
])  # fmt: skip
_OUTAGES = pa.schema([("commit_seq", pa.int64()), *_KEY_FIELDS, ("start", _US), ("end", _US), ("reason", pa.string())])
_ROW_FIELDS = {
    name: _US
    if name in dataset.times
    else pa.string()
    if name in dataset.vocabulary
    else dataset.schema.field(name).type
    for dataset in (CANDLES, TRADES, QUOTES)
    for name in dataset.columns
}
_QUARANTINE = pa.schema(
    [
        ("commit_seq", pa.int64()),
        *_KEY_FIELDS,
        *_ROW_FIELDS.items(),
        ("rule", pa.string()),
        ("reason", pa.string()),
        ("held", pa.bool_()),
    ]
)


def _commit_rows(commits: list[Commit]) -> list[dict[str, Any]]:
    return [
        {
            "seq": commit.seq, "kind": commit.kind, "known_at": from_ms(commit.known_at),
            "checked_at": from_ms(commit.checked_at), "contract": commit.contract, "batch_hash": commit.batch_hash,
            "rows_added": sum(change.added for change in commit.changes),
            "rows_revised": sum(change.revised for change in commit.changes),
            "rows_quarantined": sum(entry.rows for change in commit.changes for entry in change.quarantine),
            "released_by": commit.by, "reason": commit.reason,
        }
        for commit in commits
    ]  # fmt: skip


def _finding_rows(commits: list[Commit]) -> list[dict[str, Any]]:
    return [
        {
            "commit_seq": commit.seq, **_key_cells(change.key), "rule": finding.rule, "action": finding.action,
            "rows": finding.rows, "first_ts": finding.first_ts, "detail": finding.detail, "why": finding.why,
            "contract": finding.contract, "sample": list(finding.sample),
        }
        for commit in commits for change in commit.changes for finding in change.findings
    ]  # fmt: skip


def _outage_rows(commits: list[Commit]) -> list[dict[str, Any]]:
    return [
        {
            "commit_seq": commit.seq, **_key_cells(change.key), "reason": outage.reason,
            "start": dataset_of(change.key).moment(outage.start), "end": dataset_of(change.key).moment(outage.end),
        }
        for commit in commits for change in commit.changes for outage in change.outages
    ]  # fmt: skip


def _quarantine_rows(store: Store, commits: list[Commit], snapshot: Snapshot) -> list[dict[str, Any]]:
    """``held``: neither released nor replaced by a good row, as of the snapshot."""
    return [
        {"commit_seq": commit.seq, **_key_cells(change.key), **row, "held": snapshot.rejects(change.key, row["ts"])}
        for commit in commits
        for change in commit.changes
        for entry in change.quarantine
        for row in table_of(store.get(entry.name)).to_pylist()
    ]


def _register(connection: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    connection.register(name, pa.Table.from_pylist(rows, schema=schema))


def _literals(key: DataKey) -> str:
    cells = {name: value for name, value in _key_cells(key).items() if value is not None and name != "tape"}
    return ", ".join(f"{_quoted(value)} AS {name}" for name, value in cells.items())


def _key_cells(key: DataKey) -> dict[str, str | None]:
    exchange, symbol, last = key_parts(key)
    series = isinstance(key, SeriesKey)
    return {
        "exchange": exchange,
        "symbol": symbol,
        "timeframe": last if series else None,
        "tape": None if series else last,
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
