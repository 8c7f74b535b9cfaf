"""What a scenario file becomes, and what its faults say; every text here is what people read."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from layerlens.errors import ScenarioError
from layerlens.scenario.reading.scenarios import (
    read_scenarios,
    scenario_from_mapping,
)
from layerlens.scenario.spec import InputSpec, Scenario, TargetSpec

INPUT = "input: {shape: [64, 15]}\n"


MODELS = "models: {a: [Flatten], b: [Flatten]}\n"


DENSE_VS_TD = """\
title: Dense vs TimeDistributed(Dense) after a GRU
question: Does Dense mix time steps when you leave out TimeDistributed?
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


def arguments(scenario: Scenario, model: str = "a", layer: int = 0) -> dict[str, Any]:
    return dict(scenario.model(model).layers[layer].arguments)


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
    with pytest.raises(ScenarioError, match=r"<python>: LL301 unknown layer `Dnese`"):
        scenario_from_mapping({"input": {"shape": (3,)}, "models": {"a": ["Dnese"], "b": ["ReLU"]}})


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
        '2:21: item 2 of `shape` takes an integer; received the text "fifteen"',
        "5:7: unknown layer `Dnese`",
        "6:15: unknown argument `unit` of `Dense`",
        "7:7: `Conv1D` needs `kernel_size`",
        '8:48: `units` of `Dense` takes an integer; received the text "many"',
        '9:13: there is no file "missing.keras"',
        '10:11: `transfer` does not take the text "by_nam"',
        "11:21: unknown model `c`",
        '11:39: a verdict is expected here; received the text "equivalnt"',
    ]
    hints = dict(fault.split(" | ", 1) for fault in faults if " | " in fault)
    assert hints["1:1: unknown key `titel`"] == "did you mean `title`?"
    assert hints["5:7: unknown layer `Dnese`"] == "did you mean `Dense`?"
    assert hints["6:15: unknown argument `unit` of `Dense`"] == "did you mean `units`?"


def test_a_misspelt_input_is_told_once(told: Any) -> None:
    models = (
        "models:\n  a: [Dense: 4]\n  b: {graph: {x: {Dense: 4, from: [input]}}, outputs: [x]}\n"
    )
    (fault,) = told("inptu: {shape: [4]}\n" + models)
    assert fault.startswith("1:1: unknown key `inptu` | did you mean `input`?")
    assert len(told("title: no input\n" + models)) == 2


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("title: 2024", "`title` takes text; received the number 2024 | write it in quotes: \"2024\""),
        ("reference: c", "unknown model `c` | allowed: a, b"),
        ("modes: training", "`modes` takes a list; received the text \"training\" | write `modes: [training]`"),
        ("modes: [inferense]", "item 1 of `modes` does not take the text \"inferense\" | did you mean `inference`?"),
        ("tolerance: {rtol: 0.1}", "`atol` of `tolerance` is missing | give `rtol` and `atol` together, or remove "
            "`tolerance`"),
        ("tolerance: {rtol: .inf, atol: 0}", "`rtol` takes a finite number; received the number inf"),
        ("fit: {loss: mean_squared_eror}", "Keras has no loss `mean_squared_eror` | did you mean `mean_squared_error`?"),
        ("fit: {loss: mse, optimizer: rmspop}", "Keras has no optimizer `rmspop` | did you mean `RMSprop`?"),
        ("fit: {loss: mse, epochs: 0}", "`epochs` has to be at least 1; received 0"),
        ("fit: {loss: mse, targets: {c: {shape: [3]}}}", "unknown model `c`"),
        ("expect: {verdicts: {a: different}}", "`a` is the reference; a verdict belongs to a candidate | candidates: b"),
        ("expect: {verdicts: {b: {training: different}}}", "`training` is not one of the scenario's modes | add `modes: [inference, "
            "training]` to run it"),
        ("expect: {models: {c: {params: 3}}}", "unknown model `c` | allowed: a, b"),
        ("expect: {models: {a: {layers: {x: {param: 3}}}}}", "unknown key `param` | did you mean `params`?"),
        ("expect: {models: {a: {output_shape: [x]}}}", "`output_shape` is a list of integers and null"),
        ("matrix: {}", "`matrix` takes a mapping of name → list of values; received an empty mapping"),
        ("matrix: {n: 3}", "`n` of the matrix takes a list of values; received the number 3"),
        ("matrix: {n: [1], m: [2]}\nquestion: ${k}", "unknown matrix value `${k}`"),
        ("title: a\ntitle: b", "4:1: the key `title` is given twice; the first is on line 3"),
        ("1: a", '3:1: a key has to be text; received the number 1 | write it in quotes: "1":'),
        ("question: !!python/object:os.system x", "3:11: the tag `!!python/object:os.system` is not supported"),
    ],
)  # fmt: skip
def test_the_rest_at_fault(told: Any, line: str, fault: str) -> None:
    (found,) = told(INPUT + MODELS + line + "\n")
    assert fault in found


def test_a_fault_of_some_cells_names_the_first(told: Any) -> None:
    told_of = told(
        INPUT + "matrix: {n: [8, many], m: [1, 2]}\nmodels:\n  a: [Dense: ${n}]\n  b: [Dnse: 1]\n"
    )
    assert [fault.partition(" | ")[0] for fault in told_of] == [
        '4:14: `units` of `Dense` takes an integer; received the text "many" '
        "(in the cell n=many, m=1 and 1 more)",
        "5:7: unknown layer `Dnse`",
    ]


def test_one_model_is_enough_where_nothing_is_compared(write: Any) -> None:
    path = write(INPUT + "models: {a: [Flatten]}\n")
    assert len(read_scenarios(path, least_models=1)) == 1
    with pytest.raises(ScenarioError, match="a comparison needs 2 models; received 1"):
        read_scenarios(path)


def test_reading_loads_neither_keras_nor_numpy(write: Any) -> None:
    code = (
        "import sys; from layerlens.scenario.reading.scenarios import read_scenarios; "
        f"read_scenarios({str(write(DENSE_VS_TD))!r}); "
        "print(sorted({'keras', 'tensorflow', 'numpy', 'pandas', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("when", "fault"),
    [
        ("{unpaded: true}", "unknown key `unpaded` | did you mean `unpadded`?"),
        ("{unpadded: 1}", "`unpadded` takes true or false; received the number 1"),
        ("{range: [6, 0]}", "`range` starts below its end; received 6 and 0"),
        ("{range: [6]}", "`range` takes a lower and an upper bound; received a list of 1"),
        ("{range: 6}", "`range` takes a list; received the number 6"),
        ("{lengths: 0}", "`lengths` has to be at least 1; received 0"),
        ("{batch: x}", "`batch` takes an integer; received the text"),
        ("{lengths: 2}", "`lengths` restricts variable axes, and no input has one"),
        ("unpadded", "`when` takes a mapping; received the text"),
    ],
)
def test_a_condition_at_fault(told: Any, when: str, fault: str) -> None:
    (found,) = told(
        f"input: {{shape: [4]}}\nwhen: {when}\nmodels: {{a: [Flatten], b: [Flatten]}}\n"
    )
    assert fault in found


def test_a_range_for_integers_is_at_fault(told: Any) -> None:
    (found,) = told(
        "input: {shape: [4], dtype: int32}\nwhen: {range: [0, 1]}\n"
        "models: {a: [Flatten], b: [Flatten]}\n"
    )
    assert "2:15: `range` restricts floating inputs, and no input is one" in found
