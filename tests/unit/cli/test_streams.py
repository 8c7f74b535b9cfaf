"""Standard streams that are missing, closed or full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from layerlens.cli.streams import discard, is_write_error

OPEN_MISSING = """\
import os, sys
for descriptor in (0, 1):
    os.close(descriptor)
sys.stdin = sys.stdout = None
from layerlens.cli.streams import open_missing
open_missing()
read = sys.stdin.read()
with open({path!r}, "w") as file:
    file.write("own text")
try:
    sys.stdout.write("a report")
    sys.stdout.flush()
except OSError as error:
    print(f"read {{read!r}}, {{error.strerror}}", file=sys.stderr)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EBADF, "Bad file descriptor"), True),
        (OSError(errno.ENOSPC, "No space left on device", "report.json"), False),
        (OSError(errno.ENOENT, "No such file or directory"), False),
        (ValueError("no"), False),
    ],
)
def test_errors_in_writing_to_a_stream(error, expected):
    assert is_write_error(error) is expected


def test_a_discarded_stream_takes_everything():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        stream.write("buffered")
        with pytest.raises(BrokenPipeError):
            stream.flush()
        discard(stream)
        stream.write("more")
        stream.flush()


def test_missing_streams_are_opened_and_writing_to_them_fails(tmp_path):
    path = tmp_path / "other.txt"
    done = subprocess.run(
        [sys.executable, "-c", OPEN_MISSING.format(path=str(path))],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == "read '', Bad file descriptor\n"
    assert path.read_text() == "own text"
