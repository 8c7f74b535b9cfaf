"""The versions that `make lowest` installs are the lower bounds in pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def bounds(lines: list[str], relation: str) -> dict[str, Version]:
    found = (re.fullmatch(rf"([\w.-]+){relation}([\d.]+)", line) for line in lines)
    return {match[1]: Version(match[2]) for match in found if match}


def test_lowest_versions_are_the_lower_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    written = [*project["dependencies"], *extras["test"]]
    for own in [line for line in written if line.startswith("layerlens[")]:
        written.remove(own)
        for extra in own[len("layerlens[") : -1].split(","):
            written += extras[extra]
    allowed = bounds(written, ">=")
    assert len(allowed) == len(written), "every dependency has a lower bound and no other"
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()
    assert bounds(lines, "==") == allowed
