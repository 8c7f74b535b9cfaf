"""Explain why Keras refused to build a layer; the first matching rule decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from layerlens.models.keras_errors.arguments import ARGUMENT_RULES, mentioned_argument
from layerlens.models.keras_errors.axes import AXIS_RULES
from layerlens.models.keras_errors.fallback import describe_accepted_input
from layerlens.models.keras_errors.nested_models import NESTED_MODEL_RULES
from layerlens.models.keras_errors.refusal import Refusal, Remedy, Rule, shapes_of
from layerlens.models.keras_errors.several_inputs import SEVERAL_INPUTS_RULES
from layerlens.models.keras_errors.sizes import SIZE_RULES
from layerlens.models.keras_errors.text import clean_reason
from layerlens.models.keras_errors.time_steps import TIME_STEP_RULES
from layerlens.models.keras_errors.wrappers import WRAPPER_RULES
from layerlens.report.layers import LayerRow, ModelError

#: Rules for the inputs of the layer and for the layer that it wraps.
_OUTER_RULES: tuple[Rule, ...] = (
    *NESTED_MODEL_RULES,
    *SEVERAL_INPUTS_RULES,
    *WRAPPER_RULES,
    *TIME_STEP_RULES,
    *AXIS_RULES,
)
#: Rules for sizes and arguments, of the layer or of the layer that it wraps.
_INNER_RULES: tuple[Rule, ...] = (*SIZE_RULES, *ARGUMENT_RULES)


def explain_build_error(
    error: BaseException,
    *,
    layer_name: str | None,
    layer_type: str | None,
    arguments: Mapping[str, Any],
    input_shapes: Sequence[Any],
    before: Sequence[LayerRow],
    upstream: Sequence[str] = (),
) -> ModelError:
    """Return why Keras refused to build a layer, with a remedy.

    `input_shapes` have the batch axis first. `before` holds the rows of the layers built so far, in
    order. `upstream` names the layers that lead to the first input, last first; without it they
    are guessed from the shapes.
    """
    refusal = Refusal(
        reason=clean_reason(error),
        error=error,
        layer=layer_name or layer_type or "layer",
        type=_class_name(layer_type or ""),
        arguments=arguments,
        shapes=shapes_of(tuple(input_shapes)),
        before=tuple(before),
        upstream=tuple(upstream),
    )
    remedy = find_remedy(refusal)
    message = refusal.reason
    if remedy.reason is not None:
        message = f"{remedy.reason} (Keras says: {refusal.reason})"
    return ModelError(layer=layer_name, message=message, hint=remedy.hint)


def _class_name(layer_type: str) -> str:
    """Return the name of the class behind an alias: MaxPooling2D for MaxPool2D."""
    kind = getattr(keras.layers, layer_type, None)
    name = str(getattr(kind, "__name__", layer_type))
    return name if getattr(keras.layers, name, None) is kind else layer_type


def find_remedy(refusal: Refusal) -> Remedy:
    """Return the remedy of the first rule that applies, else what the layer takes."""
    inner = refusal.for_inner()
    rounds = [(_OUTER_RULES, refusal), (_INNER_RULES, refusal), ((mentioned_argument,), refusal)]
    if inner is not None:
        rounds.insert(1, (_INNER_RULES, inner))
        rounds.insert(3, ((mentioned_argument,), inner))
    for rules, subject in rounds:
        for rule in rules:
            remedy = rule(subject)
            if remedy is not None:
                return remedy if isinstance(remedy, Remedy) else Remedy(remedy)
    return Remedy(describe_accepted_input(inner or refusal))
