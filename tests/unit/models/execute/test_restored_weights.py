"""Weights and states are as they were after a model was used, whatever happened to it."""

from __future__ import annotations

import numpy as np
import pytest

from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec

pytestmark = pytest.mark.usefixtures("backend")


def test_weights_and_seeds_are_put_back_even_after_a_failure() -> None:
    from layerlens.models.build.request import Built
    from layerlens.models.build_model import build_model
    from layerlens.models.execute.restored_weights import restoring_weights

    layers = (LayerSpec("Dense", {"units": 2}), LayerSpec("Dropout", {"rate": 0.5}))
    built = build_model(ModelSpec("m", "layers", layers=layers), (InputSpec("x", (3,)),))
    assert isinstance(built, Built)
    before = [np.array(variable) for variable in built.model.weights]

    def fail_after_a_change() -> None:
        with restoring_weights(built):
            built.model.set_weights([weight + 1 for weight in before])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_a_change()
    for one, other in zip(before, built.model.weights, strict=True):
        assert np.array_equal(one, np.array(other))


def test_refused_models_pass_through() -> None:
    from layerlens.models.build.request import Refused
    from layerlens.models.build_model import build_model
    from layerlens.models.execute.restored_weights import restoring_weights

    broken = ModelSpec("m", "layers", layers=(LayerSpec("LSTM", {"units": 2}),))
    refused = build_model(broken, (InputSpec("x", (3,)),))
    assert isinstance(refused, Refused)
    with restoring_weights(refused):
        pass
