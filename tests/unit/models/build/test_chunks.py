"""A model in chunks is called on one piece after the other, in every way of calling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.errors import ScenarioError
from layerlens.models.build.chunks import joined_outputs
from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from layerlens.vocabulary import Execution

pytestmark = pytest.mark.usefixtures("backend")

STEPS = InputSpec("input", (6, 2))
EXECUTIONS: tuple[Execution, ...] = ("eager", "traced", "traced_dynamic")


def model(chunks: int | None, *layers: LayerSpec, given: InputSpec = STEPS, **more: Any) -> Built:
    spec = ModelSpec("m", "layers", layers=layers, chunks=chunks, **more)
    built = build_model(spec, (given,))
    assert isinstance(built, Built), built.report.error
    return built


def gru(**more: Any) -> LayerSpec:
    return LayerSpec("GRU", {"units": 3, **more})


def outputs(built: Built, execution: Execution, x: Any) -> Any:
    outcome = KerasRunner(built).run([x], execution)
    assert outcome.error is None, outcome.error
    return outcome.outputs[0]


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_state_goes_from_piece_to_piece_in_order(execution: Execution, count: int) -> None:
    whole = model(None, gru(return_sequences=True))
    pieces = model(count, gru(return_sequences=True, stateful=True))
    x = np.random.default_rng(0).normal(size=(4, 6, 2)).astype("float32")
    KerasRunner(pieces).assign(KerasRunner(whole).values())
    expected = outputs(whole, execution, x)
    assert np.allclose(outputs(pieces, execution, x), expected, atol=1e-6)
    # The next call starts from a cleared state again.
    assert np.allclose(outputs(pieces, execution, x), expected, atol=1e-6)


def test_without_a_time_axis_the_output_is_the_last_one() -> None:
    whole, pieces = model(None, gru()), model(2, gru(stateful=True))
    x = np.random.default_rng(0).normal(size=(4, 6, 2)).astype("float32")
    KerasRunner(pieces).assign(KerasRunner(whole).values())
    assert np.allclose(outputs(pieces, "eager", x), outputs(whole, "eager", x), atol=1e-6)
    assert joined_outputs(pieces) == (False,)


def test_an_output_as_wide_as_a_piece_is_long_is_no_time_axis() -> None:
    assert joined_outputs(model(2, gru(stateful=True))) == (False,)  # 3 units, 3 steps
    assert joined_outputs(model(2, gru(return_sequences=True))) == (True,)


def test_the_report_shows_the_layers_for_one_piece_and_the_shapes_of_the_whole() -> None:
    report = model(3, gru(return_sequences=True, stateful=True)).report
    assert report.input_shape == (None, 6, 2)
    assert report.output_shape == (None, 6, 3)
    assert [row.output_shape for row in report.layers] == [(None, 2, 3)]
    assert report.params == 63
    one = model(None, gru(return_sequences=True)).report
    assert report.multiply_adds == one.multiply_adds
    assert "on 3 pieces of the input, one after the other" in report.notes[-1]


def test_inputs_without_a_time_axis_are_given_to_every_call() -> None:
    nodes = (
        NodeSpec("r", gru(stateful=True), ("s",)),
        NodeSpec("d", LayerSpec("Dense", {"units": 3}), ("v",)),
        NodeSpec("o", LayerSpec("Add"), ("r", "d")),
    )
    spec = ModelSpec("m", "graph", nodes=nodes, outputs=("o", "d"), chunks=2)
    built = build_model(spec, (InputSpec("s", (6, 2)), InputSpec("v", (2,))))
    assert isinstance(built, Built)
    assert [one.shape for one in built.inputs] == [(6, 2), (2,)]
    assert built.report.output_shape == ((None, 3), (None, 3))


def test_select_takes_a_part_of_the_joined_output() -> None:
    built = model(2, gru(return_sequences=True, stateful=True), select="[:, -1]")
    assert built.report.output_shape == (None, 3)


def test_in_float64_it_is_the_same_model() -> None:
    spec = ModelSpec("m", "layers", layers=(gru(stateful=True),), chunks=2)
    built = build_model(spec, (STEPS,), precision="float64")
    assert isinstance(built, Built)
    assert built.precision == "float64"
    assert outputs(built, "eager", np.ones((4, 6, 2))).dtype == "float64"


def test_a_piece_that_keras_refuses_is_a_refusal() -> None:
    spec = ModelSpec(
        "m", "layers", layers=(LayerSpec("Conv1D", {"filters": 1, "kernel_size": 3}),), chunks=3
    )
    refused = build_model(spec, (STEPS,))
    assert isinstance(refused, Refused)
    assert refused.report.error is not None
    assert "in one of 3 chunks" in refused.report.error.message


@pytest.mark.parametrize(
    ("given", "count", "message"),
    [
        (InputSpec("x", (7, 2)), 3, "the 7 steps of `x` cannot be cut into 3 chunks"),
        (InputSpec("x", (4,)), 2, r"`m` has no input with one: `x` \(4,\)"),
        (InputSpec("x", (2, 2)), 4, "the 2 steps of `x` cannot be cut into 4 chunks"),
    ],
)
def test_what_cannot_be_cut_is_a_fault(given: InputSpec, count: int, message: str) -> None:
    spec = ModelSpec("m", "layers", layers=(LayerSpec("Dense", {"units": 1}),), chunks=count)
    with pytest.raises(ScenarioError, match=message):
        build_model(spec, (given,))


def test_a_recording_is_not_called() -> None:
    with pytest.raises(ScenarioError, match="a recording cannot be called"):
        build_model(ModelSpec("m", "file", file="golden.npz", chunks=2), (STEPS,))
