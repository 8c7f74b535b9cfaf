"""A correct layer, layers with one fault each, and inputs for them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from layerlens.scenario.spec import InputSpec

STEPS = (InputSpec("input", (None, 4)),)
FLAT = (InputSpec("input", (4,)),)


def only(check: Any) -> str:
    """Return the only fault that a check found."""
    (fault,) = check.faults
    return str(fault)


class Scale(keras.layers.Layer):
    """Multiply by a weight and add a shift; a correct layer."""

    def __init__(self, shift: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shift = shift

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x: Any) -> Any:
        return x * self.factor + self.shift

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shift": self.shift}


class LeavesOut(Scale):
    def get_config(self) -> dict[str, Any]:
        return keras.layers.Layer.get_config(self)


class AlwaysHalf(Scale):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shift": 0.5}


class NotJson(Scale):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shift": object()}


class TakesNoName(Scale):
    def __init__(self, shift: float = 0.0) -> None:
        super().__init__(shift)


class ForgetsWeights(Scale):
    def load_own_variables(self, store: Any) -> None:
        pass


class Unregistered(Scale):
    def build(self, shape: Any) -> None:
        self.factor = ops.ones((shape[-1],)) * np.random.default_rng().normal()


class Float32(Scale):
    def call(self, x: Any) -> Any:
        return ops.cast(super().call(x), "float32")


class DropsKwargs(Scale):
    def __init__(self, shift: float = 0.0, **kwargs: Any) -> None:
        super().__init__(shift)


class Normalised(Scale):
    """Divide by an epsilon that is zero in float16."""

    def call(self, x: Any) -> Any:
        return x * 0 / (ops.abs(x * 0) + 1e-9)


class Coarse(Scale):
    """Compute in bfloat16 under every policy but float64."""

    def call(self, x: Any) -> Any:
        if self.compute_dtype == "float64":
            return super().call(x)
        return ops.cast(ops.cast(super().call(x), "bfloat16"), self.compute_dtype)


class LosesAxis(Scale):
    def compute_output_shape(self, shape: Any) -> Any:
        return shape[:-1]


class Fixed(Scale):
    """Announce one shape for all inputs."""

    def compute_output_shape(self, shape: Any) -> Any:
        return (1, 8, 4)


class CannotTell(Scale):
    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0] * 1, *shape[1:])


class Refuses(Scale):
    def call(self, x: Any) -> Any:
        raise ValueError("no, thank you")
