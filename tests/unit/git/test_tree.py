"""All files of a revision are written as they were committed, and nowhere else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from layerlens.errors import RevisionError, Where
from layerlens.git import tree
from layerlens.git.revision import find_revision
from layerlens.git.tree import write_tree
from tests.unit.git.repository import Repository

HERE = Where("nets.py")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def written(repository: Repository, tmp_path: Path, name: str = "HEAD") -> Path:
    folder = tmp_path / "written"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_tree(find_revision(repository.folder, name, HERE), folder, HERE)
    return folder


def test_files_as_they_were(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a_py="one", pkg__b_py="two\r\n", empty_py="")
    (repository.folder / "tool").write_text("#!/bin/sh\n")
    (repository.folder / "tool").chmod(0o755)
    (repository.folder / "ünï code\n.py").write_bytes(bytes(range(256)) * 5000)
    (repository.folder / "link").symlink_to("pkg/b.py")
    repository.commit()
    before = repository.state()
    shutil.rmtree(repository.folder / "pkg")
    (repository.folder / "a.py").write_text("changed")
    (repository.folder / "untracked.py").write_text("")
    folder = written(repository, tmp_path)
    assert (folder / "a.py").read_text() == "one"
    assert (folder / "pkg" / "b.py").read_bytes() == b"two\r\n"
    assert (folder / "empty.py").read_bytes() == b""
    assert (folder / "ünï code\n.py").read_bytes() == bytes(range(256)) * 5000
    assert (folder / "link").readlink() == Path("pkg/b.py")
    assert os.access(folder / "tool", os.X_OK)
    assert not os.access(folder / "a.py", os.X_OK)
    assert not (folder / "untracked.py").exists()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["a.py", "pkg", "empty.py", "tool", "link", "ünï code\n.py"]
    )
    assert repository.state() == before
    assert repository.run("worktree", "list", "--porcelain").count("worktree ") == 1


def test_neither_attributes_nor_filters_apply(repository: Repository, tmp_path: Path) -> None:
    repository.commit(
        _gitattributes="*.py export-ignore export-subst filter=loud eol=crlf\n",
        a_py="$Format:%H$\n",
    )
    ran = tmp_path / "ran"
    repository.run("config", "filter.loud.smudge", f"touch {ran}; cat")
    folder = written(repository, tmp_path)
    assert (folder / "a.py").read_bytes() == b"$Format:%H$\n"
    assert not ran.exists()


def test_a_submodule_that_the_clone_has(repository: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.commit(blocks_py="before")
    repository.run("submodule", "--quiet", "add", f"file://{inner.folder}", "lib")
    repository.commit()
    inner.commit(blocks_py="after")
    subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "pull", "--quiet", "origin", "main"],
        cwd=repository.folder / "lib",
        check=True,
        capture_output=True,
    )
    repository.commit()
    assert (written(repository, tmp_path, "HEAD~1") / "lib" / "blocks.py").read_text() == "before"
    assert (written(repository, tmp_path) / "lib" / "blocks.py").read_text() == "after"
    clone = Repository(tmp_path / "clone")
    clone.run("pull", "--quiet", f"file://{repository.folder}", "main")
    folder = written(clone, tmp_path)
    assert list((folder / "lib").iterdir()) == []  # it is not checked out there


def test_a_file_in_lfs(repository: Repository, tmp_path: Path) -> None:
    content = b"weights" * 1000
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 7000\n"
    repository.commit(w_npz=pointer)
    assert (written(repository, tmp_path) / "w.npz").read_text() == pointer
    stored = repository.folder / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
    stored.parent.mkdir(parents=True)
    stored.write_bytes(content)
    assert (written(repository, tmp_path) / "w.npz").read_bytes() == content


def test_a_clone_that_lacks_a_file(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a_py="1", b_py="2")
    lost = repository.run("rev-parse", "HEAD:b.py")
    (repository.folder / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    with pytest.raises(RevisionError, match=r"this clone lacks b\.py, which a full clone has"):
        written(repository, tmp_path)


def test_files_that_need_more_space_than_there_is(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(a_py="1" * 1000)
    monkeypatch.setattr(tree, "_SHARE", 0.0)
    with pytest.raises(RevisionError, match=r"they take 1\.0 KB, and .* are free"):
        written(repository, tmp_path)


@pytest.mark.parametrize("name", ["../outside", ".git", "a/../../outside"])
def test_a_name_that_leaves_the_folder(repository: Repository, tmp_path: Path, name: str) -> None:
    """git itself refuses to add such a file, but not to read one that somebody made."""
    blob = repository.write_object(b"x")
    repository.commit(a_py="1")
    commit = repository.commit_tree(b"100644 " + name.encode() + b"\0" + bytes.fromhex(blob))
    with pytest.raises(RevisionError, match="it has a file of the name"):
        written(repository, tmp_path, commit)
    assert not (tmp_path / "outside").exists()


def test_a_link_and_a_folder_of_one_name(repository: Repository, tmp_path: Path) -> None:
    """Nothing is written through a link, whatever the order of the entries."""
    outside = tmp_path / "outside"
    outside.mkdir()
    repository.commit(inner__a_py="1")
    inner = repository.run("rev-parse", "HEAD:inner")
    link = repository.write_object(str(outside).encode())
    entries = b"120000 d\0" + bytes.fromhex(link) + b"40000 d\0" + bytes.fromhex(inner)
    commit = repository.commit_tree(entries)
    with pytest.raises(RevisionError, match="cannot be written"):
        written(repository, tmp_path, commit)
    assert list(outside.iterdir()) == []
