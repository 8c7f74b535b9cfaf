"""The condition under which two models that differ agree is found by trying it."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.explain.conditions import condition_text
from layerlens.report.pairs import PairReport
from layerlens.run.scenario import run_scenario
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import Condition

pytestmark = pytest.mark.usefixtures("backend")

TOKENS = {"shape": [4], "dtype": "int32", "low": 0, "high": 5}


def pair(models: dict[str, Any], given: Any, **more: Any) -> PairReport:
    (scenario,) = scenario_from_mapping({"input": given, "models": models, **more})
    report = run_scenario(scenario, RunOptions(explain=True))
    assert report.errors == ()
    return report.pairs[0]


def embedded(mask_zero: bool, recurrent: Any) -> list[Any]:
    return [{"Embedding": {"input_dim": 5, "output_dim": 2, "mask_zero": mask_zero}}, recurrent]


def test_padding_is_named_where_it_alone_differs() -> None:
    found = pair({"a": embedded(True, {"GRU": 2}), "b": embedded(False, {"GRU": 2})}, TOKENS)
    assert found.verdict == "different"
    assert found.agrees_when is not None
    assert found.agrees_when.condition == {"unpadded": True}
    assert found.agrees_when.compared > 0
    assert any("write `when: {unpadded: true}`" in text for text in found.why)


def test_nothing_is_named_where_the_models_differ_without_padding_too() -> None:
    other = {"GRU": {"units": 2, "activation": "relu"}}
    found = pair({"a": embedded(True, {"GRU": 2}), "b": embedded(False, other)}, TOKENS)
    assert found.verdict == "different"
    assert found.agrees_when is None


def test_the_widest_range_is_named() -> None:
    found = pair({"a": [{"ReLU": {"max_value": 6.0}}], "b": ["ReLU"]}, {"shape": [3]})
    assert found.agrees_when is not None
    assert found.agrees_when.condition == {"range": (None, 6.0)}
    found = pair({"a": [{"ReLU": {"max_value": 6.0}}], "b": ["Identity"]}, {"shape": [3]})
    assert found.agrees_when is not None
    assert found.agrees_when.text == "for inputs in [0, 6]"


def test_a_condition_is_not_judged_if_it_allows_an_input_on_which_the_models_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged: list[Condition] = []
    compare = Trial._compare_under

    def noted(trial: Trial, condition: Condition, *others: Any) -> Any:
        judged.append(condition)
        return compare(trial, condition, *others)

    monkeypatch.setattr(Trial, "_compare_under", noted)
    models = {"a": [{"LayerNormalization": {"epsilon": 0.1}}], "b": ["LayerNormalization"]}
    found = pair(models, {"shape": [3]})
    assert (found.verdict, found.agrees_when, judged) == ("different", None, [])
    found = pair({"a": [{"ReLU": {"max_value": 6.0}}], "b": ["ReLU"]}, {"shape": [3]})
    assert found.agrees_when is not None
    assert judged == [Condition(greatest=6.0)]


def test_a_short_length_is_named() -> None:
    models = {"a": ["GlobalMaxPooling1D"], "b": ["GlobalAveragePooling1D"]}
    found = pair(models, {"shape": [None, 2]})
    assert found.agrees_when is not None
    assert found.agrees_when.condition == {"lengths": 1}


def test_another_order_of_outputs_is_named() -> None:
    graph = {"x": {"Dense": 2, "from": "input"}, "y": {"ReLU": {}, "from": "input"}}
    models = {
        "a": {"graph": graph, "outputs": ["x", "y"]},
        "b": {"graph": graph, "outputs": ["y", "x"]},
    }
    found = pair(models, {"shape": [2]})
    assert found.agrees_when is not None
    assert found.agrees_when.condition == {"outputs": ["x", "y"]}
    assert any("write `outputs: [x, y]`" in text for text in found.why)


def test_inference_is_named_for_a_difference_in_training() -> None:
    models = {"a": [{"Dense": 2}, {"Dropout": 0.5}], "b": [{"Dense": 2}]}
    found = pair(models, {"shape": [3]}, modes=["training"])
    assert found.verdict == "different"
    assert found.agrees_when is not None
    assert found.agrees_when.condition == {"modes": ["inference"]}


def test_a_mask_from_inside_a_model_cannot_be_kept_off() -> None:
    models = {"a": [{"Dense": 2}, "Masking", {"GRU": 2}], "b": [{"Dense": 2}, {"GRU": 2}]}
    given = {"shape": [4, 2]}
    (scenario,) = scenario_from_mapping(
        {"input": given, "models": models, "when": {"unpadded": True}}
    )
    (error,) = run_scenario(scenario, RunOptions()).errors
    assert "`masking` makes a mask, but not from an input of the model itself" in error.message


def test_a_condition_is_written_as_a_reader_says_it() -> None:
    assert condition_text(Condition(lengths=1, batch=2)) == "in batches of 2 and for up to 1 step"
    assert condition_text(Condition(least=-1.5)) == "for inputs of at least -1.5"
    assert Condition(least=0.0, unpadded=True).written() == {"unpadded": True, "range": (0.0, None)}
