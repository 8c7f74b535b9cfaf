"""`--layerlens-update` writes measured values and changes nothing else."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]
#: Every warning is an error; hypothesis' plugin, which has warnings of its own, is off.
STRICT = ("-W", "error", "-p", "no:hypothesispytest")

MODELS = """\
title:   Dense  or  TimeDistributed   # spaced as it pleases
input: { shape: [6, 4] }
modes: [inference, training]
models:
    td:
    - TimeDistributed: {layer: {Dense: {units: 2}}}
    - Dropout: 0.5
    'dense':
    -   Dense: 2
"""
STALE = (
    MODELS
    + """\
# what should come out
expect:
    models:
        'dense': {output_shape: [ null,7, 2 ], params: 10}    # 4×2 + 2
        td:
            layers:
                time_distributed: {params: 9, output_shape: [null, 6]}
                gone: {params: 1}
            params:   0x63
    verdicts: {dense: 'different'}
question: "Which   one?"
"""
)
UPDATED = (
    STALE.replace("null,7, 2", "null,6, 2")
    .replace("params: 9, output_shape: [null, 6]", "params: 10, output_shape: [null, 6, 2]")
    .replace("0x63", "10")
    .replace("'different'", "{inference: equivalent, training: different}")
)
FILLED = (
    MODELS
    + """\
expect:
  verdicts: {dense: {inference: equivalent, training: different}}
  models:
    td: {params: 10, output_shape: [null, 6, 2]}
    dense: {params: 10, output_shape: [null, 6, 2]}
"""
)
MATRIX = """\
input: {shape: [4]}
matrix: {units: [2, 3]}
models: {one: [Dense: "${units}"], two: [Dense: "${units}"]}
expect: {verdicts: {two: different}, models: {one: {params: 10}}}
"""
REFUSED = """\
input: {shape: [4]}
models: {one: [Dense: 3], two: [LSTM: 3]}
expect: {verdicts: {two: equivalent}, models: {two: {error: "not so", params: 1}}}
"""
CODE = """\
input: {shape: [4]}
models: {one: [Dense: 3], two: {python: "somewhere:make"}}
expect: {verdicts: {two: equivalent}}
"""


def test_measured_values_are_written_and_the_rest_is_kept(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("scenarios")

    def written(name: str) -> str:
        return (folder / name).read_bytes().decode()

    for name, text in {
        "stale.yaml": STALE,
        "empty.yaml": MODELS + "expect: {}\n",
        "matrix.yaml": MATRIX,
        "refused.yaml": REFUSED,
        "code.yaml": CODE,
        "holds.yaml": UPDATED.replace("                gone: {params: 1}\n", ""),
        "none.yaml": MODELS,
    }.items():
        (folder / name).write_text(text)
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    result = pytester.runpytest_subprocess("scenarios", "--layerlens-update", *STRICT)

    assert written("stale.yaml") == UPDATED
    assert written("empty.yaml") == FILLED
    assert written("matrix.yaml") == MATRIX.replace("different", "equivalent")
    assert written("refused.yaml") == REFUSED.replace("two: equivalent", "two: build_error")
    for name in ("code.yaml", "holds.yaml", "none.yaml"):
        assert times[folder / name] == (folder / name).stat().st_mtime_ns, "not even rewritten"
    result.assert_outcomes(failed=4, passed=19, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*not updated: the cells of the matrix measured 10 and 15*",
            "*not updated: nothing was measured: the model did not build*",
            "*not updated: `error` is text to search for, not a measurement*",
            "*not updated: nothing was measured: no such layer*",
            "*layerlens: expectations updated*",
            "scenarios/empty.yaml: 1",
            "scenarios/matrix.yaml: 1",
            "scenarios/refused.yaml: 1",
            "scenarios/stale.yaml: 5",
        ]
    )
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in times)

    again = pytester.runpytest_subprocess("scenarios/stale.yaml", "scenarios/empty.yaml")
    again.assert_outcomes(failed=1, passed=13)


@pytest.mark.nightly
def test_only_selected_expectations_are_written(pytester: pytest.Pytester) -> None:
    path = pytester.mkdir("scenarios") / "stale.yaml"
    path.write_text(STALE)
    (pytester.path / "other.yaml").write_text(MODELS + "expect: {}\n")
    pytester.runpytest_subprocess("scenarios", "-k", "dense.output_shape", "--layerlens-update")
    assert path.read_text() == STALE.replace("null,7, 2", "null,6, 2")
    assert (pytester.path / "other.yaml").read_text() == MODELS + "expect: {}\n"
