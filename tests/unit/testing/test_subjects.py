"""Arguments of an assertion as scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layerlens.errors import ScenarioError, UsageError
from layerlens.scenario.spec import Scenario, Tolerance
from layerlens.testing.subjects import PairOptions, pair_scenarios, single_scenarios

SCENARIO = """\
input: {shape: [4]}
transfer: by_name
modes: [training]
models:
  plain: [Dense: 3]
  linear: [Dense: {units: 3, activation: linear}]
  relu: [Dense: {units: 3, activation: relu}]
expect: {verdicts: {linear: equivalent}}
"""
MATRIX = """\
input: {shape: [4]}
matrix: {units: [2, 3]}
models:
  one: [Dense: "${units}"]
  other: [Dense: "${units}"]
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "dense.yaml"
    file.write_text(SCENARIO)
    return str(file)


def model() -> None:
    """Stand in for a function that returns a model; it is not called."""


def names(scenarios: tuple[Scenario, ...]) -> list[list[str]]:
    return [[model.name for model in scenario.models] for scenario in scenarios]


def test_two_objects_are_reference_and_candidate() -> None:
    (scenario,) = pair_scenarios(model, model, PairOptions(inputs=[4]))
    assert names((scenario,)) == [["reference", "candidate"]]
    assert scenario.reference == "reference"
    assert scenario.inputs[0].shape == (4,)
    assert (scenario.transfer, scenario.modes, scenario.tolerance) == ("auto", ("inference",), None)


def test_a_file_alone_is_all_its_pairs_without_expectations(path: str) -> None:
    (scenario,) = pair_scenarios(path)
    assert names((scenario,)) == [["plain", "linear", "relu"]]
    assert scenario.expect is None
    assert (scenario.transfer, scenario.modes) == ("by_name", ("training",))


def test_a_model_of_a_file_is_one_pair(path: str) -> None:
    for scenarios in (pair_scenarios(f"{path}::relu"), pair_scenarios(path, "relu")):
        assert names(scenarios) == [["plain", "relu"]]


def test_models_of_two_sources_are_a_pair_in_the_scenario_of_the_first(path: str) -> None:
    (scenario,) = pair_scenarios(f"{path}::relu", model)
    assert names((scenario,)) == [["relu", "candidate"]]
    assert (scenario.reference, scenario.transfer) == ("relu", "by_name")
    (scenario,) = pair_scenarios(path, f"{path}::plain")
    assert names((scenario,)) == [["plain", "plain_2"]]


def test_options_go_before_those_of_a_scenario(path: str) -> None:
    options = PairOptions(transfer="none", mode=["inference", "training"], tolerance=(0.1, 0.2))
    (scenario,) = pair_scenarios(path, "relu", options)
    assert scenario.transfer == "none"
    assert scenario.modes == ("inference", "training")
    assert scenario.tolerance == Tolerance(0.1, 0.2)


def test_a_transfer_can_be_written_out() -> None:
    pairs = {"pairs": [{"from": "dense/kernel", "to": "conv/kernel", "transpose": [1, 0]}]}
    rule = PairOptions(transfer=pairs).changes()["transfer"]
    (pair,) = rule.pairs
    assert (pair.sources, pair.targets, pair.transpose) == (
        ("dense/kernel",),
        ("conv/kernel",),
        (1, 0),
    )
    with pytest.raises(ScenarioError, match="unknown key `pair`"):
        PairOptions(transfer={"pair": []}).changes()
    with pytest.raises(UsageError, match="transfer='by_nam' is not allowed") as caught:
        PairOptions(transfer="by_nam").changes()  # type: ignore[arg-type]
    assert caught.value.hint == "did you mean `by_name`?"


def test_the_default_options_change_nothing() -> None:
    assert PairOptions().changes() == {}


def test_each_cell_of_a_matrix_is_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "matrix.yaml"
    file.write_text(MATRIX)
    assert names(pair_scenarios(str(file), model)) == [["one", "candidate"]] * 2
    assert names(pair_scenarios(model, str(file))) == [["reference", "one"]] * 2
    assert [one.cell for one in pair_scenarios(str(file))] == [{"units": 2}, {"units": 3}]


def test_matrices_with_different_cells_make_no_pairs(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(MATRIX)
    other.write_text(MATRIX.replace("[2, 3]", "[2, 5]"))
    with pytest.raises(UsageError, match="matrices with different cells, which cannot be paired"):
        pair_scenarios(str(one), str(other))


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["{}::liner"], "has no model 'liner'", "did you mean `linear`?"),
        (["{}", "liner"], "has no model 'liner'", "did you mean `linear`?"),
        (["nowhere.yaml"], "there is no scenario file nowhere.yaml", "searched in"),
        (["{}::plain"], "there is nothing to compare: ", "give a candidate"),
        ([model], "there is nothing to compare: one model was given", "give a reference and"),
    ],
)
def test_arguments_that_make_no_pair_are_refused(
    path: str, arguments: list[Any], message: str, hint: str
) -> None:
    given = [one.format(path) if isinstance(one, str) else one for one in arguments]
    with pytest.raises(UsageError) as refused:
        pair_scenarios(*given)
    assert message in refused.value.message
    assert hint in str(refused.value.hint)


def test_inputs_with_a_scenario_are_refused(path: str) -> None:
    message = "inputs= applies to models, not to a scenario file"
    with pytest.raises(UsageError, match=message):
        single_scenarios(path, [4])
    with pytest.raises(UsageError, match=message):
        pair_scenarios(model, path, PairOptions(inputs=[4]))


def test_one_model_or_all_models_of_a_file(path: str) -> None:
    (scenario,) = single_scenarios(f"{path}::relu")
    assert (names((scenario,)), scenario.reference) == ([["relu"]], "relu")
    assert names(single_scenarios(path)) == [["plain", "linear", "relu"]]
    assert names(single_scenarios(model)) == [["model"]]
    mapping = {"input": {"shape": [4]}, "models": {"a": [{"Dense": 2}], "b": [{"Dense": 2}]}}
    assert names(single_scenarios(mapping)) == [["a", "b"]]
