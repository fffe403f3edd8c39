"""Requests as a Parquet file, for programs that sum millions of them: a column for each field, in the file's own types.

The work is pyarrow's, which is installed on demand (`freehold[parquet]`) and imported here alone. A field of another
kind than its column, which only a damaged ledger has, is null: unknown, as everything nobody knows.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from freehold.core.errors import CallError, LedgerError
from freehold.ledger.record import whole_number
from freehold.ledger.requests import ADMISSION_FIELDS, OUTCOME_FIELDS

EXTRA = "parquet"
_ROWS_AT_ONCE = 65_536
_TEXTS = frozenset({"chain", "request", "key", "endpoint", "route", "build", "engine", "outcome", "error"})
_TIMES = {"at": "at_ms", "ended": "ended_ms"}
"""Columns that are points in time (milliseconds, UTC), and the fields they come from."""


def write_parquet(rows: Iterable[Mapping[str, Any]], out: Path) -> int:
    """Write `rows`, as `requests` gives them, to `out` in one step; how many there were. Raises CallError where the
    extra is not installed, LedgerError where the ledger cannot be read or the file not be written."""
    arrow, parquet = _libraries()
    schema = arrow.schema(
        [
            ("chain", _kind(arrow, "chain")),
            ("admission", arrow.int64()),
            *((name, arrow.timestamp("ms", tz="UTC")) for name in _TIMES),
            *((name, _kind(arrow, name)) for name in (*ADMISSION_FIELDS, *OUTCOME_FIELDS)),
        ]
    )
    fresh, count = out.with_name(f"{out.name}.{os.getpid()}.unfinished"), 0
    try:
        with parquet.ParquetWriter(fresh, schema, compression="zstd") as writer:
            left = iter(rows)
            while part := list(itertools.islice(left, _ROWS_AT_ONCE)):
                writer.write_table(arrow.table(_columns(part, schema.names), schema=schema))
                count += len(part)
        fresh.replace(out)
    except OSError as error:
        raise LedgerError(
            f"{out} cannot be written: {error.strerror or error}.", hint="Name another file: -o FILE."
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _columns(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: [_value(row.get(_TIMES.get(name, name)), name) for row in rows] for name in names}


def _value(value: Any, name: str) -> Any:
    if name in _TEXTS:
        return value if isinstance(value, str) else None
    return whole_number(value)


def _kind(arrow: Any, name: str) -> Any:
    # A dictionary: a handful of endpoints and keys in millions of rows.
    return arrow.dictionary(arrow.int32(), arrow.string()) if name in _TEXTS else arrow.int64()


def _libraries() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CallError(
            "Parquet is written by pyarrow, which is not installed.",
            hint=f"Install the extra: pip install 'freehold[{EXTRA}]'. JSON Lines need none: freehold ledger export",
        ) from error
    return pyarrow, pyarrow.parquet
