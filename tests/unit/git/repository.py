"""A git repository for tests, apart from the settings of the user."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Repository:
    """A repository in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.run("init", "--quiet", "--initial-branch=main", ".")
        for name, value in (("user.email", "a@example.org"), ("user.name", "A")):
            self.run("config", name, value)

    def run(self, *arguments: str) -> str:
        """Run git in it, and return what it prints."""
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write_object(self, content: bytes, *options: str) -> str:
        """Write an object that git may refuse to add, and return its hash."""
        done = subprocess.run(
            ["git", "hash-object", "-w", *options, "--stdin"],
            cwd=self.folder,
            input=content,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def commit_tree(self, entries: bytes) -> str:
        """Commit a tree with these entries, whatever they are, and return the commit."""
        made = self.write_object(entries, "-t", "tree", "--literally")
        return self.run("commit-tree", "-m", "bad", made)

    def commit(self, subject: str = "Change", **files: str) -> str:
        """Write files, `_` for a dot in their names and `__` for a slash, and commit everything."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.run("rev-parse", "HEAD")

    def state(self) -> dict[str, bytes]:
        """Return the content of every file of the repository's own folder."""
        own = self.folder / ".git"
        return {
            str(path.relative_to(own)): path.read_bytes()
            for path in sorted(own.rglob("*"))
            if path.is_file()
        }
