"""The ways to write a layer, and the faults of its arguments."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

import ast
from typing import Any

import pytest

from layerlens.scenario.keras_catalog import layer_names, signature
from layerlens.scenario.reading.argument_types import argument_type
from layerlens.scenario.spec import LayerSpec, Scenario

INPUT = "input: {shape: [64, 15]}\n"


def arguments(scenario: Scenario, model: str = "a", layer: int = 0) -> dict[str, Any]:
    return dict(scenario.model(model).layers[layer].arguments)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("Flatten", {}),
        ("Flatten:", {}),
        ("Dense: 15", {"units": 15}),
        ("Reshape: [3, 4]", {"target_shape": (3, 4)}),
        ("ZeroPadding2D: [[1, 2], [3, 4]]", {"padding": ((1, 2), (3, 4))}),
        ("Dense: {units: 0x10}", {"units": 16}),
        ("LeakyReLU: {alpha: 0.1}", {"alpha": 0.1}),
        ("TimeDistributed: Flatten", {"layer": LayerSpec("Flatten")}),
        (
            "TimeDistributed: {layer: [Dense: 4, ReLU]}",
            {"layer": (LayerSpec("Dense", {"units": 4}), LayerSpec("ReLU"))},
        ),
        (
            "Dense: {units: 4, activation: {LeakyReLU: 0.2}}",
            {"units": 4, "activation": LayerSpec("LeakyReLU", {"negative_slope": 0.2})},
        ),
        (
            "Dense: {units: 4, kernel_initializer: {RandomNormal: {stddev: 0.1}}}",
            {
                "units": 4,
                "kernel_initializer": {"class_name": "RandomNormal", "config": {"stddev": 0.1}},
            },
        ),
        (
            "Dense: {units: 4, kernel_regularizer: {l2: 0.1}}",
            {"units": 4, "kernel_regularizer": {"class_name": "l2", "config": {"l2": 0.1}}},
        ),
        (
            "Dense: {units: 4, kernel_regularizer: {L2: 0.1}, kernel_constraint: {MaxNorm: 2}}",
            {
                "units": 4,
                "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.1}},
                "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2}},
            },
        ),
        (
            "Dense: {units: 4, bias_initializer: {Constant: {}}}",
            {"units": 4, "bias_initializer": {"class_name": "Constant", "config": {"value": 0.0}}},
        ),
        (
            "Dense: {units: 4, dtype: {DTypePolicy: mixed_float16}}",
            {"units": 4, "dtype": "mixed_float16"},
        ),
        (
            "Dense: {units: 4, dtype: {DTypePolicy: {name: float16}}}",
            {"units": 4, "dtype": "float16"},
        ),
        (
            "Dense: {units: 4, kernel_initializer: {class_name: Zeros, config: {}}}",
            {"units": 4, "kernel_initializer": {"class_name": "Zeros", "config": {}}},
        ),
    ],
)
def test_each_way_to_write_a_layer(read: Any, layer: str, expected: dict[str, Any]) -> None:
    scenario = read(f"{INPUT}models:\n  a:\n    - {layer}\n  b: [Flatten]\n")
    assert without_places(arguments(scenario)) == expected


@pytest.mark.parametrize(
    "layer",
    [
        "MaxPooling1D: {pool_size: [2], strides: [1]}",
        "AveragePooling1D: {pool_size: [2]}",
        "AdaptiveAveragePooling1D: {output_size: [2]}",
        "Conv1D: {filters: 2, kernel_size: [3], strides: [1], dilation_rate: [2]}",
    ],
)
def test_a_size_of_one_axis_may_be_a_list_of_one(read: Any, layer: str) -> None:
    found = arguments(read(f"{INPUT}models: {{a: [{{{layer}}}], b: [Flatten]}}"))
    assert any(isinstance(value, tuple) for value in found.values())


def test_a_count_is_no_list(told: Any) -> None:
    (fault,) = told(f"{INPUT}models: {{a: [{{Dense: {{units: [3]}}}}], b: [Flatten]}}")
    assert "`units` of `Dense` takes an integer; received a list of 1" in fault


def without_places(value: Any) -> Any:
    if isinstance(value, LayerSpec):
        return LayerSpec(value.type, without_places(value.arguments))
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(without_places(item) for item in value)
    return value


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        ("Dense", "`Dense` needs `units` | units: Positive integer"),
        ("Dense: {units: 4, use_bias: on}", '`use_bias` of `Dense` takes true or false; received the text "on" | YAML 1.2 accepts only true and false'),
        ("Dense: {units: 2024-01-01}", 'takes an integer; received the text "2024-01-01"'),
        ("Dropout: half", '`rate` of `Dropout` takes a number or a list of them; received the text "half"'),
        ("Reshape: 12", "takes a list of integers; received the number 12 | write `target_shape: [12]`"),
        ("Add: 3", "`Add` takes keyword arguments only; received the number 3"),
        ("Dense: {units: 4, input_shape: [3]}", "unknown argument `input_shape` of `Dense` | a scenario declares the shape once, "
            "under `input:`"),
        ("Bidirectional: {LSTM: 4, merge_mode: sum}", "unknown argument `LSTM` of `Bidirectional` | write the inner layer as `layer: "
            "{LSTM: ...}`"),
        ("TimeDistributed: {layer: {Dnse: 4}}", "unknown layer `Dnse` | did you mean `Dense`?"),
        ("Qqq: 4", "unknown layer `Qqq` | `layerlens layers` lists them all"),
        ("TimeDistributed: {layer: 5}", "`layer` of `TimeDistributed` takes a layer; received the number 5"),
        ("Input: {shape: [3]}", "`Input` is an input, not a layer of a model | the inputs of a model are declared "
            "under `input:`"),
        ("Dense: {units: 4, kernel_initializer: {RandomNorml: {}}}", "`keras.initializers` has no `RandomNorml` | did you mean `RandomNormal`?"),
        ("Dense: {units: 4, kernel_initializer: {RandomNormal: {stdev: 1}}}", "unknown argument `stdev` of `RandomNormal` | did you mean `stddev`?"),
        ("Dense: {units: 4, kernel_initializer: {GlorotUniform: {}, Zeros: {}}}", "`kernel_initializer` of `Dense` takes an initializer by its "
            "name or as `{ClassName: {arguments}}`; received a mapping with GlorotUniform, Zeros"),
        ("Dense: {units: 4, kernel_initializer: 3}", "received the number 3 | write `kernel_initializer: {Constant: 3}`"),
        ("Dense: {units: 4, kernel_initializer: {}}", "received an empty mapping | write `zeros`, or `{RandomNormal: {stddev: 0.1}}`"),
        ("Dense: {units: 4, kernel_initializer: {VarianceScaling: {scale: big}}}", '`scale` of `VarianceScaling` takes a number or a list of them; '
            'received the text "big"'),
        ("Dense: {units: 4, kernel_initializer: {Orthogonal: {seed: first}}}", '`seed` of `Orthogonal` takes an integer; received the text "first"'),
        ("Dense: {units: 4, kernel_regularizer: {L2: weak}}", '`l2` of `L2` takes a number or a list of them; received the text "weak"'),
        ("Dense: {units: 4, kernel_regularizer: 0.01}", "takes a regularizer by its name or as `{ClassName: {arguments}}`; received the number 0.01"),
        ("Dense: {units: 4, kernel_constraint: {L2: 2}}", "`keras.constraints` has no `L2` | `L2` is a regularizer; a constraint is `non_neg`"),
        ("Dense: {units: 4, activation: 3}", "`activation` of `Dense` takes an activation by its name or as a layer; received the number 3"),
        ("Dense: {units: 4, activation: {LeekyReLU: 0.2}}", "unknown layer `LeekyReLU` | did you mean `LeakyReLU`?"),
        ("Dense: {units: 4, activation: {LeakyReLU: {negative_slop: 0.2}}}", "unknown argument `negative_slop` of `LeakyReLU`"),
        ("Dense: {units: 4, activation: {softmax: {axis: 1}}}", "the activation `softmax` takes no arguments | write `activation: softmax`, or a "
            "layer: `activation: {Softmax: {arguments}}`"),
        ("Activation: {ReLU: {max_value: 6}}", "unknown argument `ReLU` of `Activation` | write the layer as `activation: {ReLU: ...}`"),
        ("Dense: {units: 4, dtype: {DTypePolicyMap: {}}}", "`dtype` of `Dense` takes a dtype, or a dtype policy by its name or as `{DTypePolicy: "
            "name}`; received a mapping with DTypePolicyMap | write the name"),
        ("Dropout: {rate: 0.5, seed: {SeedGenerator: 3}}", "`seed` of `Dropout` takes an integer; received a mapping with SeedGenerator"),
        ("{Dense: 4, Flatten: 3}", "one layer is expected here; received a mapping with `Dense`, `Flatten`"),
        ("5", "a layer is expected here; received the number 5"),
        ("Lambda: x => 2", '`function` of `Lambda` takes the text "module:callable"'),
        ("Dense: ${units}", "unknown matrix value `${units}` | the scenario has no `matrix:`"),
    ],
)  # fmt: skip
def test_a_layer_at_fault(told: Any, layer: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a:\n    - {layer}\n  b: [Flatten]\n")
    assert fault in found


@pytest.mark.parametrize("name", layer_names())
def test_what_keras_gives_by_default_is_allowed(name: str) -> None:
    for argument in signature(name).arguments:
        kind = argument_type(argument)
        if kind is None or argument.default in (None, "None"):
            continue
        assert kind.allows(ast.literal_eval(argument.default)), argument
