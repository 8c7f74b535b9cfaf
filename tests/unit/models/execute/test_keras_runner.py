"""Models are run in three ways, from clear states, and a refusal is an outcome."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.scenario.spec import ModelSpec, NodeSpec
from tests.unit.models.execute.runners import DENSE, of, runner
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")

EXECUTIONS = ("eager", "traced", "traced_dynamic")
X = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
SERIES = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


# --- calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_every_way_of_calling_computes_the_layer(execution: Any) -> None:
    dense = of(DENSE)
    kernel, bias = np.ones((4, 3)), np.asarray([0.0, 1.0, 2.0])
    dense.assign([kernel, bias])
    outcome = dense.run([X], execution)
    assert outcome.error is None
    assert outcome.dtypes == ("float32",)
    assert outcome.shapes == ((2, 3),)
    np.testing.assert_allclose(outcome.outputs[0], X @ kernel + bias, rtol=1e-5)


def test_float64_is_that_precise() -> None:
    double = runner(chain("m", layer("Rescaling", scale=3.0)), precision="float64")
    value = np.full((1, 4), 1 + 2.0**-40)
    (output,) = double.run([value], "eager").outputs
    assert output.dtype == np.float64
    assert (output == 3 * value).all()
    (rounded,) = of(layer("Rescaling", scale=3.0)).run([value], "eager").outputs
    assert (rounded == 3.0).all()


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_refusal_is_an_outcome(execution: Any) -> None:
    steps = input_of(None, 3)
    flat = runner(chain("m", layer("Reshape", target_shape=(2, -1)), layer("ReLU")), steps)
    refused = flat.run([SERIES[:, :5, :3]], execution)  # 15 numbers are not two rows
    assert refused.outputs == ()
    assert refused.error is not None
    assert refused.error.message
    assert flat.run([SERIES[:, :4]], execution).error is None


def test_several_inputs_and_outputs_keep_their_order() -> None:
    nodes = (
        NodeSpec("apart", layer("Subtract"), ("left", "right")),
        NodeSpec("sum", layer("Add"), ("left", "right")),
    )
    graph = ModelSpec("m", "graph", nodes=nodes, outputs=("sum", "apart"))
    both = runner(graph, input_of(4, name="left"), input_of(4, name="right"))
    outcome = both.run([X, 2 * X], "traced_dynamic")
    np.testing.assert_allclose(outcome.outputs[0], 3 * X, rtol=1e-6)
    np.testing.assert_allclose(outcome.outputs[1], -X, rtol=1e-6)


def test_text_outputs_are_bytes() -> None:
    lookup = layer("StringLookup", vocabulary=["a", "b"], invert=True)
    words = runner(chain("m", lookup), input_of(2, dtype="int64", low=0, high=3))
    (output,) = words.run([np.asarray([[1, 2]])], "eager").outputs
    assert output.tolist() == [[b"a", b"b"]]


def test_bfloat16_outputs_are_float32_arrays() -> None:
    half = runner(chain("m", layer("ReLU"), dtype="bfloat16"))
    outcome = half.run([X], "eager")
    assert outcome.dtypes == ("bfloat16",)
    assert outcome.outputs[0].dtype == np.float32


def test_the_inputs_are_not_changed() -> None:
    before = X.copy()
    of(DENSE).run([X], "eager")
    np.testing.assert_array_equal(X, before)


# --- states and seeds -----------------------------------------------------------------------------


def test_every_call_starts_from_the_same_seed_unless_another_is_given() -> None:
    dropout = of(layer("Dropout", rate=0.5))
    ones = np.ones((8, 4), dtype="float32")

    def output(**how: Any) -> Any:
        return dropout.run([ones], "traced_dynamic", training=True, **how).outputs[0]

    np.testing.assert_array_equal(output(), output())
    np.testing.assert_array_equal(output(seed=3), output(seed=3))
    assert not np.array_equal(output(), output(seed=3))
    assert not np.array_equal(output(), output(reset=False))
    assert dropout.is_random
    assert not of(DENSE).is_random


def test_every_call_starts_from_cleared_states_by_default() -> None:
    kept = runner(chain("m", layer("SimpleRNN", units=2, stateful=True)), input_of(5, 3))
    size = kept.built.batch_size
    assert size is not None
    steps = kept.fitted([SERIES])
    assert len(steps[0]) == size

    def output(**how: Any) -> Any:
        return kept.run(steps, "traced", **how).outputs[0]

    np.testing.assert_array_equal(output(), output())
    assert not np.array_equal(output(), output(reset=False))


def test_a_model_of_one_batch_size_takes_any_number_of_samples() -> None:
    stateful = layer("SimpleRNN", units=2, stateful=True)
    kept = runner(chain("m", stateful), input_of(5, 3))
    free = runner(chain("m", layer("SimpleRNN", units=2)), input_of(5, 3))
    free.assign(kept.values())
    many = np.random.default_rng(1).normal(size=(6, 5, 3)).astype("float32")
    for samples in (6, 1):
        (ours,) = kept.run([many[:samples]], "eager").outputs
        (theirs,) = free.run([many[:samples]], "eager").outputs
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


# --- weights --------------------------------------------------------------------------------------


def test_as_many_values_as_weights_are_assigned() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        of(DENSE).assign([np.ones((4, 3))])


# --- beside the output ----------------------------------------------------------------------------


def test_a_mask_is_returned_where_there_is_one() -> None:
    steps = SERIES.copy()
    steps[:, 3:] = 0
    masked = runner(chain("m", layer("Masking")), input_of(5, 3))
    (mask,) = masked.masks([steps])
    assert mask is not None
    assert mask.tolist() == [[True] * 3 + [False] * 2] * 2
    assert runner(chain("m", DENSE), input_of(5, 3)).masks([steps]) == [None]


def test_losses_are_summed() -> None:
    regular = layer(
        "Dense", units=3, kernel_regularizer={"class_name": "L2", "config": {"l2": 0.5}}
    )
    dense = of(regular, layer("ActivityRegularization", l1=0.0))
    dense.assign([np.ones((4, 3)), np.zeros(3)])
    assert dense.losses([X]) == pytest.approx(6.0)
    assert of(DENSE).losses([X]) == 0.0


def test_gradients_of_long_sequences_are_those_of_eager_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gru = runner(chain("m", layer("GRU", units=2)), input_of(70, 3), precision="float64")
    steps = np.random.default_rng(0).normal(size=(2, 70, 3))
    (by_input,), by_weights = gru.gradients([steps], [np.ones((2, 2))])
    monkeypatch.setattr("layerlens.models.execute.keras_runner.MOST_EAGER", 70)
    (eager_by_input,), eager_by_weights = gru.gradients([steps], [np.ones((2, 2))])
    np.testing.assert_allclose(by_input, eager_by_input, rtol=1e-9, atol=1e-12)
    for one, other in zip(by_weights, eager_by_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_gradients_are_by_inputs_and_weights() -> None:
    dense = of(DENSE)
    kernel = np.arange(12.0).reshape(4, 3)
    dense.assign([kernel, np.zeros(3)])
    direction = np.asarray([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    (by_input,), by_weights = dense.gradients([X], [direction])
    assert by_input is not None
    np.testing.assert_allclose(by_input, direction @ kernel.T, rtol=1e-5)
    assert by_weights[0] is not None
    np.testing.assert_allclose(by_weights[0], X.T @ direction, rtol=1e-5)
    assert by_weights[1] is not None
    assert by_weights[1].tolist() == [1.0, 0.0, 2.0]


def test_where_nothing_flows_the_gradient_is_none() -> None:
    twice = ModelSpec(
        "m",
        "graph",
        nodes=(NodeSpec("a", layer("ReLU"), ("left",)),),
        outputs=("a",),
    )
    two = runner(twice, input_of(4, name="left"), input_of(4, name="right"))
    by_inputs, _ = two.gradients([X, X], [np.ones((2, 4))])
    assert by_inputs[0] is not None
    assert by_inputs[1] is None


def test_a_layer_that_fails_only_when_traced_is_refused_there_alone() -> None:
    @keras.saving.register_keras_serializable("measuring")
    class Eager(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            if hasattr(inputs, "numpy"):
                return inputs * 1.0
            if isinstance(inputs, keras.KerasTensor):
                return inputs
            raise RuntimeError("only eagerly")

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    model = keras.Sequential([keras.Input((4,)), Eager()])
    given = runner(ModelSpec("m", "object", given=model))
    assert given.run([X], "eager").error is None
    refused = given.run([X], "traced").error
    assert refused is not None
    assert "only eagerly" in refused.message
