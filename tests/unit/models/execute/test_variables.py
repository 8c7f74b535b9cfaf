"""Variables become arrays that stay as they are, and take what they are given."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from layerlens.models.execute.variables import (
    as_array,
    assign_array,
    assign_blocks,
    given_weights,
    seed_variables,
    stateful_layers,
    weight_rows,
    weight_variables,
)
from layerlens.scenario.spec import ModelSpec, NodeSpec
from tests.unit.models.execute.runners import DENSE, of, runner
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int32", "bool"])
@pytest.mark.parametrize("size", [3, 200_000])
def test_assigned_values_have_the_precision_of_the_variable(dtype: str, size: int) -> None:
    variable = keras.Variable(np.zeros(size), dtype=dtype)
    given = (np.arange(size) % 100).astype("float32") + np.float32(0.1)
    assign_array(variable, given)
    wide = "float32" if dtype == "bfloat16" else dtype
    expected = keras.ops.convert_to_numpy(keras.ops.cast(given, dtype)).astype(wide)
    assert as_array(variable).dtype == wide
    np.testing.assert_array_equal(as_array(variable), expected)


def test_an_array_keeps_its_values_when_the_variable_is_assigned() -> None:
    variable = keras.Variable(np.zeros((2, 3)), dtype="float32")
    seen = as_array(variable)
    variable.assign_add(np.ones((2, 3)))
    between = as_array(variable)
    assign_array(variable, np.full((2, 3), 7.0))
    assert (seen == 0).all()
    assert (between == 1).all()
    assert (as_array(variable) == 7).all()
    with pytest.raises(ValueError, match="read-only"):
        seen[0, 0] = 1


def test_another_shape_is_refused() -> None:
    variable = keras.Variable(np.zeros((2, 3)), dtype="float32")
    with pytest.raises(ValueError, match="shape"):
        assign_array(variable, np.zeros((3, 2)))


def test_weights_are_listed_as_the_model_was_written() -> None:
    nodes = (
        NodeSpec("short", layer("Dense", units=2, name="short"), ("input",)),
        NodeSpec("long", layer("Dense", units=2, name="long"), ("input",)),
        NodeSpec("more", layer("Identity"), ("long",)),
        NodeSpec("join", layer("Add"), ("short", "more")),
    )
    graph = runner(ModelSpec("m", "graph", nodes=nodes, outputs=("join",)))
    paths = ["short/kernel", "short/bias", "long/kernel", "long/bias"]
    assert [row.path for row in weight_rows(graph.built)] == paths
    assert [slot.path for slot in graph.slots()] == paths
    assert [variable.path for variable in graph.built.model.weights] != paths  # Keras' own order


def test_a_shared_layer_has_its_weights_once_and_seeds_are_none() -> None:
    nodes = (
        NodeSpec("a", layer("Dense", units=4, name="a"), ("input",)),
        NodeSpec("b", None, ("a",), share="a"),
        NodeSpec("c", layer("Dropout", rate=0.5), ("b",)),
    )
    shared = runner(ModelSpec("m", "graph", nodes=nodes, outputs=("c",)))
    assert [row.path for row in weight_rows(shared.built)] == ["a/kernel", "a/bias"]
    assert len(weight_variables(shared.built)) == 2


def test_rows_count_params() -> None:
    kernel, bias = weight_rows(of(DENSE).built)
    assert (kernel.shape, kernel.params) == ((4, 3), 12)
    assert (bias.shape, bias.params) == ((3,), 3)


def test_seeds_and_states_are_found_by_layer() -> None:
    dropout = of(layer("Dropout", rate=0.5))
    assert len(seed_variables(dropout.built)) == 1
    assert seed_variables(of(DENSE).built) == []
    stateful = runner(chain("m", layer("GRU", units=2, stateful=True, name="kept")), input_of(5, 3))
    assert [one.name for one in stateful_layers(stateful.built)] == ["kept"]
    assert stateful_layers(of(DENSE).built) == []


def test_weights_with_values_in_the_scenario_are_given() -> None:
    dense = layer("Dense", units=1, name="only")
    values = {"bias": [2.0]}
    assert given_weights(runner(chain("m", dense, weights=values)).built) == {1}
    assert given_weights(runner(chain("m", dense)).built) == frozenset()


def test_values_that_come_in_blocks_are_assigned_in_order() -> None:
    values = np.arange(12.0).reshape(3, 4)
    for dtype in ("float32", "float64", "bfloat16"):
        variable = keras.Variable(np.zeros((3, 4)), dtype=dtype)
        assign_blocks(variable, [values.ravel()[:5], values.ravel()[5:]])
        np.testing.assert_array_equal(as_array(variable), values)
        assign_blocks(variable, [values.ravel() + 1.0])
        np.testing.assert_array_equal(as_array(variable), values + 1.0)
