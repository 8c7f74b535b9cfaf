"""A temporary folder is removed by its owner, or by the next owner of one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from layerlens.git.folder import make_folder

#: Makes a folder, tells it, and waits.
_OWNER = """\
import tempfile, time
from layerlens.git.folder import make_folder
tempfile.tempdir = {!r}
print(make_folder()[0], flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_owner_removes_it(temporary: Path) -> None:
    folder, remove = make_folder()
    (folder / "a").write_text("1")
    assert [path.name for path in temporary.iterdir()] == [folder.name]
    assert folder.name.startswith("layerlens-revision-")
    remove()
    assert list(temporary.iterdir()) == []


def test_the_next_one_removes_those_of_killed_owners_alone(temporary: Path) -> None:
    code = _OWNER.format(str(temporary))
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    held = Path(owner.stdout.readline().strip())
    (held / "a").write_text("1")
    (temporary / "layerlens-revision-link").symlink_to(held)
    (temporary / "layerlens-revision-file").write_text("")
    first, remove = make_folder()
    assert held.is_dir()
    remove()
    owner.kill()
    owner.wait()
    owner.stdout.close()
    second, remove = make_folder()
    assert not held.exists()
    assert second.is_dir()
    assert not first.exists()
    assert (temporary / "layerlens-revision-file").exists()
    assert (temporary / "layerlens-revision-link").is_symlink()
    remove()
