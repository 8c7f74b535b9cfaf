"""Write rows to one Parquet file as they are measured; an interruption loses seconds of work.

A Parquet file is readable only once it is complete. So rows are first written to small files in the
folder `FILE.parts`, each in one step; at the end these are merged into the one file. All rows of a
cell are in the same part, so a cell is either done or not.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.files import draft_of
from layerlens.report.rows import COLUMNS, Row

#: Rows are written when there are this many, or after this many seconds.
_ROWS = 5_000
_SECONDS = 5.0

_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("held", "only_at_initialization", "internal"), pa.bool_()),
    **dict.fromkeys(
        ("mismatched", "compared", "reference_params", "candidate_params", "cell_number"),
        pa.int64(),
    ),
    **dict.fromkeys(
        ("max_abs", "max_rel", "max_ulp", "rounding_expected", "float64_max_abs", "seconds"),
        pa.float64(),
    ),
    **dict.fromkeys(("also_differs", "unseen"), pa.list_(pa.string())),
}
_SCHEMA = pa.schema(
    [
        (name, _TYPES.get(name, pa.string()))
        for name in ("sweep", "cell_number", *COLUMNS["pairs"], "seconds", "internal")
    ]
)
_COUNTED = ["sweep", "cell_number", "status", "internal"]

#: The id of a sweep, and the number of a cell in it.
_Key = tuple[str, int]


class ParquetTable:
    """One Parquet file in progress: it knows the cells done before, and takes further rows."""

    def __init__(self, path: Path, totals: Mapping[str, int]) -> None:
        """Continue the file at a path; `totals` is sweep id → number of cells.

        Raises:
            UsageError: the file or its parts cannot be read or written.
        """
        self.path = path
        self.parts = path.with_name(f"{path.name}.parts")
        self.counts: Counter[str] = Counter()
        self.internal = 0
        self._last_counted: _Key | None = None
        self._done = {sweep: bytearray(total) for sweep, total in totals.items()}
        self._rows: list[dict[str, Any]] = []
        self._written = time.monotonic()
        try:
            self.parts.mkdir(exist_ok=True)
            for table in self._tables(dict(self._done)):
                self._count(
                    table.select(["sweep", "cell_number", "status", "internal"]).to_pylist()
                )
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"{path} cannot be continued: {error}", code=Code.DASK) from error

    def done(self) -> int:
        """Return the number of cells that are done."""
        return sum(self.counts.values())

    def left(self, sweep: str) -> Iterator[int]:
        """Yield the numbers of the cells that are not done."""
        flags = self._done[sweep]
        number = flags.find(0)
        while number >= 0:
            yield number
            number = flags.find(0, number + 1)

    def add(self, sweep: str, number: int, rows: Sequence[Row]) -> None:
        """Add the rows of a cell, unless the cell is done."""
        if self._done[sweep][number]:
            return
        plain = [_plain(row) | {"sweep": sweep, "cell_number": number} for row in rows]
        self._count(plain)
        self._rows += plain
        is_due = time.monotonic() - self._written > _SECONDS
        if len(self._rows) >= _ROWS or is_due:
            self.flush()

    def flush(self) -> None:
        """Write the rows added since the last call as one part."""
        self._written = time.monotonic()
        if not self._rows:
            return
        name = f"{time.time_ns():020}-{os.getpid()}"
        with draft_of(self.parts / f"{name}.parquet") as draft:
            pq.write_table(pa.Table.from_pylist(self._rows, schema=_SCHEMA), draft)
        self._rows = []

    def finish(self) -> None:
        """Merge the parts into the one file, and remove them."""
        self.flush()
        empty = {sweep: bytearray(len(flags)) for sweep, flags in self._done.items()}
        with draft_of(self.path) as draft, pq.ParquetWriter(draft, _SCHEMA) as writer:
            for table in self._tables(empty):
                writer.write_table(table)
        shutil.rmtree(self.parts)

    def _tables(self, seen: Mapping[str, bytearray]) -> Iterator[pa.Table]:
        """Yield the rows on the disk of the sweeps in `seen`, each cell once."""
        for path in (self.path, *sorted(self.parts.glob("*.parquet"))):
            if not path.is_file():
                continue
            with pq.ParquetFile(path) as file:
                if not file.schema_arrow.equals(_SCHEMA):
                    if path == self.path:
                        continue  # something else, which the new file replaces
                    raise pa.ArrowInvalid(f"{path} is not of this version of layerlens")
                continued: _Key | None = None
                for batch in file.iter_batches():
                    table, continued = _new_rows(pa.Table.from_batches([batch]), seen, continued)
                    yield table

    def _count(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count cells by their status, each once; the rows of a cell are consecutive."""
        for row in rows:
            key = row["sweep"], row["cell_number"]
            if key != self._last_counted:
                self.counts[row["status"]] += 1
                self.internal += bool(row["internal"])
                self._done[key[0]][key[1]] = 1
            self._last_counted = key


def _new_rows(
    table: pa.Table, seen: Mapping[str, bytearray], continued: _Key | None
) -> tuple[pa.Table, _Key | None]:
    """Return the rows of cells not seen before, and the last of these cells if it ends the table.

    `continued` is the cell that ends the previous batch; its rows may continue in this one.
    """
    keys: list[_Key] = list(
        zip(table["sweep"].to_pylist(), table["cell_number"].to_pylist(), strict=True)
    )
    new = {
        (sweep, number)
        for sweep, number in set(keys)
        if sweep in seen and number < len(seen[sweep]) and not seen[sweep][number]
    }
    for sweep, number in new:
        seen[sweep][number] = 1
    if continued is not None:
        new.add(continued)
    last = keys[-1] if keys and keys[-1] in new else None
    return table.filter(pa.array([key in new for key in keys], pa.bool_())), last


def _plain(row: Row) -> dict[str, Any]:
    found = {}
    for name in _SCHEMA.names:
        value = row.get(name)
        kind = _SCHEMA.field(name).type
        if value is not None and pa.types.is_string(kind) and not isinstance(value, str):
            value = json.dumps(value)
        elif isinstance(value, tuple):
            value = list(value)
        found[name] = value
    return found
