"""Models with several inputs are fed by name where both have the same names, else by position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import layerlens
from layerlens.comparison.verdict import fed_alike
from layerlens.models.build.request import Built
from layerlens.models.variants import ModelVariants
from layerlens.report.pairs import PairReport
from layerlens.run.scenario import run_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.testing.subjects import PairOptions, pair_scenarios

pytestmark = pytest.mark.usefixtures("backend")


def compared(one: Any, other: Any, **given: Any) -> PairReport:
    (scenario,) = layerlens.compare(one, other, **given).scenarios
    assert not scenario.errors, scenario.errors
    return scenario.pairs[0]


def computed(one: Any, other: Any, **given: Any) -> tuple[Any, Any, Built]:
    """Return what both models of a pair make of the same inputs, and the second one as built."""
    import numpy as np

    (scenario,) = pair_scenarios(one, other, PairOptions(**given))
    built = ModelVariants(scenario, RunOptions()).build_all()
    arrays = [np.full((2, 3), value, "float32") for value in (1, 10, 100)]
    outputs = []
    for model in built.values():
        assert isinstance(model, Built), model.report.error
        outputs.append(np.asarray(model.model(arrays)))
    return outputs[0], outputs[1], model


def inputs(names: str) -> dict[str, Any]:
    import keras

    return {name: keras.Input((3,), name=name) for name in names}


def mixed(order: str | Callable[[dict[str, Any]], Any] = "abc", names: str = "abc") -> Any:
    """Return (first + 2 second) × third as a model that takes its inputs in an order of its own."""
    import keras

    given = inputs(names)
    a, b, c = given.values()
    output = keras.layers.Multiply()([keras.layers.Add()([a, b, b]), c])
    structure = [given[name] for name in order] if isinstance(order, str) else order(given)
    return keras.Model(structure, output)


@pytest.mark.parametrize(
    "order",
    [
        "cab",
        lambda given: {"c": given["c"], "a": given["a"], "b": given["b"]},
        lambda given: {"z": [given["c"]], "q": {"b": given["b"], "a": given["a"]}},
        lambda given: [given["b"], (given["c"], given["a"])],
    ],
    ids=["list", "mapping", "mapping of a list and a mapping", "nested list"],
)
def test_inputs_of_the_same_names_are_paired_by_name(order: Any) -> None:
    one, other, built = computed(mixed(), mixed(order))
    assert (one == other).all()
    assert built.input_names == ("a", "b", "c")


def test_a_mapping_has_no_order_to_tell() -> None:
    pair = compared(mixed(), mixed(lambda given: dict(reversed(given.items()))))
    assert pair.verdict == "equivalent"
    assert pair.inputs is not None
    assert pair.inputs.method == "by_name"
    assert pair.inputs.pairs == (("a", "a"), ("b", "b"), ("c", "c"))
    assert "The inputs are paired by name (`a`, `b`, `c`)." in pair.explanation


def test_plain_lists_in_another_order_say_so_and_a_difference_is_still_found() -> None:
    import keras

    a, b, c = inputs("abc").values()
    other = keras.Model([c, b, a], keras.layers.Multiply()([keras.layers.Add()([a, a, b]), c]))
    pair = compared(mixed(), other, inputs={"c": [3], "a": [3], "b": [3]})
    assert pair.verdict == "different"
    assert "not by position: the models list them in another order" in pair.explanation
    assert pair.counterexample is not None
    given = pair.counterexample.input
    assert set(given) == {"a", "b", "c"}
    one = (given["a"][0][0] + 2 * given["b"][0][0]) * given["c"][0][0]
    assert pair.counterexample.index[1] != 0 or pair.counterexample.reference == pytest.approx(one)


def test_other_names_are_paired_by_position_and_told() -> None:
    pair = compared(mixed(), mixed("xyz", "xyz"))
    assert pair.verdict == "equivalent"
    assert pair.inputs is not None
    assert pair.inputs.method == "by_position"
    assert "by position, because their names differ: `a` with `x`, `b` with `y`" in pair.explanation
    one, other, _ = computed(mixed(), mixed("zxy", "xyz"))
    assert (one != other).any()


def test_names_that_keras_made_up_pair_nothing() -> None:
    import keras

    def unnamed(flipped: bool) -> Any:
        one, other = keras.Input((3,)), keras.Input((3,))
        if flipped:
            one, other = other, one
        return keras.Model([one, other], keras.layers.Subtract()([one, other]))

    (scenario,) = pair_scenarios(lambda: unnamed(False), lambda: unnamed(True))
    one, other = ModelVariants(scenario, RunOptions()).build_all().values()
    pairs = fed_alike(one, other)
    assert pairs is not None
    assert pairs.method == "by_position"
    assert isinstance(one, Built)
    assert isinstance(other, Built)
    ones, zeros = keras.ops.ones((1, 3)), keras.ops.zeros((1, 3))
    assert float(one.model([ones, zeros])[0, 0]) == float(other.model([ones, zeros])[0, 0]) == 1.0


@pytest.mark.parametrize("suffix", [".keras", ".json"])
def test_saved_models_are_paired_by_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    saved = mixed("bca")
    saved.save(path) if suffix == ".keras" else path.write_text(saved.to_json())
    one, other, _ = computed(mixed(), path)
    assert (one == other).all()


def subclasses() -> dict[str, Any]:
    import keras

    class Mapping(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return (x["a"] + 2 * x["b"]) * x["c"]

    class Listed(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            a, b, c = x
            return (a + 2 * b) * c

    class Keywords(keras.layers.Layer):  # type: ignore[misc]
        def call(self, c: Any, *, b: Any, a: Any, training: bool = False) -> Any:
            return (a + 2 * b) * c

    class Positional(keras.Model):  # type: ignore[misc]
        def call(self, one: Any, two: Any, three: Any) -> Any:
            return (one + 2 * two) * three

    class Nested(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return (x["pair"]["a"] + 2 * x["pair"]["b"]) * x["c"]

    nested = Nested()
    zeros = keras.ops.zeros((1, 3))
    nested({"pair": {"b": zeros, "a": zeros}, "c": zeros})
    return {
        "mapping": Mapping(),
        "list": Listed(),
        "keywords": Keywords(),
        "positional": Positional(),
        "as it was called before": nested,
    }


@pytest.mark.parametrize(
    "form", ["mapping", "list", "keywords", "positional", "as it was called before"]
)
def test_a_subclass_is_called_in_the_form_that_it_takes(form: str) -> None:
    given = {"a": [3], "b": [3], "c": [3]}
    one, other, _ = computed(mixed("cab"), subclasses()[form], inputs=given)
    assert (one == other).all()
    assert one[0, 0] == (1 + 2 * 10) * 100


def test_a_subclass_that_takes_no_form_is_refused_for_what_it_wants() -> None:
    import keras

    class Wrong(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x["a"] + x["nowhere"]

    pair = compared(mixed(), Wrong(), inputs={"a": [3], "b": [3], "c": [3]})
    assert pair.verdict == "build_error"
    assert "nowhere" in pair.explanation


def test_the_script_feeds_both_models_the_same(tmp_path: Path) -> None:
    path = tmp_path / "order.yaml"
    path.write_text(
        """
models:
  a:
    inputs: {x: {shape: [2]}, y: {shape: [2]}}
    graph: {gain: {Subtract: {}, from: [x, y]}}
    outputs: [gain]
  b:
    inputs: {y: {shape: [2]}, x: {shape: [2]}}
    graph: {loss: {Subtract: {}, from: [y, x]}}
    outputs: [loss]
"""
    )
    scripts: list[str] = []
    (scenario,) = read_scenarios(path)
    report = run_scenario(scenario, RunOptions(), lambda _, script: scripts.append(script))
    (pair,) = report.pairs
    assert pair.verdict == "different"
    assert pair.counterexample is not None
    found: dict[str, Any] = {}
    exec(compile(scripts[0], "script", "exec"), found)  # the script is what is tested
    assert found["one"][pair.counterexample.index] == pair.counterexample.reference
    assert found["other"][pair.counterexample.index] == pair.counterexample.candidate
