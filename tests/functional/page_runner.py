"""Run the blocks of pages, given as JSON on standard input, and print the output of each as JSON.

All pages share a process, so that TensorFlow starts once; each page has a folder of its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerlens.plain.garbage import collect_rarely

#: Who commits, where git was not told.
AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Me"), ("EMAIL", "me@example.org"))
}


def run_page(page: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Run the blocks in order, up to the first that raises."""
    folder.mkdir(parents=True)
    os.chdir(folder)
    known: dict[str, Any] = {}
    results = []
    for block in page["blocks"]:
        status, text = captured(lambda block=block: run_block(block, known))
        results.append({"status": status, "text": text})
        if status == "raised":
            break
    return results


def captured(work: Callable[[], Any]) -> tuple[Any, str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    before = sys.stdout
    sys.stdout = stream
    try:
        status = work()
    except BaseException:
        status = "raised"
        stream.write(traceback.format_exc())
    finally:
        sys.stdout = before
    return status, stream.buffer.getvalue().decode()


def run_block(block: dict[str, Any], known: dict[str, Any]) -> int:
    if block["file"]:
        path = Path(block["file"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"])
        return 0
    if block["language"] == "python":
        with imports_from_folder():
            exec(compile(block["text"], "<page>", "exec"), known)
        return 0
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()  # as for a command, layer names start again
    lines = [line for line in block["text"].splitlines() if line.startswith("$ ")]
    statuses = [run_command(*shlex.split(line[2:])) for line in lines]
    assert not any(statuses[:-1]), block["text"]
    return statuses[-1]


def run_command(program: str, *arguments: str) -> int:
    if program == "git":
        return subprocess.run(
            [program, *arguments], env={**os.environ, **AUTHOR}, capture_output=True
        ).returncode
    with imports_from_folder():
        if program == "layerlens":
            from layerlens.cli import run

            return run(list(arguments))
        if program == "pytest":
            import pytest

            return int(pytest.main([*arguments, "-p", "no:cacheprovider", "--color=no"]))
    raise ValueError(f"no page runs {program}")


@contextlib.contextmanager
def imports_from_folder() -> Any:
    """Context manager that imports modules from the page's folder, and unloads them afterwards."""
    here = str(Path.cwd())
    before = set(sys.modules)
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(here):
                del sys.modules[name]


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    collect_rarely()  # as the command does
    pages = json.load(sys.stdin)
    root = Path(sys.argv[1]).resolve()
    results = {page["name"]: run_page(page, root / page["name"]) for page in pages}
    json.dump(results, sys.stdout)
