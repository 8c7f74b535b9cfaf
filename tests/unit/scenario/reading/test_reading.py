"""What a scenario file becomes, and what its faults say; every text here is what people read."""

# ruff: noqa: E501 - the tables pair what is written with what is told, one to a line

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layerlens.errors import ScenarioError, UsageError
from layerlens.scenario.files import LARGEST_FILE
from layerlens.scenario.keras_catalog import layer_names, signature
from layerlens.scenario.reading.layers import argument_type
from layerlens.scenario.reading.scenarios import (
    find_scenario_files,
    looks_like_scenario,
    parse_select,
    read_scenarios,
    scenario_from_mapping,
)
from layerlens.scenario.spec import InputSpec, LayerSpec, Scenario, TargetSpec

INPUT = "input: {shape: [64, 15]}\n"
MODELS = "models: {a: [Flatten], b: [Flatten]}\n"

DENSE_VS_TD = """\
title: Dense vs TimeDistributed(Dense) after a GRU
question: Does Dense mix time steps when TimeDistributed is left out?
input: {shape: [64, 15]}
models:
  td:
    - GRU: {units: 16, return_sequences: true, reset_after: false}
    - TimeDistributed: {layer: {Dense: {units: 15}}}
    - Activation: softmax
  dense:
    - GRU: {units: 16, return_sequences: true, reset_after: false}
    - Dense: 15
    - Activation: softmax
expect:
  verdicts: {dense: equivalent}
  models:
    td: {params: 1791, output_shape: [null, 64, 15]}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_scenario(text: str | bytes) -> Path:
        path = tmp_path / "scenario.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_scenario


@pytest.fixture
def read(write: Any) -> Any:
    """Read the text of a scenario that has one cell."""

    def read_text(text: str) -> Scenario:
        (scenario,) = read_scenarios(write(text))
        return scenario

    return read_text


@pytest.fixture
def told(write: Any) -> Any:
    """Return the faults of a scenario as `line:column: message` (and ` | hint`)."""

    def faults_of(text: str | bytes) -> list[str]:
        path = write(text)
        with pytest.raises(ScenarioError) as caught:
            read_scenarios(path)
        texts = []
        for fault in caught.value.faults:
            assert fault.where is not None
            assert fault.where.file == str(path)
            place = f"{fault.where.line}:{fault.where.column}: " if fault.where.line else ""
            texts.append(place + fault.message + (f" | {fault.hint}" if fault.hint else ""))
        return texts

    return faults_of


def arguments(scenario: Scenario, model: str = "a", layer: int = 0) -> dict[str, Any]:
    return dict(scenario.model(model).layers[layer].arguments)


# --- what comes out -------------------------------------------------------------------------------


def test_the_contracts_example_comes_out_whole(read: Any) -> None:
    scenario = read(DENSE_VS_TD)
    assert scenario.title == "Dense vs TimeDistributed(Dense) after a GRU"
    assert scenario.inputs == (InputSpec("input", (64, 15)),)
    assert scenario.reference == "td"
    assert [model.name for model in scenario.candidates] == ["dense"]
    gru, wrapper, activation = scenario.model("td").layers
    assert gru.arguments == {"units": 16, "return_sequences": True, "reset_after": False}
    assert wrapper.type == "TimeDistributed"
    assert wrapper.arguments["layer"].arguments == {"units": 15}
    assert activation.arguments == {"activation": "softmax"}
    assert activation.where is not None
    assert (activation.where.line, activation.where.column) == (8, 7)
    assert scenario.expect is not None
    assert scenario.expect.verdicts == {"dense": {"inference": "equivalent"}}
    assert scenario.expect.models["td"].params == 1791
    assert scenario.expect.models["td"].output_shape == (None, 64, 15)


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
        ("TimeDistributed: {Dense: 4}", {"layer": LayerSpec("Dense", {"units": 4})}),
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
    assert "`units` of `Dense` takes a whole number; received a list of 1" in fault


def without_places(value: Any) -> Any:
    if isinstance(value, LayerSpec):
        return LayerSpec(value.type, without_places(value.arguments))
    if isinstance(value, dict):
        return {key: without_places(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(without_places(item) for item in value)
    return value


def test_a_graph_keeps_its_order_and_names_the_node_whose_layer_is_shared(read: Any) -> None:
    scenario = read(
        INPUT + "models:\n"
        "  a:\n"
        "    graph:\n"
        "      total: {Add: {}, from: [one, two, three]}\n"
        "      three: {share: two, from: input}\n"
        "      one: {Dense: 4, from: input}\n"
        "      two: {share: one, from: [input]}\n"
        "    outputs: total\n"
        "    select: '[:, -1]'\n"
        "  b: [Flatten]\n"
    )
    model = scenario.model("a")
    assert [node.name for node in model.nodes] == ["one", "two", "three", "total"]
    assert [node.share for node in model.nodes] == [None, "one", "one", None]
    assert model.nodes[-1].inputs == ("one", "two", "three")
    assert model.outputs == ("total",)
    assert model.select == "[:, -1]"


def test_a_matrix_gives_one_scenario_for_each_cell(write: Any) -> None:
    scenarios = read_scenarios(
        write(
            "title: ${cell} of ${units}\ninput: {shape: [64, ${features}]}\n"
            "matrix: {units: [8, 16], cell: [GRU, LSTM], features: [null]}\n"
            "models:\n"
            "  a: [${cell}: {units: ${units}}]\n"
            "  b: [{RNN: {cell: {${cell}Cell: ${units}}}}]\n"
            "expect: {models: {a: {output_shape: [null, ${units}]}}}\n"
        )
    )
    titles = ["GRU of 8", "LSTM of 8", "GRU of 16", "LSTM of 16"]
    assert [scenario.title for scenario in scenarios] == titles
    last = scenarios[-1]
    assert last.cell == {"units": 16, "cell": "LSTM", "features": None}
    assert last.inputs[0].shape == (64, None)
    assert last.model("a").layers[0].type == "LSTM"
    assert last.model("b").layers[0].arguments["cell"].type == "LSTMCell"
    assert last.expect is not None
    assert last.expect.models["a"].output_shape == (None, 16)


def test_the_rest_of_the_format(read: Any) -> None:
    scenario = read(
        "inputs: {x: {values: [[1, 2], [.nan, .inf]]}, y: {shape: [null], dtype: int32, high: 9}}\n"
        "models:\n"
        "  a: {python: 'm.n:f', args: {sizes: [1, 2]}, input: {shape: []}, dtype: float64}\n"
        "  b: {python: 'm:f', weights: {dense/kernel: [[1, 2.5]]}}\n"
        "reference: b\n"
        "transfer: by_name\n"
        "modes: [training, inference]\n"
        "tolerance: {rtol: 1e-3, atol: 0}\n"
        "fit: {loss: mse, target: {shape: [8]}, targets: {a: {shape: [], dtype: int32}}}\n"
        "expect: {verdicts: {a: {training: different}}}\n"
    )
    assert scenario.title == "scenario"
    x, y = scenario.inputs
    assert x.shape == (2,)
    assert x.values[0] == [1, 2]
    assert type(x.values) is list
    assert (y.shape, y.dtype, y.low, y.high) == ((None,), "int32", None, 9)
    assert scenario.model("a").inputs == (InputSpec("input", ()),)
    assert scenario.model("a").args == {"sizes": [1, 2]}
    assert scenario.model("b").weights == {"dense/kernel": [[1, 2.5]]}
    assert scenario.modes == ("training", "inference")
    assert scenario.tolerance is not None
    assert (scenario.tolerance.rtol, scenario.tolerance.atol) == (1e-3, 0)
    assert scenario.fit is not None
    assert scenario.fit.target == TargetSpec((8,))
    assert scenario.fit.targets == {"a": TargetSpec((), "int32")}
    assert scenario.expect is not None
    assert scenario.expect.verdicts == {"a": {"training": "different"}}


def test_anchors_and_merged_mappings_are_written_out(read: Any) -> None:
    scenario = read(
        INPUT + "models:\n"
        "  a: &model [GRU: &gru {units: 4, return_sequences: true}]\n"
        "  b: [GRU: {<<: *gru, units: 5}]\n"
        "  c: *model\n"
    )
    assert arguments(scenario, "b") == {"units": 5, "return_sequences": True}
    assert arguments(scenario, "c") == arguments(scenario, "a")


def test_expectations_left_empty_are_none(read: Any) -> None:
    assert read(INPUT + MODELS + "expect: {}\n").expect is None
    assert read(INPUT + MODELS + "expect:\n").expect is None


def test_a_mapping_from_python_reads_like_a_file() -> None:
    numpy = pytest.importorskip("numpy")
    data = {
        "input": {"values": numpy.ones((2, 3))},
        "models": {"a": ["Flatten"], "b": [{"Dense": 4}]},
    }
    (scenario,) = scenario_from_mapping(data)
    assert scenario.inputs[0].values == [[1.0] * 3] * 2
    assert scenario.path == "<python>"
    with pytest.raises(ScenarioError, match=r"<python>: unknown layer `Dnese`"):
        scenario_from_mapping({"input": {"shape": (3,)}, "models": {"a": ["Dnese"], "b": ["ReLU"]}})


# --- faults ---------------------------------------------------------------------------------------


def test_every_fault_of_a_file_is_told_at_once(told: Any) -> None:
    faults = told(
        "titel: x\n"
        "input: {shape: [64, fifteen]}\n"
        "models:\n"
        "  a:\n"
        "    - Dnese: 4\n"
        "    - Dense: {unit: 4}\n"
        "    - Conv1D: 4\n"
        "    - TimeDistributed: {layer: {Dense: {units: many}}}\n"
        "  b: {file: missing.keras}\n"
        "transfer: by_nam\n"
        "expect: {verdicts: {c: equivalent, b: equivalnt}}\n"
    )
    assert [fault.partition(" | ")[0] for fault in faults] == [
        "1:1: unknown key `titel`",
        '2:21: item 2 of `shape` takes a whole number; received the text "fifteen"',
        "5:7: unknown layer `Dnese`",
        "6:15: unknown argument `unit` of `Dense`",
        "7:7: `Conv1D` needs `kernel_size`",
        '8:48: `units` of `Dense` takes a whole number; received the text "many"',
        '9:13: there is no file "missing.keras"',
        '10:11: `transfer` does not take the text "by_nam"',
        "11:21: unknown model `c`",
        '11:39: a verdict is expected here; received the text "equivalnt"',
    ]
    hints = dict(fault.split(" | ", 1) for fault in faults if " | " in fault)
    assert hints["1:1: unknown key `titel`"].startswith("did you mean `title`? allowed: title, ")
    assert hints["5:7: unknown layer `Dnese`"] == (
        "did you mean `Dense`? `layerlens layers` lists them all"
    )
    assert hints["6:15: unknown argument `unit` of `Dense`"].startswith(
        "did you mean `units`? allowed: units, activation, use_bias,"
    )


def test_a_misspelt_input_is_told_once(told: Any) -> None:
    models = (
        "models:\n  a: [Dense: 4]\n  b: {graph: {x: {Dense: 4, from: [input]}}, outputs: [x]}\n"
    )
    (fault,) = told("inptu: {shape: [4]}\n" + models)
    assert fault.startswith("1:1: unknown key `inptu` | did you mean `input`?")
    assert len(told("title: no input\n" + models)) == 2


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        ("Dense", "`Dense` needs `units` | units: Positive integer"),
        ("Dense: {units: 4, use_bias: on}", '`use_bias` of `Dense` takes true or false; received the text "on" | YAML 1.2 reads only true and false as such'),
        ("Dense: {units: 2024-01-01}", 'takes a whole number; received the text "2024-01-01"'),
        ("Dropout: half", '`rate` of `Dropout` takes a number or a list of them; received the text "half"'),
        ("Reshape: 12", "takes a list of whole numbers; received the number 12 | write `target_shape: [12]`"),
        ("Add: 3", "`Add` takes keyword arguments only; received the number 3"),
        ("Dense: {units: 4, input_shape: [3]}", "unknown argument `input_shape` of `Dense` | a scenario says the shape once, under `input:`"),
        ("Bidirectional: {LSTM: 4, merge_mode: sum}", "unknown argument `LSTM` of `Bidirectional` | write the layer that it holds as `layer: {LSTM: ...}`"),
        ("TimeDistributed: {layer: {Dnse: 4}}", "unknown layer `Dnse` | did you mean `Dense`?"),
        ("Qqq: 4", "unknown layer `Qqq` | `layerlens layers` lists them all"),
        ("TimeDistributed: {layer: 5}", "`layer` of `TimeDistributed` takes a layer; received the number 5"),
        ("Input: {shape: [3]}", "`Input` is an input, not a layer of a model | the inputs of a model are said under `input:`"),
        ("Dense: {units: 4, kernel_initializer: {RandomNorml: {}}}", "`keras.initializers` has no `RandomNorml` | did you mean `RandomNormal`?"),
        ("Dense: {units: 4, kernel_initializer: {RandomNormal: {stdev: 1}}}", "unknown argument `stdev` of `RandomNormal` | did you mean `stddev`?"),
        ("{Dense: 4, Flatten: 3}", "one layer is expected here; received a mapping with `Dense`, `Flatten`"),
        ("5", "a layer is expected here; received the number 5"),
        ("Lambda: x => 2", '`function` of `Lambda` takes the text "module:callable"'),
        ("Dense: ${units}", "unknown matrix value `${units}` | the scenario has no `matrix:`"),
    ],
)  # fmt: skip
def test_a_layer_at_fault(told: Any, layer: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a:\n    - {layer}\n  b: [Flatten]\n")
    assert fault in found


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        ("h: {Dense: 4, from: inptu}", "unknown node or input `inptu` | did you mean `input`?"),
        ("h: {Dense: 4}", "the node `h` does not say what it takes"),
        ("h: {from: input}", "the node `h` has no layer"),
        ("h: {share: k, from: input}, g: {Dense: 4, from: h}", "unknown node `k`"),
        ("h: {Dense: 4, from: g}, g: {Dense: 4, from: h}", "the graph runs in a circle: g → h → g"),
        ("h: {share: h, from: input}", "the node `h` shares itself"),
        ("h: {Dense: 4, from: input}, g: {share: h, ReLU: , from: h}", "has both `share` and a layer of its own, `ReLU`"),
        ("h: {Dense: 4, ReLU: , from: input}", "the node `h` already has the layer `Dense`; received `ReLU`"),
        ("h: {Dense: 4, from: input}, input: {ReLU: , from: h}", "the node `input` is named like an input"),
        ("h: {Dense: 4, from: input}, a/b: {ReLU: , from: h}", '"a/b" cannot name a node'),
        ("h: 3", "the node `h` is a layer and what it takes; received the number 3"),
    ],
)  # fmt: skip
def test_a_graph_at_fault(told: Any, graph: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a: {{graph: {{{graph}}}, outputs: [h]}}\n  b: [Flatten]\n")
    assert fault in found


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("input: [64, 15]", "`input` takes a mapping; received a list of 2 | write `input: {shape: [64, 15]}`"),
        ("input: {shape: 64}", "`shape` takes a list; received the number 64 | write `shape: [64]`"),
        ("input: {shape: [-1]}", "item 1 of `shape` has to be at least 0; received -1 | `null` is a variable length"),
        ("input: {}", "an input needs `shape`"),
        ("input: {shape: [3], dtype: int}", "`dtype` does not take the text \"int\" | did you mean `int8`?"),
        ("input: {shape: [3], low: 5}", "`low` is for integers; this input is float32"),
        ("input: {shape: [3], dtype: int32, low: 5, high: 5}", "`low` has to be less than `high`; received 5 and 5"),
        ("input: {values: [[1, 2], [3]]}", "1:26: ragged values: item 2 has the shape [1], the items before it [2]"),
        ("input: {values: [[1, 2], [3, x]]}", '1:30: a number is expected here; received the text "x"'),
        ("input: {values: [[1, 2]], shape: [3]}", "`values` have the per-sample shape [2]; `shape` says [3]"),
        ("input: {values: [1.5], dtype: int32}", "a whole number is expected for int32; received the number 1.5"),
        ("input: {values: [300], dtype: uint8}", "uint8 holds 0 to 255; received the number 300"),
        ("inputs: {x: {values: [1]}, y: {values: [1, 2]}}", "the inputs' values differ in batch size: `x` 1, `y` 2"),
        ("inputs: {x: {shape: [3]}, y: {shape: [3]}}", "a list of layers takes one input; `a` gets 2: x, y"),
        ("question: none", "the model `a` has no input"),
        (INPUT + "inputs: {x: {shape: [3]}}", "both `input` and `inputs` are given"),
    ],
)  # fmt: skip
def test_an_input_at_fault(told: Any, line: str, fault: str) -> None:
    assert any(fault in found for found in told(line + "\n" + MODELS))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("title: 2024", "`title` takes text; received the number 2024 | write it in quotes: \"2024\""),
        ("reference: c", "unknown model `c` | allowed: a, b"),
        ("modes: training", "`modes` takes a list; received the text \"training\" | write `modes: [training]`"),
        ("modes: [inferense]", "item 1 of `modes` does not take the text \"inferense\" | did you mean `inference`?"),
        ("tolerance: {rtol: 0.1}", "`atol` of `tolerance` is missing | give `rtol` and `atol` together, or leave `tolerance` out"),
        ("tolerance: {rtol: .inf, atol: 0}", "`rtol` takes a finite number; received the number inf"),
        ("fit: {loss: mean_squared_eror}", "Keras has no loss `mean_squared_eror` | did you mean `mean_squared_error`?"),
        ("fit: {loss: mse, optimizer: rmspop}", "Keras has no optimizer `rmspop` | did you mean `RMSprop`?"),
        ("fit: {loss: mse, epochs: 0}", "`epochs` has to be at least 1; received 0"),
        ("fit: {loss: mse, targets: {c: {shape: [3]}}}", "unknown model `c`"),
        ("expect: {verdicts: {a: different}}", "`a` is the reference; a verdict belongs to a candidate | candidates: b"),
        ("expect: {verdicts: {b: {training: different}}}", "`training` is not among the scenario's modes | add `modes: [inference, training]` to run it"),
        ("expect: {models: {c: {params: 3}}}", "unknown model `c` | allowed: a, b"),
        ("expect: {models: {a: {layers: {x: {param: 3}}}}}", "unknown key `param` | did you mean `params`?"),
        ("expect: {models: {a: {output_shape: [x]}}}", "`output_shape` is a list of whole numbers and null"),
        ("matrix: {}", "`matrix` takes a mapping of name → list of values; received an empty mapping"),
        ("matrix: {n: 3}", "`n` of the matrix takes a list of values; received the number 3"),
        ("matrix: {n: [1], m: [2]}\nquestion: ${k}", "unknown matrix value `${k}`"),
        ("title: a\ntitle: b", "4:1: the key `title` is given twice; the first is on line 3"),
        ("1: a", '3:1: a key has to be text; received the number 1 | write it in quotes: "1":'),
        ("question: !!python/object:os.system x", "3:11: the tag `!!python/object:os.system` is not read"),
    ],
)  # fmt: skip
def test_the_rest_at_fault(told: Any, line: str, fault: str) -> None:
    (found,) = told(INPUT + MODELS + line + "\n")
    assert fault in found


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("", "the model `a` is a list of layers or a mapping; received nothing (null)"),
        ("[]", "`layers` is empty"),
        ("{}", "a model needs one of `layers`, `graph`, `file` and `python`"),
        ("{layer: [Flatten]}", "unknown key `layer` | did you mean `layers`?"),
        ("{layers: [Flatten], python: 'm:f'}", "a model is given in one way; received `layers` and `python`"),
        ("{layers: [Flatten], outputs: [x]}", "`outputs` belongs to `graph`"),
        ("{layers: [Flatten], select: '[:, x]'}", '`select`: "x" in "[:, x]" is none of a whole number'),
        ("{layers: [Flatten], dtype: float33}", "`dtype` does not take the text \"float33\" | did you mean `float32`?"),
        ("{layers: [Flatten], weights: {x: [[1, 2], [3]]}}", "ragged values"),
        ("{python: nope}", '`python` takes "module:callable"; received the text "nope"'),
        ("{file: model.txt}", '"model.txt" is not the name of a saved model'),
        ("{graph: {h: {ReLU: , from: input}}}", "`outputs` is missing | add `outputs: [node]`"),
    ],
)  # fmt: skip
def test_a_model_at_fault(told: Any, model: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a: {model}\n  b: [Flatten]\n")
    assert fault in found


def test_a_fault_of_some_cells_names_the_first(told: Any) -> None:
    told_of = told(
        INPUT + "matrix: {n: [8, many], m: [1, 2]}\nmodels:\n  a: [Dense: ${n}]\n  b: [Dnse: 1]\n"
    )
    assert [fault.partition(" | ")[0] for fault in told_of] == [
        '4:14: `units` of `Dense` takes a whole number; received the text "many" '
        "(in the cell n=many, m=1 and 1 more)",
        "5:7: unknown layer `Dnse`",
    ]


def test_a_matrix_is_bounded(told: Any) -> None:
    axis = list(range(101))
    (found,) = told(f"{INPUT}{MODELS}matrix: {{x: {axis}, y: {axis}}}\n")
    assert "the matrix has 10,201 cells; at most 10,000 are run" in found


def test_one_model_is_enough_where_nothing_is_compared(write: Any) -> None:
    path = write(INPUT + "models: {a: [Flatten]}\n")
    assert len(read_scenarios(path, least_models=1)) == 1
    with pytest.raises(ScenarioError, match="a comparison needs 2 models; received 1"):
        read_scenarios(path)


@pytest.mark.parametrize("name", layer_names())
def test_what_keras_gives_by_default_is_allowed(name: str) -> None:
    for argument in signature(name).arguments:
        kind = argument_type(argument)
        if kind is None or argument.default in (None, "None"):
            continue
        assert kind.allows(ast.literal_eval(argument.default)), argument


# --- bad files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "this file holds no scenario | `layerlens init PATH` writes one to start from"),
        (b"# nothing\n", "this file holds no scenario"),
        (b"- a\n", "a scenario is a mapping; received a list of 1"),
        (b"title: \x00\n", "1:8: the character U+0000 cannot stand in YAML"),
        (b"ab\n\x89PNG", "2:1: byte 0x89 is not UTF-8 | a scenario is a text file in UTF-8"),
        (b"models:\n\t- a\n", "2:1: this is not valid YAML: found character '\\t'"),
        (b"%YAML 3.0\n---\na: 1\n", "this is not valid YAML: an unknown version of YAML"),
        (b"%YAML 1.1\n---\na: 1\n", "this file is written in YAML 1.1"),
        (b"a: 1\n---\nb: 1\n", "2:1: a second document begins here | one scenario to a file"),
        (b"a: &a [*a]\n", "1:8: `*a` stands inside what it names"),
        (b"a: *b\n", "1:4: no `&b` stands before `*b`"),
        (b"[" * 100_000, "1:65: values are nested more than 64 deep here"),
        (b"- " * 100_000, "values are nested more than 64 deep here"),
        (b"a: 'x\n", "this is not valid YAML: while scanning a quoted scalar"),
        (b"a: [1, 2\nb: 3\n", "this is not valid YAML: while parsing a flow sequence"),
        (b"x" * (LARGEST_FILE + 1), "the file is 4.0 MiB; a scenario has at most 4 MiB"),
        ("models: é\n".encode("utf-16"), "`models` takes a mapping"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_scenario(told: Any, content: bytes, fault: str) -> None:
    assert fault in told(content)[0]


def test_a_name_cannot_disturb_the_terminal(told: Any) -> None:
    (found,) = told(INPUT + MODELS + '"a\\e[31mb": 1\n')
    assert found.startswith("3:1: unknown key `a\\x1b[31mb`")
    (found,) = told(INPUT + MODELS + f"{'k' * 900}: 1\n")
    assert len(found) < 1000
    assert "kkk…kkk" in found


def test_an_alias_bomb_is_refused_at_once(told: Any) -> None:
    rows = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    assert "more than 1,000,000 values up to here" in told("\n".join(rows))[0]


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe.yaml", tmp_path / "loop.yaml"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, message in [
        (pipe, "a scenario file is expected here; this is a named pipe"),
        (loop, "cannot be read: too many levels of symbolic links"),
        (tmp_path / "none.yaml", "there is no file or folder"),
        (tmp_path, "a scenario file is expected here; this is a folder"),
    ]:
        with pytest.raises(ScenarioError, match=message):
            read_scenarios(path)
        assert not looks_like_scenario(path)


# --- finding --------------------------------------------------------------------------------------


def test_folders_are_searched_and_sorted(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "sub/c.yaml", "sub/d.txt", ".hidden/e.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(INPUT + MODELS)
    files = find_scenario_files([tmp_path, tmp_path / "b.yaml", tmp_path / "sub/d.txt"])
    assert [str(file.relative_to(tmp_path)) for file in files] == [
        "a.yml",
        "b.yaml",
        "sub/c.yaml",
        "sub/d.txt",
    ]


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(INPUT + MODELS)
    with pytest.raises(UsageError, match="there is no file or folder") as caught:
        find_scenario_files([tmp_path / "scenaro.yaml"])
    assert caught.value.hint == f"did you mean {tmp_path / 'scenario.yaml'}?"
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"the folder .*empty holds no scenario"):
        find_scenario_files([tmp_path / "empty"])


def test_a_path_that_leads_nowhere_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    sound, missing, empty = tmp_path / "a.yaml", tmp_path / "none.yaml", tmp_path / "empty"
    sound.write_text(INPUT + MODELS)
    empty.mkdir()
    assert find_scenario_files([sound, missing, empty]) == (sound, missing, empty)
    with pytest.raises(ScenarioError, match="there is no file or folder"):
        read_scenarios(missing)
    with pytest.raises(ScenarioError, match="holds no scenario"):
        read_scenarios(empty)


def test_a_scenario_is_told_from_other_yaml(tmp_path: Path) -> None:
    scenario, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    scenario.write_text(INPUT + MODELS)
    other.write_text("services:\n  models: {}\n")
    assert looks_like_scenario(scenario)
    assert not looks_like_scenario(other)
    assert not looks_like_scenario(tmp_path / "none.yaml")


# --- slices, and what stays light -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("[:, -1]", (slice(None), -1)),
        ("[..., 0:6:2]", (..., slice(0, 6, 2))),
        ("[:, None, ::-1,]", (slice(None), None, slice(None, None, -1))),
        (" [ 0 ] ", (0,)),
    ],
)
def test_a_slice_in_text(text: str, index: tuple[object, ...]) -> None:
    assert parse_select(text) == index


@pytest.mark.parametrize("text", [":, -1", "[]", "[1.5]", "[..., ...]", "[::0]", "[a]", "[1,,2]"])
def test_what_is_no_slice(text: str) -> None:
    with pytest.raises(ValueError, match=r"slice|selects nothing|more than one|step of 0"):
        parse_select(text)


def test_reading_loads_neither_keras_nor_numpy(write: Any) -> None:
    code = (
        "import sys; from layerlens.scenario.reading.scenarios import read_scenarios; "
        f"read_scenarios({str(write(DENSE_VS_TD))!r}); "
        "print(sorted({'keras', 'tensorflow', 'numpy', 'pandas', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
