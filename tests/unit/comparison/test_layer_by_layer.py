"""Large models are compared layer by layer, and a difference is named by the layer that has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerlens.comparison.budget import Budget
from layerlens.comparison.examination import Examination
from layerlens.comparison.layer_by_layer import Found, LayerByLayer
from layerlens.comparison.pair import Pair
from layerlens.comparison.verdict import decide
from layerlens.explain.pair_report import report_pair
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import BASE_LENGTHS
from layerlens.models.execute.variables import pair_model_weights
from layerlens.models.variants import ModelVariants
from layerlens.report.pairs import PairReport
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.vocabulary import Effort

pytestmark = pytest.mark.usefixtures("backend")

BLOCKS = 16
CONV = {"filters": 8, "kernel_size": 3, "padding": "same", "use_bias": False}


def residual_chain(changed: dict[str, Any] | None = None, *, without: str = "") -> dict[str, Any]:
    """Return a chain of residual blocks; `changed` has other arguments of the eighth block."""
    graph: dict[str, Any] = {"stem": {"Conv2D": CONV, "from": "input"}}
    last = "stem"
    for block in range(BLOCKS):
        more = changed if changed and block == 8 else {}
        graph[f"conv_{block}"] = {"Conv2D": CONV | more.get("conv", {}), "from": last}
        graph[f"norm_{block}"] = {
            "BatchNormalization": {"epsilon": 1e-3} | more.get("norm", {}),
            "from": f"conv_{block}",
        }
        graph[f"relu_{block}"] = {"ReLU": more.get("relu", {}), "from": f"norm_{block}"}
        if without == f"add_{block}":
            last = f"relu_{block}"
            continue
        graph[f"add_{block}"] = {"Add": {}, "from": [last, f"relu_{block}"]}
        last = f"add_{block}"
    graph["pooled"] = {"GlobalAveragePooling2D": {}, "from": last}
    return {"graph": graph, "outputs": "pooled"}


def pair_of(reference: Any, candidate: Any, effort: Effort = "normal", **more: Any) -> Pair:
    data = {
        "input": {"shape": [16, 16, 3]},
        "models": {"one": reference, "other": candidate},
    } | more
    (scenario,) = scenario_from_mapping(data)
    variants = ModelVariants(scenario, RunOptions())
    one, other = variants.build_all().values()
    return Pair(scenario, one, other, "inference", 0, variants, effort=effort)


def examined(pair: Pair) -> LayerByLayer:
    assert isinstance(pair.reference, Built)
    assert isinstance(pair.candidate, Built)
    transfer = pair_model_weights(pair.reference, pair.candidate, "auto")
    examination = Examination(*pair.working_sides(), transfer, 0)
    examination.prepare(BASE_LENGTHS[0])
    layers = LayerByLayer.of(examination, Budget.of(*examination.models))
    assert layers is not None
    return layers


def first_found(pair: Pair) -> Found:
    layers = examined(pair)
    found = layers.observe(next(layers.weight_sets(())))
    assert found is not None
    return found


def reported(pair: Pair) -> PairReport:
    return report_pair(decide(pair)).report


@pytest.mark.parametrize(
    ("changed", "layer"),
    [
        ({"norm": {"epsilon": 1e-5}}, "norm_8"),
        ({"relu": {"max_value": 1.0}}, "relu_8"),
        ({"conv": {"padding": "valid", "kernel_size": 1}}, None),
        ({"conv": {"dilation_rate": 2}}, "conv_8"),
    ],
)
def test_the_layer_that_changed_is_named(changed: dict[str, Any], layer: str | None) -> None:
    report = reported(pair_of(residual_chain(), residual_chain(changed)))
    if layer is None:  # the kernel has another shape
        assert report.verdict == "param_mismatch"
        return
    assert report.verdict == "different"
    first = report.first_divergence
    assert first is not None
    assert (first.reference_layer, first.candidate_layer) == (layer, layer)
    assert first.max_abs is not None
    assert first.max_abs > 0
    assert report.counterexample is not None
    assert report.counterexample.execution == "eager"


def test_a_layer_that_is_left_out_is_named_and_not_the_one_behind_it() -> None:
    pair = pair_of(residual_chain(), residual_chain(without="add_8"))
    first = reported(pair).first_divergence
    assert first is not None
    assert (first.reference_layer, first.candidate_layer) == ("add_8", None)
    other = reported(pair_of(residual_chain(without="add_8"), residual_chain())).first_divergence
    assert other is not None
    assert (other.reference_layer, other.candidate_layer) == (None, "add_8")


def test_no_float64_model_is_built_for_a_clear_difference() -> None:
    pair = pair_of(residual_chain(), residual_chain({"norm": {"epsilon": 1e-5}}))
    assert decide(pair).verdict == "different"
    assert not pair.variants._in_float64


def test_scaled_weights_keep_the_signal_and_are_made_again_alike() -> None:
    pair = pair_of(residual_chain(), residual_chain({"relu": {"max_value": 6.0}}))
    layers = examined(pair)
    weights = next(layers.weight_sets(()))
    found = layers.observe(weights)
    assert found is not None
    (outputs,) = found.observation.reference64
    assert 0.1 < float(outputs.std()) < 100.0
    now = [np.asarray(v) for v in layers.examination.reference.working.values()]
    assert all(map(np.array_equal, now, weights.reference))


def test_rounding_is_no_difference() -> None:
    """The candidate scales up and down again; only the rounding of that is left."""
    scaled = residual_chain()
    graph = scaled["graph"]
    graph["up"] = {"Rescaling": {"scale": 3.0}, "from": "add_7"}
    graph["down"] = {"Rescaling": {"scale": 1.0 / 3.0}, "from": "up"}
    graph["conv_8"] = graph["conv_8"] | {"from": "down"}
    graph["add_8"] = graph["add_8"] | {"from": ["down", "relu_8"]}
    found = first_found(pair_of(residual_chain(), scaled))
    assert found.judged(None).verdict == "equivalent"
    lost = {**graph, "down": {"Rescaling": {"scale": 0.3333}, "from": "up"}}
    found = first_found(pair_of(residual_chain(), {**scaled, "graph": lost}))
    assert found.judged(None).verdict == "different"


def test_weights_and_inputs_are_no_float32_constants() -> None:
    """They have the values of float32 in the float64 run, too, however few they are."""
    found = first_found(pair_of(residual_chain(), residual_chain({"norm": {"epsilon": 1.3e-3}})))
    assert not found.is_rounded
    found = first_found(pair_of(residual_chain(), residual_chain({"conv": {"activation": "gelu"}})))
    assert found.is_rounded  # by the constants of TensorFlow's own gelu


def test_a_constant_and_its_float32_are_one() -> None:
    tenth = {"norm": {"epsilon": 0.1}}, {"norm": {"epsilon": float(np.float32(0.1))}}
    found = first_found(pair_of(*map(residual_chain, tenth)))
    assert found.judged(None).verdict == "equivalent"


def test_absorbed_numbers_are_rounding() -> None:
    """1e20 is added and taken off again: what is left is rounding, in any precision."""
    far = residual_chain()
    graph = far["graph"]
    graph["there"] = {"Rescaling": {"scale": 1.0, "offset": 1e20}, "from": "add_7"}
    graph["back"] = {"Rescaling": {"scale": 1.0, "offset": -1e20}, "from": "there"}
    graph["conv_8"] = graph["conv_8"] | {"from": "back"}
    graph["add_8"] = graph["add_8"] | {"from": ["back", "relu_8"]}
    found = first_found(pair_of(residual_chain(), far))
    assert found.judged(None).verdict != "different"


def test_a_budget_follows_the_size_of_the_models() -> None:
    pair = pair_of(residual_chain(), residual_chain())
    assert isinstance(pair.reference, Built)
    budget = Budget.of(pair.reference)
    assert budget.is_large
    report = replace(pair.reference.report, multiply_adds=10**9)
    assert Budget.of(replace(pair.reference, report=report)).samples == 2
    small = pair_of([{"Flatten": {}}, {"Dense": 2}], [{"Flatten": {}}, {"Dense": 2}])
    assert isinstance(small.reference, Built)
    assert not Budget.of(small.reference).is_large


def test_large_models_that_agree_are_probed_with_weights_that_keep_the_signal() -> None:
    tolerance = {"tolerance": {"rtol": 1e-4, "atol": 1e-6}}  # so that nothing is proved
    other = residual_chain()
    other["graph"]["relu_8"] = {"LeakyReLU": {"negative_slope": 0.0}, "from": "norm_8"}
    decision = decide(pair_of(residual_chain(), other, **tolerance))
    assert decision.verdict == "equivalent"
    assert decision.examination is not None
    assert decision.examination.main.kind == "scaled"
    assert report_pair(decision).report.unseen == ()


@pytest.mark.parametrize("bound", [6.0, 40.0])
def test_a_bound_that_few_activations_reach_is_seen(bound: float) -> None:
    decision = decide(pair_of(residual_chain(), residual_chain({"relu": {"max_value": bound}})))
    assert decision.verdict == "different"
    assert decision.divergence is not None
    assert decision.divergence.candidate_layer == "relu_8"


def test_an_input_of_which_strides_leave_nothing_decides_nothing() -> None:
    """Keras returns NaN for the mean of no pixels, in both models."""

    def strided(slope: float) -> dict[str, Any]:
        graph: dict[str, Any] = {}
        last = "input"
        for block in range(3):
            conv = {"filters": 4, "kernel_size": 3, "strides": 2}
            graph[f"conv_{block}"] = {"Conv2D": conv, "from": last}
            graph[f"relu_{block}"] = {
                "LeakyReLU": {"negative_slope": slope},
                "from": f"conv_{block}",
            }
            last = f"relu_{block}"
        graph["pooled"] = {"GlobalAveragePooling2D": {}, "from": last}
        return {"graph": graph, "outputs": "pooled"}

    pair = pair_of(strided(0.1), strided(0.2), input={"shape": [None, None, 3]}, effort="quick")
    assert decide(pair).verdict == "different"


def tanh_chain(other: str = "tanh") -> dict[str, Any]:
    """Return a chain so deep that what its fifth layer does is forgotten at the end."""
    graph = {
        f"layer_{n}": {
            "Dense": {"units": 4, "activation": other if n == 5 else "tanh"},
            "from": f"layer_{n - 1}" if n else "input",
        }
        for n in range(150)
    }
    return {"graph": graph, "outputs": "layer_149"}


def test_a_difference_that_deep_models_forget_is_passed_on() -> None:
    pair = pair_of(tanh_chain(), tanh_chain("elu"), input={"shape": [4]})
    layers = examined(pair)
    scaled = next(layers.weight_sets(()))
    lost = layers.observe(scaled)
    assert lost is not None
    assert lost.is_apart_inside
    assert lost.judged(None).verdict != "different"
    kinds = [weights.kind for weights in layers.weight_sets([lost])]
    assert kinds == ["scaled", "scaled_far", "passing", "initial"]

    report = reported(pair)
    assert report.verdict == "different"
    first = report.first_divergence
    assert first is not None
    assert (first.reference_layer, first.candidate_layer) == ("layer_5", "layer_5")


def test_nothing_is_passed_on_where_only_rounding_differs_inside() -> None:
    rewritten = tanh_chain()
    einsum = {"equation": "ab,bc->ac", "output_shape": 4, "bias_axes": "c", "activation": "tanh"}
    rewritten["graph"]["layer_5"] = {"EinsumDense": einsum, "from": "layer_4"}
    layers = examined(pair_of(tanh_chain(), rewritten, input={"shape": [4]}))
    found = layers.observe(next(layers.weight_sets(())))
    assert found is not None
    assert not found.is_apart_inside
    kinds = [weights.kind for weights in layers.weight_sets([found])]
    assert kinds == ["scaled", "scaled_far", "initial"]
