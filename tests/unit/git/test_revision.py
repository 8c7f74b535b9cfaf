"""A revision is found by any name that git knows; what is wrong is said with what to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from layerlens.errors import RevisionError, Where
from layerlens.git.revision import Revision, find_revision, name_at
from tests.unit.git.repository import Repository

HERE = Where("nets.py")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def found(repository: Repository, name: str) -> Revision:
    return find_revision(repository.folder, name, HERE)


def refused(folder: Path, name: str = "HEAD") -> tuple[str, str]:
    with pytest.raises(RevisionError) as caught:
        find_revision(folder, name, HERE)
    assert caught.value.where == HERE
    return caught.value.message, caught.value.hint or ""


def test_a_commit_by_its_names(repository: Repository) -> None:
    first = repository.commit("Add a\nand more", a_py="1")
    repository.run("tag", "--annotate", "v1", "--message", "one")
    repository.commit("Change a", a_py="2")
    for name in ("HEAD~1", "v1", first, first[:8]):
        revision = found(repository, name)
        assert (revision.name, revision.commit, revision.subject) == (name, first, "Add a and more")
        assert revision.working_tree == str(repository.folder)
    assert str(found(repository, "v1")) == f"v1 ({first[:10]})"
    assert str(found(repository, first)) == first[:10]


def test_changes_that_are_not_committed(repository: Repository) -> None:
    repository.commit(a_py="1")
    (repository.folder / "untracked.py").write_text("")
    assert not found(repository, "HEAD").is_dirty
    (repository.folder / "a.py").write_text("2")
    assert found(repository, "HEAD").is_dirty
    repository.run("add", "a.py")
    assert found(repository, "HEAD").is_dirty


def test_no_program_of_the_repository_runs_and_nothing_changes(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit(a_py="1")
    ran = tmp_path / "ran"
    (repository.folder / ".gitattributes").write_text("*.py filter=loud\n")
    repository.run("add", "--all")
    repository.run("commit", "--quiet", "--message", "Filter")
    for key in ("filter.loud.clean", "filter.loud.smudge", "core.fsmonitor"):
        repository.run("config", key, f"touch {ran}; cat")
    for hook in ("post-index-change", "post-checkout"):
        path = repository.folder / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {ran}\n")
        path.chmod(0o755)
    os.utime(repository.folder / "a.py", (0, 0))  # git has to look at its content
    before = repository.state()
    found(repository, "HEAD~1")
    assert repository.state() == before
    assert not ran.exists()


def test_a_hook_that_runs_layerlens(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit(a_py="1")
    other = Repository(tmp_path / "other")
    other.commit(b_py="1")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
    assert find_revision(repository.folder, "HEAD", HERE).commit == commit


def test_a_name_that_is_no_revision(repository: Repository) -> None:
    repository.commit(a_py="1")
    repository.run("branch", "release")
    message, hint = refused(repository.folder, "relaese")
    assert message == f"there is no revision relaese in {repository.folder}"
    assert hint == "did you mean release?"
    for name in ("HEAD~5", "", "--all", "-1", "a..b", "HEAD^{tree}", "x\0y", "a" * 9999):
        assert refused(repository.folder, name)[1].startswith("name a commit, a branch or a tag")


def test_outside_of_a_repository(tmp_path: Path, repository: Repository) -> None:
    message, hint = refused(tmp_path)
    assert message == f"{tmp_path} is not in a git repository, so nothing is known of its past"
    assert "name a file of a repository, or two files" in hint
    message, hint = refused(repository.folder)
    assert message == "there is no revision HEAD: the repository has no commit yet"
    assert hint.startswith("commit the model first")


def test_a_shallow_clone(tmp_path: Path, repository: Repository) -> None:
    repository.commit(a_py="1")
    repository.commit(a_py="2")
    clone = tmp_path / "clone"
    repository.run("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(clone))
    message, hint = refused(clone, "HEAD~1")
    assert message == "there is no revision HEAD~1 in this clone"
    assert "git fetch --unshallow" in hint


def test_without_git(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit(a_py="1")
    monkeypatch.setenv("PATH", "")
    message, hint = refused(repository.folder)
    assert message == "a revision cannot be read: git is not installed, or not on the PATH"
    assert hint == "install git, or put it on the PATH"


def test_the_former_name_of_a_file(repository: Repository) -> None:
    long = "".join(f"line {number}\n" for number in range(20))
    repository.commit(old_py=long, same_py="1")
    revision = found(repository, "HEAD")
    repository.run("mv", "old.py", "new.py")
    (repository.folder / "added.py").write_text("2")
    repository.run("add", "--all")
    assert name_at(revision, "new.py") == "old.py"
    assert name_at(revision, "same.py") == "same.py"
    assert name_at(revision, "added.py") is None


def test_a_linked_worktree(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit(a_py="1")
    repository.run("worktree", "add", "--quiet", str(tmp_path / "linked"))
    revision = find_revision(tmp_path / "linked", "HEAD", HERE)
    assert (revision.commit, revision.working_tree) == (commit, str(tmp_path / "linked"))
    shutil.rmtree(tmp_path / "linked")
