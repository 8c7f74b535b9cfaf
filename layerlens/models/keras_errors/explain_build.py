"""Explain why Keras refused to build a layer; the first matching rule decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from layerlens.models.keras_errors.arguments import ARGUMENT_RULES, argument_named
from layerlens.models.keras_errors.axes import AXIS_RULES
from layerlens.models.keras_errors.fallback import what_it_takes
from layerlens.models.keras_errors.refusal import Refusal, Remedy, Rule, shapes_of
from layerlens.models.keras_errors.several_inputs import JOINING_RULES
from layerlens.models.keras_errors.sizes import SIZE_RULES
from layerlens.models.keras_errors.text import clean_reason
from layerlens.models.keras_errors.time_steps import STEP_RULES
from layerlens.models.keras_errors.wrappers import HOLDING_RULES
from layerlens.report.layers import LayerRow, ModelError

#: How the inputs, and the layer it holds, fit the layer as it stands.
_OUTER_RULES: tuple[Rule, ...] = (*JOINING_RULES, *HOLDING_RULES, *STEP_RULES, *AXIS_RULES)
#: What the layer, or the one it holds, makes of them.
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
    said = refusal.reason
    if remedy.reason is not None:
        said = f"{remedy.reason} (Keras says: {refusal.reason})"
    return ModelError(layer=layer_name, message=said, hint=remedy.hint)


def _class_name(layer_type: str) -> str:
    """Return the class behind an alias: MaxPooling2D for MaxPool2D."""
    kind = getattr(keras.layers, layer_type, None)
    name = str(getattr(kind, "__name__", layer_type))
    return name if getattr(keras.layers, name, None) is kind else layer_type


def find_remedy(refusal: Refusal) -> Remedy:
    """Return what the first rule that applies says, else what the layer takes."""
    held = refusal.of_inner()
    rounds = [(_OUTER_RULES, refusal), (_INNER_RULES, refusal), ((argument_named,), refusal)]
    if held is not None:
        rounds.insert(1, (_INNER_RULES, held))
        rounds.insert(3, ((argument_named,), held))
    for rules, looked_at in rounds:
        for rule in rules:
            found = rule(looked_at)
            if found is not None:
                return found if isinstance(found, Remedy) else Remedy(found)
    return Remedy(what_it_takes(held or refusal))
