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
class TrainingTask:
    """One model, and the data to train it on."""

    built: Built
    inputs: tuple[Array, ...]
    target: Array
    batch_size: int


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The loss of each epoch and the final weights, or why Keras refused."""

    losses: tuple[float, ...] = ()
    weights: tuple[Array, ...] = ()
    target_shape: tuple[int, ...] = ()
    error: ModelError | None = None


def train(task: TrainingTask, fit: FitSpec, runner: KerasRunner) -> TrainingResult:
    """Train a model in place with Keras' own `fit`; `runner` is the model's."""
    inputs = task.inputs[0] if len(task.inputs) == 1 else list(task.inputs)
    floatx = keras.config.floatx()
    # Losses and metrics compute in Keras' default dtype, which is one for the whole process.
    keras.config.set_floatx("float64" if task.built.precision == "float64" else "float32")
    try:
        model = _trainable(task.built)
        # XLA would take sums in a different order, and take far longer to compile.
        model.compile(optimizer=fit.optimizer.lower(), loss=loss_name(fit.loss), jit_compile=False)
        history = model.fit(
            inputs,
            task.target,
            batch_size=task.batch_size,
            epochs=fit.epochs,
            shuffle=False,
            verbose=0,
        )
    except Exception as error:  # whatever Keras, TensorFlow or a layer raises is a refusal
        raise_if_out_of_memory(error, f"while `{task.built.spec.name}` was trained")
        rows = task.built.report.layers
        return TrainingResult(error=explain_call_error(error, execution="fit", layers=rows))
    finally:
        keras.config.set_floatx(floatx)
    losses = tuple(float(loss) for loss in history.history["loss"])
    weights = tuple(array.copy() for array in runner.values())
    return TrainingResult(losses, weights, task.target.shape)


def _trainable(built: Built) -> Any:
    """Return a model of the same layers, so that compiling it leaves the original unchanged."""
    output = built.model.outputs[0]
    if built.spec.select:
        output = output[parse_select(built.spec.select)]
    return keras.Model(built.model.inputs, output)
