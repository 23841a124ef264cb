"""The journal on the disk: checked against its schema, then written whole.

In: a journal, and run facts.  Out: paths.  Never: a file that breaks the schema, NaN or infinity in JSON, half a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from kracken_tasks.errors import BadData
from kracken_tasks.files import publish

__all__ = ["JOURNAL_FILE", "RUN_FILE", "check_journal", "digests_by_name", "journal_bytes", "write_journal"]

JOURNAL_FILE, RUN_FILE = "journal.json", "journal.run.json"
_SCHEMA = Path(__file__).with_name("journal.v1.schema.json")


def write_journal(
    journal: Mapping[str, Any], folder: Path, *, run_facts: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write ``journal.json`` and, beside it, ``journal.run.json`` with what belongs to the run (run id, wall time, host).

    The first is byte-identical for the same facts; the second may differ.  Returns the paths, the journal's first.
    Raises: BadData naming the place and the rule if the journal breaks its schema; nothing is written then.
    """
    check_journal(journal)
    files = {JOURNAL_FILE: journal_bytes(journal)}
    if run_facts is not None:
        files[RUN_FILE] = _json(run_facts)
    return publish(folder, files)


def digests_by_name(files: Mapping[str, str] | BaseException) -> dict[str, str]:
    """SHA-256 by file name, of digests by path; none where the files could not be made, and ``files`` is why."""
    return {} if isinstance(files, BaseException) else {Path(path).name: digest for path, digest in files.items()}


def journal_bytes(journal: Mapping[str, Any]) -> bytes:
    return _json(journal)


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def check_journal(journal: Mapping[str, Any]) -> None:
    """Raises: BadData naming the place and the rule if the journal breaks ``journal.v1.schema.json``."""
    from jsonschema.exceptions import best_match  # heavy, and needed once a night

    error = best_match(_validator().iter_errors(journal))
    if error is not None:
        where = "/".join(str(step) for step in error.absolute_path) or "(top)"
        raise BadData(
            f"journal breaks its schema at {where}: {error.message[:200]}", path=where, rule=str(error.validator)
        )


@lru_cache(maxsize=1)
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
