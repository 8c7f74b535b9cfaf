"""Every block of the guides is run, in order, in a folder of its own.

The words after the language of a fence say what is done with the block: `file=` writes it, `cell`
runs it as a notebook does, and `exit=` is the expected exit status of a command. The lines shown
below a command are in its output in this order; `...` is any number of other lines.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from layerlens.scenario.yaml.parse import parse_yaml

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [
    ROOT / "docs" / f"{name}.md"
    for name in (
        "guarding_a_refactoring",
        "guarding_an_upgrade",
        "testing_a_custom_layer",
        "in_a_notebook",
        "comparing_models",
        "comparing_with_a_revision",
    )
]
#: Page → what it needs besides layerlens; without it, the page is not run.
NEEDED = {"guarding_an_export": ("onnxruntime", "tf2onnx", "ai_edge_litert")}
GUIDES += [
    ROOT / "docs" / f"{name}.md"
    for name, modules in NEEDED.items()
    if all(importlib.util.find_spec(module) for module in modules)
]
PAGES = [ROOT / "README.md", *GUIDES]
FENCE = re.compile(r"^```(\w+)(?: +([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: Path) -> list[dict[str, Any]]:
    """Return the blocks to run; in the guides these are all."""
    found = []
    for language, info, text in FENCE.findall(page.read_text()):
        told = dict(part.partition("=")[::2] for part in info.split())
        if not told:
            assert page not in GUIDES, f"{page.name} has a block that is not run:\n{text}"
            continue
        assert set(told) <= {"file", "cell", "exit"}, (page.name, info)
        found.append(
            {
                "language": language,
                "file": told.get("file"),
                "text": text,
                "exit": int(told.get("exit", 0)),
            }
        )
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    return run_pages(PAGES, tmp_path_factory.mktemp("p"))


def run_pages(files: Sequence[Path], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return, for the name of each page, what its blocks gave."""
    pages = [{"name": page.stem, "blocks": blocks_of(page)} for page in files]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("page_runner.py"), folder],
        input=json.dumps(pages),
        capture_output=True,
        text=True,
        timeout=400,
        env={**environment, "COLUMNS": "80", "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_prints_the_output_shown(
    page: Path, ran: dict[str, list[dict[str, Any]]]
) -> None:
    assert_printed(page, ran[page.stem])


def assert_printed(page: Path, results: Sequence[dict[str, Any]]) -> None:
    """Assert that the blocks of a page gave what it shows."""
    blocks = blocks_of(page)
    assert blocks
    for block, result in zip(blocks, results, strict=False):
        assert result["status"] == block["exit"], f"{block['text']}\n{result['text']}"
        missing = first_missing(expected_lines(block), result["text"])
        assert missing is None, f"not printed: {missing}\n{result['text']}"
    assert len(results) == len(blocks)


def expected_lines(block: dict[str, Any]) -> list[str]:
    if block["file"]:
        return []
    lines = block["text"].splitlines()
    if block["language"] == "python":
        return [line[2:] for line in lines if line.startswith("# ")]
    return [line for line in lines if line.strip() and line != "..." and not line.startswith("$ ")]


def first_missing(expected: list[str], text: str) -> str | None:
    """Return the first line that is not in the output, in order, whole or as a beginning."""
    printed = iter(line.rstrip() for line in text.splitlines())
    for line in expected:
        if not any(one.startswith(line.rstrip()) for one in printed):
            return line
    return None


def test_a_page_with_wrong_output_fails() -> None:
    block = {"language": "console", "file": None, "text": "$ x\none\n...\nthree\n"}
    assert expected_lines(block) == ["one", "three"]
    assert first_missing(["one", "three"], "one 1\ntwo\nthree") is None
    assert first_missing(["three", "one"], "one\ntwo\nthree") == "one"
    assert first_missing(["four"], "one\ntwo\nthree") == "four"


# --- what other programs are given ----------------------------------------------------------------


def read_yaml(path: Path) -> Any:
    document = parse_yaml(path.read_text(), str(path))
    assert document.faults == ()
    return document.value


SCENARIO = "input: {shape: [4]}\nmodels: {one: [ReLU], other: [ReLU]}\n"


def test_the_hooks_run_on_scenarios_and_fail_with_one(tmp_path, command) -> None:
    hooks = read_yaml(ROOT / ".pre-commit-hooks.yaml")
    assert [hook["id"] for hook in hooks] == ["layerlens", "layerlens-installed"]
    (tmp_path / "good.yaml").write_text(f"{SCENARIO}expect: {{verdicts: {{other: equivalent}}}}\n")
    (tmp_path / "unchecked.yaml").write_text(SCENARIO)
    (tmp_path / "bad.yaml").write_text(SCENARIO.replace("[ReLU]}", "[Relu]}"))
    for hook in hooks:
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert re.search(hook["files"], "scenarios/a.yaml")
        assert re.search(hook["files"], "models/scenarios/deep/a.yml")
        assert not re.search(hook["files"], "config.yaml")
        program, *arguments = shlex.split(hook["entry"])
        assert program == "layerlens"
        status = subprocess.run(
            [command, *arguments, "bad.yaml"], cwd=tmp_path, capture_output=True
        ).returncode
        assert status == 2
    done = subprocess.run(
        [command, *arguments, "good.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "1 scenario: 1 pass\n")
    done = subprocess.run(
        [command, *arguments, "unchecked.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "expectations: expected at least one (strict), received none" in done.stdout


def test_the_workflow_fails_and_annotates(tmp_path, command) -> None:
    workflow = read_yaml(ROOT / "docs" / "examples" / "layerlens.yml")
    steps = workflow["jobs"]["scenarios"]["steps"]
    runs = {step["name"]: step for step in steps if "layerlens" in step.get("run", "")}
    assert [step.get("if") for step in runs.values()] == [None, "always()", "always()"]
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "a.yaml").write_text(
        SCENARIO + "expect: {verdicts: {other: different}}\n"
    )
    environment = {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_WORKSPACE": str(tmp_path),
    }
    done = [
        subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        for step in runs.values()
    ]
    assert [one.returncode for one in done] == [1, 0, 0]
    assert done[1].stdout.startswith(
        "::error file=scenarios/a.yaml,line=3,col=28,title=a::one==other[inference]: expected "
        "different, received equivalent%0A"
    )
    assert "expected different" in (tmp_path / "summary.md").read_text()
