"""What a process at a revision tells of its model."""

from __future__ import annotations

import numpy as np
import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.callable_server import ServedModel
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")


def served(model: object) -> ServedModel:
    data = {"input": {"shape": [3]}, "models": {"a": model, "b": ["Flatten"]}}
    (scenario,) = scenario_from_mapping(data)
    built = build_model(scenario.models[0], scenario.inputs)
    assert isinstance(built, Built)
    return ServedModel(KerasRunner(built), None)


def test_every_output_has_its_dtype_and_shape() -> None:
    described = served(
        {
            "graph": {
                "half": {"Dense": {"units": 2, "dtype": "mixed_float16"}, "from": ["input"]},
                "whole": {"Dense": 4, "from": ["input"]},
            },
            "outputs": ["half", "whole"],
        }
    ).described()
    assert described["outputs"] == [
        {"name": "output 0", "dtype": "float16", "shape": [None, 2]},
        {"name": "output 1", "dtype": "float32", "shape": [None, 4]},
    ]
    assert described["float64"] == "none"


def test_weights_are_set_and_outputs_follow() -> None:
    model = served([{"Dense": 2}])
    model.assign([np.ones((3, 2), "float32"), np.full(2, 0.5, "float32")])
    (output,) = model.run("working", [np.ones((1, 3), "float32")])
    np.testing.assert_array_equal(output, [[3.5, 3.5]])
    with pytest.raises(ValueError, match="no float64 form"):
        model.run("float64", [np.ones((1, 3), "float32")])
