"""The manifest's JSON: canonical bytes, and keys, spans and findings in them.

In: plain mappings.  Out: bytes that are the same for the same content (sorted keys, no spaces), and values read back.  Never: a format
this version does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kracken_tasks.domain.clock import from_ms, to_ms
from kracken_tasks.domain.market import DataKey, SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData
from kracken_tasks.lake.spans import Spans

__all__ = ["FORMAT", "canonical", "finding_from", "finding_json", "key_from", "loaded", "spans_from"]

FORMAT = 1


def canonical(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def loaded(raw: bytes, name: str) -> dict[str, Any]:
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise BadData(f"{name} is not JSON", name=name) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadData(f"{name} is of a format this version cannot read", name=name, allowed=FORMAT)
    return data


def key_from(data: Iterable[str]) -> DataKey:
    exchange, symbol, last = data
    if last in set(Tape):
        return TapeKey(exchange, symbol, Tape(last))
    return SeriesKey(exchange, symbol, Timeframe(last))


def spans_from(data: Iterable[Iterable[int]]) -> Spans:
    return tuple((start, end) for start, end in data)


def finding_json(finding: Finding) -> dict[str, Any]:
    first = None if finding.first_ts is None else to_ms(finding.first_ts)
    return {
        "rule": finding.rule,
        "action": finding.action,
        "rows": finding.rows,
        "first_ts": first,
        "detail": finding.detail,
        "why": finding.why,
        "contract": finding.contract,
        "sample": list(finding.sample),
    }


def finding_from(data: Mapping[str, Any], key: DataKey) -> Finding:
    first = None if data["first_ts"] is None else from_ms(data["first_ts"])
    return Finding(
        data["rule"], data["action"], key, data["rows"], first, data["detail"],
        data.get("why", ""), data.get("contract", ""), tuple(data.get("sample", ())),  # older commits do not tell these
    )  # fmt: skip
