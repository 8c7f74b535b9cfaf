"""The command line: streams, exit statuses, what it refuses, and what it leaves unimported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from layerlens import cli
from layerlens.errors import InternalError, UsageError
from layerlens.report.from_json import report_from_dict
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS

FOLDER = REPORTS


def report_of(name: str) -> Report:
    return report_from_dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


@pytest.fixture
def told(monkeypatch):
    """`told(report or exception)` stands in for the run; returns the options it was given."""
    running = pytest.importorskip("layerlens.run.pipeline")
    asked = []

    def give(outcome: Report | BaseException) -> list:
        def answer(paths, options, progress=None, on_script=None, cache=None):
            asked.append((paths, options) if cache is None else (paths, options, cache))
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(running, "compare_paths", answer)
        monkeypatch.setattr(running, "summarize_paths", answer)
        return asked

    return give


@pytest.mark.parametrize(
    ("name", "status"), [("equal", 0), ("different", 1), ("matrix", 2), ("weak", 0)]
)
def test_the_exit_status_is_that_of_the_report(name, status, told, capsys):
    told(report_of(name))
    assert cli.run(["compare", "x.yaml"]) == status
    assert "EQUIVALENT" in capsys.readouterr().out or name == "different"


def test_options_reach_the_run(told, capsys):
    asked = told(report_of("equal"))
    arguments = ["--seed", "7", "--expect", "different", "--jobs", "2", "--allow-code"]
    assert cli.run(["compare", "a.yaml", "b", *arguments, "--no-cache"]) == 0
    ((paths, options),) = asked  # and no cache
    assert list(paths) == ["a.yaml", "b"]
    assert (options.seed, options.expect, options.jobs, options.allow_code) == (
        7,
        "different",
        2,
        True,
    )


def test_explain_measures_steps_tries_what_mends_and_prints_sentences_alone(told, capsys):
    asked = told(report_of("masks"))
    assert cli.run(["explain", "a.yaml", "--no-cache"]) == 0
    ((_, options),) = asked
    assert (options.deps, options.explain, options.graph) == (True, True, False)
    page = capsys.readouterr().out
    assert "they part at `left`, fed the same" in " ".join(page.split())
    assert "counterexample" not in page


def test_what_is_measured_is_asked_for(told, capsys):
    asked = told(report_of("equal"))
    for command in ("compare", "summary"):
        cli.run([command, "x", "--no-cache"])
        cli.run([command, "x", "--no-cache", "--graph", "--features"])
    choices = [(o.deps, o.features, o.graph, o.explain) for _, o in asked]
    assert choices == [(False, False, False, False), (True, True, True, False)] * 2


def test_a_cache_is_given_unless_it_is_not_wanted(told, capsys, tmp_path):
    asked = told(report_of("equal"))
    cli.run(["compare", "x", "--cache-dir", str(tmp_path / "c")])
    cli.run(["compare", "x", "--cache-dir", str(tmp_path / "d"), "--no-cache"])
    assert [len(each) for each in asked] == [3, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_limits_reach_the_run(told, capsys):
    asked = told(report_of("equal"))
    cli.run(["compare", "x", "--no-cache"])
    cli.run(["compare", "x", "--no-cache", "--timeout", "0.5", "--max-memory", "1.5GiB"])
    first, second = (options for _, options in asked)
    assert (first.timeout, first.max_memory, first.memory_limit) == (300, None, None)
    assert (second.timeout, second.max_memory) == (0.5, 3 * 2**29)
    assert second.memory_limit == second.max_memory


def test_faults_of_a_scenario_go_to_standard_error(told, capsys):
    told(report_of("matrix"))
    assert cli.run(["compare", "x", "--format", "json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "error"
    assert err == (
        "scenarios/typo.yaml:4:9: unknown layer `Dens`\n  hint: did you mean `Dense`?\n"
        "scenarios/typo.yaml:9:1: `expect` needs a mapping, received a list\n"
    )


def test_a_report_that_passes_leaves_standard_error_empty(told, capsys):
    told(report_of("equal"))
    cli.run(["compare", "x", "--quiet"])
    assert capsys.readouterr() == ("1 scenario: 1 pass\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compre"], "No such command 'compre'. Did you mean 'compare'?"),
        (["compare"], "Missing argument 'PATH...'"),
        (["compare", "--formt", "json", "x"], "--format"),
        (
            ["compare", "--format", "jsn", "x"],
            "'jsn' is not one of rich, json, markdown, csv, html",
        ),
        (["compare", "--format", "jsn", "x"], "did you mean 'json'?"),
        (["compare", "--expect", "equal", "x"], "did you mean 'equivalent'?"),
        (["compare", "--seed", "many", "x"], "'many' is not a whole number of at least 0"),
        (["compare", "--seed=-1", "x"], "'-1' is not a whole number of at least 0"),
        (["compare", "--jobs", "0", "x"], "'0' is not a whole number of at least 1"),
        (["compare", "--timeout", "0", "x"], "'0' is not a number of seconds greater than 0"),
        (["compare", "--timeout", "inf", "x"], "'inf' is not a number of seconds"),
        (["compare", "--max-memory", "much", "x"], "'much' is not a size such as 2G"),
        (["compare", "--max-memory", "0", "x"], "'0' is no memory at all"),
        (["layers", "Dens"], "there is no layer 'Dens'\n  hint: did you mean Dense?"),
        (["layers", "time_distributed"], "did you mean TimeDistributed"),
        (["init"], "Missing argument 'PATH'"),
        (["render", "gone.json"], "cannot read gone.json: No such file or directory"),
    ],
)
def test_misuse_is_refused_with_the_nearest_that_is_right(arguments, message, capsys):
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("layerlens: ")
    assert message in err


def test_without_a_command_it_tells_which_there_are(capsys):
    assert cli.run([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for command in ("compare", "summary", "explain", "init", "schema", "layers", "render"):
        assert command in err


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize(
    "command", ["", "compare", "summary", "explain", "init", "schema", "layers"]
)
def test_help_everywhere(flag, command, capsys):
    assert cli.run([*command.split(), flag]) == 0
    assert "Usage: layerlens" in capsys.readouterr().out


def test_a_usage_error_of_the_run(told, capsys):
    told(UsageError("no scenario in folder", hint="name one"))
    assert cli.run(["compare", "folder"]) == 2
    assert capsys.readouterr() == ("", "layerlens: no scenario in folder\n  hint: name one\n")


@pytest.mark.parametrize("error", [InternalError("oh"), KeyError("oh"), RecursionError("oh")])
def test_a_fault_of_its_own_is_short_and_has_a_status_of_its_own(error, told, capsys, monkeypatch):
    monkeypatch.delenv("LAYERLENS_DEBUG", raising=False)
    told(error)
    assert cli.run(["compare", "x"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "oh" in err
    assert "Traceback" not in err


def test_the_traceback_is_shown_to_who_asks(told, capsys, monkeypatch):
    monkeypatch.setenv("LAYERLENS_DEBUG", "1")
    told(KeyError("oh"))
    assert cli.run(["compare", "x"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_says_so_and_writes_nothing(told, capsys, tmp_path):
    told(KeyboardInterrupt())
    path = tmp_path / "report.txt"
    assert cli.run(["compare", "x", "--output", str(path)]) == 130
    assert capsys.readouterr() == ("", "layerlens: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_output_replaces_a_file_and_keeps_its_permissions(told, capsys, tmp_path):
    told(report_of("different"))
    path = tmp_path / "report.json"
    path.write_text("before")
    path.chmod(0o640)
    (tmp_path / "link.json").symlink_to(path)
    arguments = ["compare", "x", "--format", "json", "--output", str(tmp_path / "link.json")]
    assert cli.run(arguments) == 1
    assert capsys.readouterr() == ("", "")
    assert json.loads(path.read_text())["status"] == "fail"
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.json", "report.json"]


def test_output_to_a_device_writes_into_it(told, capsys):
    told(report_of("equal"))
    assert cli.run(["compare", "x", "--output", os.devnull]) == 0
    assert not Path(os.devnull).is_file()


def test_an_output_that_cannot_be_written_is_refused_before_the_run(told, capsys, tmp_path):
    asked = told(report_of("equal"))
    for path, message in (
        (tmp_path, "it is a folder"),
        (tmp_path / "no" / "report.txt", "there is no folder"),
    ):
        assert cli.run(["compare", "x", "--output", str(path)]) == 2
        assert message in capsys.readouterr().err
    assert asked == []


def test_a_report_rendered_again(capsys):
    assert cli.run(["render", str(FOLDER / "different.json"), "--format", "csv"]) == 0
    assert "different" in capsys.readouterr().out


def test_layers(capsys):
    assert cli.run(["layers"]) == 0
    assert {"Dense", "GRU", "TimeDistributed"} <= set(capsys.readouterr().out.split())
    assert cli.run(["layers", "GRU"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("GRU(units, activation='tanh', ")
    assert "reset_after  (default True)" in out
    assert "units  (required)" in out


def test_the_starter_is_written_once(capsys, tmp_path):
    pytest.importorskip("layerlens.scenario.starter")
    path = tmp_path / "new.yaml"
    assert cli.run(["init", str(path)]) == 0
    written = path.read_text()
    assert cli.run(["init", str(path)]) == 2
    assert "new.yaml" in capsys.readouterr().err
    assert path.read_text() == written


# --- as a process ---------------------------------------------------------------------------------

HEAVY = ("keras", "tensorflow", "pandas", "numpy", "jinja2")
LOADED = """
import sys
from layerlens.cli import run
run(sys.argv[1:])
print(sorted(set(sys.modules) & {heavy!r}), file=sys.stderr)
"""


def process(*arguments: str, code: str | None = None, **options) -> subprocess.CompletedProcess:
    start = ["-c", code] if code else ["-m", "layerlens"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["compare", "-h"], ["--version"], ["schema"], ["layers"], ["layers", "LSTM"],
     ["compare", "wrong.yaml"], ["summary", "wrong.yaml"], ["init", "new.yaml"]],
    ids=" ".join,
)  # fmt: skip
def test_what_builds_nothing_stays_light(arguments, tmp_path):
    (tmp_path / "wrong.yaml").write_text("inptu: 1\nmodels: {a: [Dense: 1], b: [Dens: 1]}\n")
    code = LOADED.format(heavy=set(HEAVY))
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = process(*arguments, code=code, cwd=tmp_path, env=environment)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


def test_the_check_for_lightness_notices():
    heavier = LOADED.replace("import sys\n", "import sys, numpy\n")
    done = process("--help", code=heavier.format(heavy=set(HEAVY)))
    assert done.stderr.splitlines()[-1] == "['numpy']"


RUN_LONG = """
import sys, time, layerlens.run.pipeline
layerlens.run.pipeline.compare_paths = lambda *a, **k: time.sleep(30)
from layerlens.cli import main
sys.argv = ["layerlens", "compare", "x"]
print("ready", flush=True)
main()
"""


def test_a_process_that_is_interrupted():
    child = subprocess.Popen(
        [sys.executable, "-c", RUN_LONG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (out, err) == ("", "layerlens: interrupted; nothing was written\n")
    assert child.returncode == 130


def test_a_reader_who_leaves_is_no_fault():
    report = str(FOLDER / "summary.json")
    for arguments in (
        ["--help"],
        ["schema"],
        ["render", report],
        ["render", report, "--format", "json"],
    ):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as closed:
            child = subprocess.run(
                [sys.executable, "-m", "layerlens", *arguments],
                stdout=closed,
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
        assert child.stderr == b""
        assert child.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told():
    with Path("/dev/full").open("wb") as full:
        child = subprocess.run(
            [sys.executable, "-m", "layerlens", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert child.returncode == 2
    assert child.stderr == ("layerlens: cannot write to standard output: No space left on device\n")


@pytest.mark.parametrize(("encoding", "box"), [("utf-8", True), ("ascii", False)])
def test_box_characters_only_where_the_encoding_has_them(encoding, box):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = process("render", str(FOLDER / "equal.json"), env=environment)
    assert ("│" in done.stdout) == box
    assert done.stdout.isascii() != box
    assert done.returncode == 0


def test_the_width_is_that_of_the_terminal(told, capsys, monkeypatch):
    told(replace(report_of("equal")))
    widths = []
    for columns in ("60", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        cli.run(["compare", "x"])
        widths.append(max(map(len, capsys.readouterr().out.splitlines())))
    assert widths == [60, 120]
