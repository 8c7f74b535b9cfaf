"""Layers are made from descriptions, code only with permission."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layerlens.errors import ScenarioError, UnsafeCodeError, Where
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import LayerSpec
from tests.unit.models.build.models import VECTOR, build, chain, refusal
from tests.unit.tables.every_layer import layer


def test_an_argument_keras_refuses_names_the_layer_it_would_have_made() -> None:
    spec = chain(layer("Dense", units=3), layer("Dense", units=-1))
    result = refusal(spec)
    assert result.report.error.layer == "dense_1"
    assert [row.name for row in result.report.layers] == ["dense"]


def test_layers_that_are_code_need_permission() -> None:
    spec = chain(LayerSpec("Lambda", {"function": "lambda x: x"}, where=Where("s.yaml", 4, 7)))
    with pytest.raises(UnsafeCodeError, match=r"s.yaml:4:7: LL405 `Lambda` runs its own code"):
        build_model(spec, VECTOR)


def test_a_lambda_names_its_function_where_code_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "own_functions.py").write_text("def twice(x): return x * 2")
    where = Where(str(tmp_path / "s.yaml"), 4, 7)
    Path(where.file).touch()
    spec = chain(LayerSpec("Lambda", {"function": "own_functions:twice"}, where=where))
    assert np.all(build(spec, allow_code=True).model(np.ones((1, 6))) == 2)
    spec = chain(LayerSpec("Lambda", {"function": "own_functions:thrice"}, where=where))
    with pytest.raises(
        ScenarioError, match=r"s.yaml:4:7: LL406 module `own_functions` has no `thrice`"
    ):
        build_model(spec, VECTOR, allow_code=True)


def test_objects_as_arguments_become_those_of_keras() -> None:
    spec = chain(
        layer(
            "Dense",
            units=3,
            kernel_initializer={"class_name": "Constant", "config": {"value": 2}},
            bias_initializer={"class_name": "Constant", "config": {"value": 0.5}},
            kernel_regularizer={"class_name": "L2", "config": {"l2": 0.25}},
            kernel_constraint={"class_name": "MaxNorm", "config": {"max_value": 4}},
            activation=layer("LeakyReLU", negative_slope=0.5),
            dtype="mixed_float16",
        )
    )
    model = build(spec).model
    np.testing.assert_array_equal(model(-np.ones((1, 6))), [[-5.75] * 3])  # (6 * -2 + 0.5) / 2
    assert float(model.losses[0]) == pytest.approx(0.25 * 18 * 2**2)
    dense = model.layers[-1]
    assert (dense.compute_dtype, dense.kernel_constraint.max_value) == ("float16", 4)
