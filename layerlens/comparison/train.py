"""Train one model with Keras' own `fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.request import Built
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.keras_errors import explain_call_error
from layerlens.models.keras_errors.explain_target import loss_name
from layerlens.numerics.arrays import Array
from layerlens.report.layers import ModelError
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import FitSpec


@dataclass(frozen=True, slots=True)
class Lesson:
    """One model, and the data it is trained on."""

    built: Built
    inputs: tuple[Array, ...]
    target: Array
    batch_size: int


@dataclass(frozen=True, slots=True)
class Learnt:
    """The loss of each epoch and the final weights, or why Keras refused."""

    losses: tuple[float, ...] = ()
    weights: tuple[Array, ...] = ()
    target_shape: tuple[int, ...] = ()
    error: ModelError | None = None


def train(lesson: Lesson, fit: FitSpec, runner: KerasRunner) -> Learnt:
    """Train a model in place, in Keras' own `fit`; the runner is the model's."""
    inputs = lesson.inputs[0] if len(lesson.inputs) == 1 else list(lesson.inputs)
    floatx = keras.config.floatx()
    # Losses and metrics compute in Keras' default dtype, which is one for the whole process.
    keras.config.set_floatx("float64" if lesson.built.precision == "float64" else "float32")
    try:
        model = _trainable(lesson.built)
        # Compiled by XLA, the sums would be taken in another order, and it takes far longer.
        model.compile(optimizer=fit.optimizer.lower(), loss=loss_name(fit.loss), jit_compile=False)
        history = model.fit(
            inputs,
            lesson.target,
            batch_size=lesson.batch_size,
            epochs=fit.epochs,
            shuffle=False,
            verbose=0,
        )
    except Exception as error:  # whatever Keras, TensorFlow or a layer raises is a refusal
        raise_if_out_of_memory(error, f"while `{lesson.built.spec.name}` was trained")
        rows = lesson.built.report.layers
        return Learnt(error=explain_call_error(error, execution="fit", layers=rows))
    finally:
        keras.config.set_floatx(floatx)
    losses = tuple(float(loss) for loss in history.history["loss"])
    weights = tuple(array.copy() for array in runner.values())
    return Learnt(losses, weights, lesson.target.shape)


def _trainable(built: Built) -> Any:
    """Return a model of the same layers that can be compiled without marking the one lent out."""
    output = built.model.outputs[0]
    if built.spec.select:
        output = output[parse_select(built.spec.select)]
    return keras.Model(built.model.inputs, output)
