"""Explain why a target's shape does not match a loss and an output's shape."""

from __future__ import annotations

import re

from layerlens.models.keras_errors.arguments import known_names
from layerlens.models.keras_errors.text import counted, nearest, shape_yaml
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import ModelError
from layerlens.scenario.spec import Shape

#: Losses whose targets are class numbers: one axis less than the output, or a last axis of 1.
SPARSE = ("sparse_categorical_crossentropy",)
#: Losses whose last axis is a distribution over classes.
CATEGORICAL = (
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "kl_divergence",
)
BINARY = ("binary_crossentropy", "binary_focal_crossentropy")


def loss_name(loss: str) -> str:
    """Return the name of the Keras function for a loss given by its class or a short name."""
    short = {
        "mse": "mean_squared_error",
        "mae": "mean_absolute_error",
        "mape": "mean_absolute_percentage_error",
        "msle": "mean_squared_logarithmic_error",
        "bce": "binary_crossentropy",
        "kld": "kl_divergence",
        "KLDivergence": "kl_divergence",
    }
    if loss.lower() in short or loss in short:
        return short.get(loss) or short[loss.lower()]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", loss).lower()


def explain_target(loss: str, target_shape: Shape, output_shape: Shape) -> ModelError | None:
    """Return why a loss cannot compare a target with an output, or None if it can.

    `target_shape` is per sample; `output_shape` has the batch axis first.
    """
    name = loss_name(loss)
    output, target = output_shape[1:], tuple(target_shape)
    if name in SPARSE:
        fault = _sparse_fault(loss, target, output)
    else:
        fault = _same_shape_fault(loss, name, target, output)
    if fault is None:
        return None
    message, hint = fault
    return ModelError(layer=None, message=message, hint=hint)


def unknown_loss(loss: str) -> ModelError:
    """Return the error for a loss that Keras does not know, with the nearest name."""
    return _unknown("loss", loss, known_names("losses"))


def unknown_optimizer(optimizer: str) -> ModelError:
    """Return the error for an optimizer that Keras does not know, with the nearest name."""
    return _unknown("optimizer", optimizer, known_names("optimizers"))


def _unknown(kind: str, name: str, allowed: tuple[str, ...]) -> ModelError:
    close = nearest(name, allowed)
    hint = f"the nearest is `{close}`" if close else f"there are {', '.join(allowed)}"
    return ModelError(layer=None, message=f"there is no {kind} `{name}`", hint=hint)


def _sparse_fault(loss: str, target: Shape, output: Shape) -> tuple[str, str] | None:
    if not output:
        return (
            f"`{loss}` needs a last axis of classes, and the model gives one number per sample",
            "end the model with a `Dense` with one unit per class",
        )
    wanted = output[:-1]
    if _fits(target, wanted) or (target[-1:] == (1,) and _fits(target[:-1], wanted)):
        return None
    dense = "categorical_crossentropy"
    if _fits(target, output):
        return (
            f"`{loss}` takes class numbers, of shape {shape_text(wanted)} per sample; the target "
            f"has the shape of the output, {shape_text(target)}, like one-hot targets",
            f"for one-hot targets use `loss: {dense}`; for class numbers set "
            f"`target: {_shape_mapping(wanted)}`",
        )
    return (
        f"the target {shape_text(target)} does not match the output {shape_text(output)} per "
        f"sample: `{loss}` takes one class number instead of the last axis, "
        f"{_rank_text(target, wanted)}",
        f"set `target: {_shape_mapping(wanted)}`{_steps_hint(target, wanted)}",
    )


def _same_shape_fault(loss: str, name: str, target: Shape, output: Shape) -> tuple[str, str] | None:
    if _fits(target, output) or _fits_except_last_one(target, output):
        return None
    if name in CATEGORICAL and _fits(target, output[:-1]):
        return (
            f"the target's rank differs from the output's: {_target_and_output(target, output)}; "
            f"`{loss}` takes one-hot targets, and these look like class numbers",
            f"for class numbers use `loss: sparse_categorical_crossentropy`; for one-hot targets "
            f"set `target: {_shape_mapping(output)}`",
        )
    if name in CATEGORICAL and target == (*output[:-1], 1):
        return (
            f"the target's last axis is 1, and the output has {output[-1]} classes: "
            f"{_target_and_output(target, output)}",
            f"for class numbers use `loss: sparse_categorical_crossentropy`; for one-hot targets "
            f"set `target: {_shape_mapping(output)}`",
        )
    hint = f"set `target: {_shape_mapping(output)}`{_steps_hint(target, output)}"
    if len(target) != len(output):
        return (
            f"the target's rank differs from the output's: {_target_and_output(target, output)}",
            hint,
        )
    axis = next((i for i, (a, b) in enumerate(zip(target, output, strict=True)) if a != b and b), 0)
    if axis == len(output) - 1 and target[:-1] == output[:-1]:
        units = counted(target[-1] or 1, "unit")
        hint = f"give the last layer {units}, or set `target: {_shape_mapping(output)}`"
    return (
        f"the target's shape differs from the output's on axis {axis + 1}, {target[axis]} against "
        f"{output[axis]}: {_target_and_output(target, output)}",
        hint,
    )


def _fits(target: Shape, wanted: Shape) -> bool:
    return len(target) == len(wanted) and all(
        a == b or a is None or b is None for a, b in zip(target, wanted, strict=True)
    )


def _fits_except_last_one(target: Shape, output: Shape) -> bool:
    """Return whether one shape is the other with a last axis of 1, which Keras accepts."""
    short, long = sorted((target, output), key=len)
    return len(long) == len(short) + 1 and long[-1] == 1 and _fits(short, long[:-1])


def _target_and_output(target: Shape, output: Shape) -> str:
    return f"target {shape_text((None, *target))}, output {shape_text((None, *output))}"


def _rank_text(target: Shape, wanted: Shape) -> str:
    return f"so rank {len(wanted) + 1} with the batch axis, not {len(target) + 1}"


def _shape_mapping(shape: Shape) -> str:
    return f"{{{shape_yaml(shape)}}}"


def _steps_hint(target: Shape, output: Shape) -> str:
    """Return a hint for a target per step with one output per sample, or the reverse."""
    if len(target) == len(output) + 1 and len(target) >= 1:
        return (
            "; or, for one output per step, set `return_sequences: true` on the last recurrent "
            "layer"
        )
    if len(target) + 1 == len(output) and len(output) == 2:
        return (
            "; or, for one output per sample, set `return_sequences: false` on the last recurrent "
            "layer, or put `Flatten` or `GlobalAveragePooling1D` before the last `Dense`"
        )
    if len(target) == 1 and len(output) in (3, 4):
        return (
            f"; or, for one output per sample, put `Flatten` or "
            f"`GlobalAveragePooling{len(output) - 1}D` before the last `Dense`"
        )
    return ""
