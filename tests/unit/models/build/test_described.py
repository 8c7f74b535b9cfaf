"""Descriptions become models: names, shapes, precisions, refusals; the process is left alone."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.errors import MemoryLimitError, ScenarioError, UnsafeCodeError, Where
from layerlens.models.build.described import layer_specs
from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.every_layer import CASES, NOT_BUILDABLE, VARIANTS, Case, layer

SEQUENCE = (InputSpec("input", (64, 15)),)
VECTOR = (InputSpec("input", (6,)),)


def chain(*layers: LayerSpec, **more: Any) -> ModelSpec:
    return ModelSpec("m", "layers", layers=layers, **more)


def graph(*nodes: NodeSpec, outputs: tuple[str, ...]) -> ModelSpec:
    return ModelSpec("m", "graph", nodes=nodes, outputs=outputs)


def node(name: str, spec: LayerSpec | None, *inputs: str, share: str | None = None) -> NodeSpec:
    return NodeSpec(name, spec, inputs, share)


def build(spec: ModelSpec, inputs: tuple[InputSpec, ...] = VECTOR, **how: Any) -> Built:
    result = build_model(spec, inputs, **how)
    assert isinstance(result, Built), result.report.error
    return result


def refusal(spec: ModelSpec, inputs: tuple[InputSpec, ...] = VECTOR) -> Refused:
    result = build_model(spec, inputs)
    assert isinstance(result, Refused)
    return result


# --- every layer ----------------------------------------------------------------------------------

#: Keras returns the tensor it was given, which no functional model can hold.
REFUSED_BY_KERAS = {"Equalization"}


def test_no_public_layer_is_forgotten() -> None:
    public = {name for name in dir(keras.layers) if isinstance(getattr(keras.layers, name), type)}
    built = {spec.type for case in CASES for spec in layer_specs(case.layer)}
    assert public - built - set(NOT_BUILDABLE) == set()


@pytest.mark.parametrize("case", [*CASES, *VARIANTS], ids=lambda case: case.id)
def test_every_layer_builds_in_both_precisions(case: Case) -> None:
    if case.layer.type in REFUSED_BY_KERAS:
        assert (
            "hands its input tensor on"
            in refusal(chain(case.layer), case.inputs).report.error.message
        )
        return
    for precision, unwanted in (("working", "float64"), ("float64", "float32")):
        built = build(chain(case.layer), case.inputs, precision=precision)
        assert built.precision == precision
        if "lora_rank" not in case.layer.arguments:  # Keras leaves these in float32
            assert unwanted not in {weight.dtype for weight in built.model.weights}
        assert all(weight.numpy() is not None for weight in built.model.weights)


# --- as a fresh Keras session ---------------------------------------------------------------------


def test_names_and_weights_are_those_of_a_fresh_session() -> None:
    spec = chain(
        layer("GRU", units=16, return_sequences=True, reset_after=False),
        layer("TimeDistributed", layer=layer("Dense", units=15)),
        layer("Dense", units=2),
    )
    keras.layers.GRU(2)  # counts in the caller's session only
    for _ in range(2):
        built = build(spec, SEQUENCE)
        names = [row.name for row in built.report.layers]
        assert names == ["gru", "time_distributed", "dense_1"]
        assert built.model.weights[3].path == "time_distributed/dense/kernel"
        assert built.report.params == 1_791 + 32


def test_the_process_is_left_as_it_was() -> None:
    named = keras.layers.Dense(1).name
    policy = keras.config.dtype_policy().name
    state = random.getstate()
    numbers = np.random.get_state()[1].tolist()
    build(chain(layer("Dense", units=3), layer("Dropout", rate=0.5), dtype="mixed_float16"))
    assert random.getstate() == state
    assert np.random.get_state()[1].tolist() == numbers
    following = keras.layers.Dense(1).name
    counts = [int(name.removeprefix("dense").lstrip("_") or 0) for name in (named, following)]
    assert counts[1] - counts[0] == 1
    assert keras.config.dtype_policy().name == policy


def test_the_seed_decides_the_initial_weights() -> None:
    kernels = [
        build(chain(layer("Dense", units=3)), seed=seed).model.weights[0] for seed in (1, 1, 2)
    ]
    first, again, other = (kernel.numpy() for kernel in kernels)
    assert (first == again).all()
    assert (first != other).any()


def test_a_failure_crosses_back_and_leaves_no_trace() -> None:
    random.seed(7)
    state = random.getstate()
    with pytest.raises(ScenarioError):
        build(chain(layer("Dense", units=3), weights={"nothing": [1]}))
    assert random.getstate() == state
    assert build(chain(layer("Dense", units=3))).report.layers[0].name == "dense"


# --- size -----------------------------------------------------------------------------------------


def test_a_summary_of_billions_takes_no_memory_and_no_time() -> None:
    inputs = (InputSpec("input", (300_000,)),)
    spec = chain(layer("Dense", units=300_000), layer("Dense", units=300_000))
    build(spec, inputs, allocate=False)
    started = time.perf_counter()
    built = build(spec, inputs, allocate=False)
    assert time.perf_counter() - started < 1
    assert built.report.params == 180_000_600_000
    assert not built.allocated


def test_what_does_not_fit_is_told_before_it_is_tried() -> None:
    inputs = (InputSpec("input", (300_000,)),)
    spec = chain(layer("Dense", units=300_000), layer("LSTM", units=3))
    with pytest.raises(MemoryLimitError) as caught:
        build_model(chain(spec.layers[0]), inputs)
    assert (
        "model `m` needs 1.1 TB of memory while its 90,000,300,000 params are initialised, "
        "which take 360.0 GB" in caught.value.message
    )
    assert caught.value.hint == "`layerlens summary` runs nothing and works at any size"
    small = chain(layer("Dense", units=4))
    with pytest.raises(MemoryLimitError, match=r"needs 336 bytes .* but 335 bytes are allowed"):
        build_model(small, VECTOR, memory_limit=335)
    assert build(small, memory_limit=336).allocated
    with pytest.raises(MemoryLimitError):
        build_model(small, VECTOR, memory_limit=336, precision="float64")
    stateful = chain(layer("LSTM", units=4, stateful=True))
    with pytest.raises(MemoryLimitError):
        build_model(stateful, SEQUENCE, memory_limit=1000)


def test_absurd_sizes_do_not_crash() -> None:
    report = build(
        chain(layer("Dense", units=10**12), layer("Dense", units=10**12)), allocate=False
    ).report
    assert report.params == 6 * 10**12 + 10**24 + 2 * 10**12


def test_a_very_deep_model_is_built() -> None:
    limit = sys.getrecursionlimit()
    built = build(chain(*[layer("ReLU")] * 1200), allocate=False)
    assert len(built.report.layers) == 1200
    assert sys.getrecursionlimit() == limit


# --- graphs ---------------------------------------------------------------------------------------


def test_an_input_given_twice_is_query_and_value() -> None:
    for attention in (layer("Attention"), layer("MultiHeadAttention", num_heads=2, key_dim=3)):
        spec = graph(node("mix", attention, "input", "input"), outputs=("mix",))
        built = build(spec, SEQUENCE)
        assert built.report.output_shape == (None, 64, 15)
        assert built.report.layers[0].name == "mix"


def test_nodes_are_put_in_order_and_shared_layers_counted_once() -> None:
    spec = graph(
        node("sum", layer("Add"), "left", "right"),
        node("right", None, "b", share="left"),
        node("left", layer("Dense", units=4), "a"),
        outputs=("sum", "left"),
    )
    built = build(spec, (InputSpec("a", (6,)), InputSpec("b", (6,))))
    assert built.report.params == 28
    assert built.report.output_shape == ((None, 4), (None, 4))
    total, left = built.model([np.ones((2, 6)), np.zeros((2, 6))])
    np.testing.assert_allclose(total, left)  # zeros through the shared layer add its zero bias


def test_the_state_of_one_layer_starts_another() -> None:
    encoder = node("encoder", layer("LSTM", units=4, return_state=True), "source")
    inputs = (InputSpec("source", (5, 3)), InputSpec("target", (2, 3)))
    decoder = layer("LSTM", units=4, return_sequences=True)
    spec = graph(
        encoder, node("decoder", decoder, "target", "encoder:1", "encoder:2"), outputs=("decoder",)
    )
    model = build(spec, inputs).model
    x, y = np.ones((1, 5, 3)), np.ones((1, 2, 3))
    assert not np.allclose(model([x, y]), model([x * 2, y]))
    assert len(build(graph(encoder, outputs=("encoder",)), inputs).model.outputs) == 3


def test_a_graph_at_fault_names_the_fault() -> None:
    circle = graph(node("a", layer("ReLU"), "b"), node("b", layer("ReLU"), "a"), outputs=("a",))
    with pytest.raises(ScenarioError, match="the graph runs in a circle: a -> b -> a"):
        build_model(circle, VECTOR)
    lost = graph(node("a", layer("ReLU"), "inptu"), outputs=("a",))
    with pytest.raises(ScenarioError, match="`inptu` names no node or input; there are `input`"):
        build_model(lost, VECTOR)
    beyond = graph(node("a", layer("ReLU"), "input"), outputs=("a:1",))
    with pytest.raises(ScenarioError, match="asks for output 1 of `a`, which has 1"):
        build_model(beyond, VECTOR)


# --- refusals -------------------------------------------------------------------------------------


def test_a_refusal_has_the_layer_the_reason_and_the_rows_before() -> None:
    result = refusal(chain(layer("LSTM", units=8), layer("LSTM", units=8)), SEQUENCE)
    assert [row.name for row in result.report.layers] == ["lstm"]
    assert result.report.error.layer == "lstm_1"
    assert "return_sequences: true" in result.report.error.hint
    assert result.report.output_shape is None


def test_an_argument_keras_refuses_names_the_layer_it_would_have_made() -> None:
    spec = chain(layer("Dense", units=3), layer("Dense", units=-1))
    result = refusal(spec)
    assert result.report.error.layer == "dense_1"
    assert [row.name for row in result.report.layers] == ["dense"]


def test_two_layers_of_one_name_are_refused() -> None:
    spec = chain(layer("Dense", units=3, name="same"), layer("ReLU", name="same"))
    assert "two layers of the model are called `same`" in refusal(spec).report.error.message


def test_an_input_may_share_its_name_with_a_layer() -> None:
    built = build(chain(layer("Dense", units=3, name="input")))
    assert [row.name for row in built.report.layers] == ["input"]


def test_a_select_that_does_not_fit_is_refused_and_one_that_fits_reshapes() -> None:
    sequence = layer("GRU", units=4, return_sequences=True)
    assert build(chain(sequence, select="[:, -1]"), SEQUENCE).report.output_shape == (None, 4)
    error = refusal(chain(sequence, select="[:, -1, 0, 0]"), SEQUENCE).report.error
    assert "takes 4 axes, but the output (None, 64, 4) has 3" in error.message
    error = refusal(chain(sequence, select="[:, 64]"), SEQUENCE).report.error
    assert "takes position 64 of axis 1, but the output (None, 64, 4) has 64 there" in error.message


def test_layers_that_are_code_need_permission() -> None:
    spec = chain(LayerSpec("Lambda", {"function": "lambda x: x"}, Where("s.yaml", 4, 7)))
    with pytest.raises(UnsafeCodeError, match=r"s.yaml:4:7: `Lambda` runs code of its own"):
        build_model(spec, VECTOR)


def test_a_lambda_names_its_function_where_code_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "own_functions.py").write_text("def twice(x): return x * 2")
    where = Where(str(tmp_path / "s.yaml"), 4, 7)
    Path(where.file).touch()
    spec = chain(LayerSpec("Lambda", {"function": "own_functions:twice"}, where))
    assert np.all(build(spec, allow_code=True).model(np.ones((1, 6))) == 2)
    spec = chain(LayerSpec("Lambda", {"function": "own_functions:thrice"}, where))
    with pytest.raises(ScenarioError, match=r"s.yaml:4:7: module `own_functions` has no `thrice`"):
        build_model(spec, VECTOR, allow_code=True)


def test_an_unknown_policy_or_dtype_is_the_scenarios_fault() -> None:
    with pytest.raises(ScenarioError, match="'float99' is no dtype policy of Keras; `float32`"):
        build_model(chain(layer("ReLU"), dtype="float99"), VECTOR)
    with pytest.raises(ScenarioError, match=r"input `input` of shape .* and dtype float99"):
        build_model(chain(layer("ReLU")), (InputSpec("input", (6,), "float99"),))


# --- precision, state, weights --------------------------------------------------------------------


def test_float64_reaches_dtypes_that_were_asked_for() -> None:
    spec = chain(
        layer("Dense", units=3, dtype="float16"),
        layer("TimeDistributed", layer=layer("Dense", units=2, dtype="mixed_bfloat16")),
        layer("CategoryEncoding", num_tokens=3, dtype="int32"),
        dtype="bfloat16",
    )
    working = build(chain(*spec.layers[:2], dtype="bfloat16"), SEQUENCE)
    assert {weight.dtype for weight in working.model.weights} == {"float16", "float32"}
    double = build(chain(*spec.layers[:2], dtype="bfloat16"), SEQUENCE, precision="float64")
    assert {weight.dtype for weight in double.model.weights} == {"float64"}
    assert double.model.inputs[0].dtype == "float64"
    tokens = (InputSpec("input", (4,), "int32", 0, 3),)
    assert (
        build(chain(spec.layers[2]), tokens, precision="float64").model.inputs[0].dtype == "int32"
    )


def test_a_stateful_model_takes_one_batch_size_and_reports_it_open() -> None:
    spec = chain(layer("LSTM", units=4, stateful=True, return_sequences=True), layer("Flatten"))
    built = build(spec, SEQUENCE)
    assert built.batch_size == 4
    assert [row.output_shape for row in built.report.layers] == [(None, 64, 4), (None, 256)]
    x = np.ones((4, 64, 15))
    assert not np.allclose(built.model(x), built.model(x))  # it goes on where it was
    data = (InputSpec("input", (64, 15), values=np.zeros((3, 64, 15)).tolist()),)
    assert build(spec, data).batch_size == 3
    assert build(spec, SEQUENCE, allocate=False).report == built.report


def test_a_draft_tells_which_held_layers_are_stateful():
    held = LayerSpec("LSTM", {"units": 2, "stateful": True})
    spec = ModelSpec("m", "layers", layers=(LayerSpec("Bidirectional", {"layer": held}),))
    drafted = build(spec, SEQUENCE, allocate=False).report
    assert drafted == build(spec, SEQUENCE).report
    assert drafted.layers[0].arguments["backward_layer.stateful"] is True


def test_weights_are_set_by_path_or_its_end() -> None:
    gru = layer("GRU", units=1)
    spec = chain(
        gru,
        layer("Dense", units=2),
        weights={"dense/bias": [3, 4], "recurrent_kernel": [[5, 6, 7]]},
    )
    values = {weight.path: weight.numpy() for weight in build(spec, SEQUENCE).model.weights}
    assert values["dense/bias"].tolist() == [3, 4]
    assert values["gru/gru_cell/recurrent_kernel"].tolist() == [[5, 6, 7]]


def test_weights_at_fault_are_all_told_at_once() -> None:
    layers = (layer("Dense", units=2), layer("Dense", units=2))
    weights = {"kernal": [1], "bias": [0, 0], "dense/bias": [1, 2, 3], "dense_1/bias": ["x", "y"]}
    with pytest.raises(ScenarioError) as caught:
        build_model(chain(*layers, weights=weights), VECTOR)
    messages = [str(fault) for fault in caught.value.faults]
    assert "has no weight `kernal`" in messages[0]
    assert "did you mean `kernel`?" in messages[0]
    assert "`bias` could be any of `dense/bias`, `dense_1/bias`" in messages[1]
    assert "the values of `dense/bias` have shape (3,), the weight has (2,)" in messages[2]
    assert "the values of `dense_1/bias` are not numbers" in messages[3]
