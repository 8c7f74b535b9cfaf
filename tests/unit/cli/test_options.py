"""The checks of single options, and the messages of wrong ones."""

from __future__ import annotations

import pytest

from layerlens import cli
from tests.unit.tables.stored_reports import report_of


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compre"], "No such command 'compre'. Did you mean 'compare'?"),
        (["compare"], "Missing argument 'PATH'"),
        (["compare", "--formt", "json", "x"], "--format"),
        (
            ["compare", "--format", "jsn", "x"],
            "'jsn' is not one of rich, json, markdown, csv, html",
        ),
        (["compare", "--format", "jsn", "x"], "did you mean 'json'?"),
        (["compare", "--expect", "equal", "x"], "did you mean 'equivalent'?"),
        (["compare", "--seed", "many", "x"], "'many' is not an integer of at least 0"),
        (["compare", "--seed=-1", "x"], "'-1' is not an integer of at least 0"),
        (["compare", "--jobs", "0", "x"], "'0' is not an integer of at least 1"),
        (["compare", "--timeout", "0", "x"], "'0' is not a number of seconds greater than 0"),
        (["compare", "--timeout", "inf", "x"], "'inf' is not a number of seconds"),
        (["compare", "--max-memory", "much", "x"], "'much' is not a size such as 2G"),
        (["compare", "--max-memory", "0", "x"], "'0' is not a size of at least 1 byte"),
        (["layers", "Dens"], "there is no layer 'Dens'\n  hint: did you mean Dense?"),
        (["layers", "time_distributed"], "did you mean TimeDistributed"),
        (["init"], "Missing argument 'PATH'"),
        (["render", "gone.json"], "cannot read gone.json: No such file or directory"),
    ],
)
def test_a_wrong_argument_is_refused_with_a_suggestion(arguments, message, capsys):
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("layerlens: ")
    assert message in err


def test_an_output_that_cannot_be_written_is_refused_before_the_run(fake_run, capsys, tmp_path):
    given = fake_run(report_of("equal"))
    for path, message in (
        (tmp_path, "it is a folder"),
        (tmp_path / "no" / "report.txt", "there is no folder"),
    ):
        assert cli.run(["compare", "x", "--output", str(path)]) == 2
        assert message in capsys.readouterr().err
    assert given == []
