"""The cache's file: believed only as it was written, whatever happens to it or to its writers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from layerlens.run.cache.store import FILE_NAME, Store

KEY, OTHER = b"k" * 32, b"o" * 32

WRITE = """
import sys
from pathlib import Path
from layerlens.run.cache.store import Store
store = Store(Path(sys.argv[1]), lambda text: print(text, flush=True))
for number in range(int(sys.argv[3])):
    store.put(f"{sys.argv[2]}-{number}".encode(), str(number).encode() * 500)
    if number == 5:
        print("under way", flush=True)
"""


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def opened(tmp_path: Path, told: list[str]) -> Callable[..., Store]:
    return lambda **more: Store(tmp_path, told.append, **more)


def test_what_is_put_is_there_for_the_next(opened, told):
    store = opened()
    assert store.get(KEY) is None
    store.put(KEY, b"first")
    store.put(KEY, b"second")
    store.close()
    again = opened()
    assert (again.get(KEY), again.get(OTHER)) == (b"second", None)
    assert again.extent().entries == 1
    again.close()
    assert told == []


def test_a_file_that_is_none_is_told_in_one_line_and_begun_anew(opened, told, tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to be looked at" * 40)
    store = opened()
    (line,) = told
    assert str(tmp_path / FILE_NAME) in line
    assert "damaged" in line
    assert "\n" not in line
    store.put(KEY, b"new")
    assert store.get(KEY) == b"new"
    store.close()


def test_damage_inside_the_file_is_noticed(opened, told, tmp_path):
    store = opened()
    for number in range(200):
        store.put(str(number).encode(), bytes(1000))
    store.close()
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    store = opened()
    found = [store.get(str(number).encode()) for number in range(200)]
    assert set(found) <= {None, bytes(1000)}
    assert None in found
    assert len(told) == 1
    store.close()


def test_an_entry_that_was_changed_is_not_believed(opened, told, tmp_path):
    store = opened()
    store.put(KEY, b"equivalent")
    store.put(OTHER, b"equivalent")
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE entries SET payload = ? WHERE key = ?", (b"different", KEY))
    connection.close()
    store = opened()
    assert store.get(OTHER) == b"equivalent"
    assert store.get(KEY) is None
    assert "damaged" in told[0]
    store.close()


def test_another_layout_is_begun_anew(opened, told, tmp_path):
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE entries (key TEXT, value TEXT)")
    connection.close()
    store = opened()
    assert "damaged" in told[0]
    store.put(KEY, b"new")
    assert store.get(KEY) == b"new"
    store.close()


def test_it_stays_within_its_limit_and_keeps_what_is_new(opened, tmp_path):
    limit = 200_000
    store = opened(limit_bytes=limit)
    for number in range(400):
        store.put(str(number).encode(), os.urandom(2_000))
    store.close()
    assert (tmp_path / FILE_NAME).stat().st_size <= limit
    store = opened(limit_bytes=limit)
    assert store.get(b"399") is not None
    assert store.get(b"0") is None
    assert store.extent().entries > 20
    store.close()


def test_what_was_used_lately_outlives_what_is_newer(opened, tmp_path):
    store = opened(limit_bytes=200_000)
    for number in range(60):
        store.put(str(number).encode(), os.urandom(2_000))
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE entries SET used = used - 30")
    connection.close()
    store = opened(limit_bytes=200_000)
    assert store.get(b"3") is not None
    store.close()
    store = opened(limit_bytes=60_000)
    store.put(b"another", b"")
    store.close()
    store = opened()
    assert store.get(b"3") is not None
    assert store.get(b"2") is None
    assert store.get(b"30") is None
    store.close()


@pytest.mark.parametrize("way", ["a file in place of the folder", "a folder in place of the file"])
def test_where_nothing_can_be_written_only_the_cache_is_lost(way, tmp_path, told):
    folder = tmp_path / "cache"
    if way.startswith("a file"):
        folder.write_text("in the way")
    else:
        (folder / FILE_NAME).mkdir(parents=True)
    store = Store(folder, told.append)
    store.put(KEY, b"lost")
    assert store.get(KEY) is None
    assert store.extent().entries == 0
    store.close()
    (line,) = told
    assert "cannot be used" in line


def test_a_full_disk_ends_the_keeping_and_is_told_once(opened, told):
    store = opened()
    store.put(KEY, b"kept")
    store._connection.execute("PRAGMA max_page_count = 8")  # SQLite's own SQLITE_FULL
    for number in range(30):
        store.put(str(number).encode(), os.urandom(4_000))
    store.close()
    (line,) = told
    assert "full" in line
    assert "not stored" in line
    store = opened()
    assert store.get(KEY) == b"kept"
    store.close()


def start(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, str(folder), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_writers_may_die_at_any_moment(opened, told, tmp_path):
    for turn in range(4):
        child = start(tmp_path, f"turn{turn}", 1_000_000)
        assert child.stdout is not None
        assert child.stdout.readline() == "under way\n"
        time.sleep(0.003 + 0.017 * turn)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        store = opened()
        for number in range(5):
            assert store.get(f"turn{turn}-{number}".encode()) == str(number).encode() * 500
        store.put(KEY, b"mine")
        assert store.get(KEY) == b"mine"
        store.close()
    assert told == []


def test_several_may_write_at_once(opened, told, tmp_path):
    children = [start(tmp_path, name, 40) for name in "ab"]
    store = opened()
    for number in range(40):
        store.put(f"c-{number}".encode(), str(number).encode() * 500)
    said = [child.communicate(timeout=60)[0] for child in children]
    assert said == ["under way\n"] * 2
    for name in "abc":
        for number in range(40):
            assert store.get(f"{name}-{number}".encode()) == str(number).encode() * 500
    store.close()
    assert told == []
