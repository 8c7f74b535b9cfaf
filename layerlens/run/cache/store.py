"""Keys and payloads in one SQLite file."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

#: The number in the name is that of the layout; another layout has a file of its own.
FILE_NAME = "results-1.sqlite"
LIMIT_BYTES = 256 * 1024**2
#: A larger payload is neither stored nor read.
LARGEST_BYTES = 16 * 1024**2
#: How long to wait for another process that is writing.
_PATIENCE = 10.0
_PUTS_BETWEEN_CHECKS = 32

_LAYOUT = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB PRIMARY KEY,
    digest BLOB NOT NULL,  -- of key and payload: detects a damaged entry
    used INTEGER NOT NULL,  -- the day
    payload BLOB NOT NULL
)
"""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of a store, and its limit."""

    entries: int
    size_bytes: int
    limit_bytes: int


class Store:
    """A persistent mapping of keys to payloads; failures never raise.

    Several processes may use it and may end at any point: SQLite rolls back what was not committed.
    Without `synchronous` only a power failure can damage the file. Damage is detected by SQLite or
    by the digest of an entry, reported through `tell`, and the file is replaced by an empty one.
    Any other failure (no permission, no space) is reported, and the store is not used any more.
    """

    def __init__(
        self, folder: Path, tell: Tell, limit_bytes: int = LIMIT_BYTES, *, create: bool = True
    ) -> None:
        self.path = folder / FILE_NAME
        self._tell = tell
        self._limit = limit_bytes
        self._touched: set[bytes] = set()
        self._puts = 0
        self._connection: sqlite3.Connection | None = None
        if not create and not self.path.exists():
            return
        with self._guarded("no cache is used"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = self._connect()

    def get(self, key: bytes) -> bytes | None:
        """Return the payload; None if there is none, or it is damaged."""
        found = None
        with self._guarded("no cache is used"):
            if self._connection is not None:
                found = self._connection.execute(
                    "SELECT digest, CASE WHEN length(payload) <= ? THEN payload END, used "
                    "FROM entries WHERE key = ?",
                    (LARGEST_BYTES, key),
                ).fetchone()
        if found is None:
            return None
        digest, payload, used = found
        # Another program may have put anything in any column.
        if not isinstance(payload, bytes) or digest != _digest(key, payload):
            self._start_over("an entry has changed")
            return None
        if used != _today():
            self._touched.add(key)
        return bytes(payload)

    def drop(self, key: bytes, reason: str) -> None:
        """Remove a malformed entry, and report it with the reason."""
        self._touched.discard(key)
        self._tell(f"an entry of the cache {self.path} is deleted: {reason}")
        with self._guarded("no cache is used"):
            if self._connection is not None:
                self._connection.execute("DELETE FROM entries WHERE key = ?", (key,))

    def put(self, key: bytes, payload: bytes) -> None:
        """Store a payload, unless it is too large."""
        if len(payload) > LARGEST_BYTES:
            return
        with self._guarded("results are not stored"):
            if self._connection is not None:
                self._connection.execute(
                    "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)",
                    (key, _digest(key, payload), _today(), payload),
                )
                self._puts += 1
                if self._puts % _PUTS_BETWEEN_CHECKS == 0:
                    self._shrink()

    def close(self) -> None:
        """Record which entries were used today, shrink to the limit, and close the file."""
        if self._connection is None:
            return
        # A cache that can be read but not written is left as it is.
        with suppress(sqlite3.Error):
            if self._touched:
                self._connection.executemany(
                    "UPDATE entries SET used = ? WHERE key = ?",
                    [(_today(), key) for key in self._touched],
                )
            if self._puts:
                self._shrink()
        self._connection.close()
        self._connection = None

    def extent(self) -> Extent:
        """Return how many entries there are and how large the file is."""
        entries = 0
        with self._guarded("no cache is used"):
            if self._connection is not None:
                (entries,) = self._connection.execute("SELECT count(*) FROM entries").fetchone()
        size = self.path.stat().st_size if self.path.exists() else 0
        return Extent(entries, size, self._limit)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")  # another program may have written it
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA auto_vacuum = FULL")  # deleting makes the file smaller
            connection.execute(_LAYOUT)
            connection.execute("SELECT key, digest, used, payload FROM entries LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _guarded(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            if "no such column" in str(error):
                self._start_over(str(error))
                return
            self._disconnect()
            self._tell(f"the cache {self.path} cannot be used ({_reason(error)}): {consequence}")
        except sqlite3.DatabaseError as error:
            self._start_over(str(error))

    def _start_over(self, reason: str) -> None:
        self._disconnect()
        self._tell(f"the cache {self.path} is damaged ({reason}); a new one is created")
        try:
            remove_files(self.path)
            self._connection = self._connect()
        except (sqlite3.Error, OSError) as error:
            self._tell(f"the cache {self.path} cannot be used ({_reason(error)}): no cache is used")

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _shrink(self) -> None:
        """Delete the least recently used entries, a quarter at a time, down to the limit."""
        assert self._connection is not None
        while self._size() > self._limit:
            (count,) = self._connection.execute("SELECT count(*) FROM entries").fetchone()
            if not count:
                return
            self._connection.execute(
                "DELETE FROM entries WHERE rowid IN "
                "(SELECT rowid FROM entries ORDER BY used, rowid LIMIT ?)",
                (max(1, count // 4),),
            )

    def _size(self) -> int:
        assert self._connection is not None
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (page_bytes,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page_bytes)


def remove_files(path: Path) -> None:
    """Remove a store's file and the auxiliary files of SQLite."""
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _digest(key: bytes, payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=16, key=key[:64]).digest()


def _today() -> int:
    return int(time.time() // 86_400)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
