"""Remedies for a model in the place of a layer that gets other inputs than its own."""

from __future__ import annotations

import re

from layerlens.models.keras_errors.refusal import Refusal, Rule


def other_input_shape(refusal: Refusal) -> str | None:
    """A Functional whose `input:` has another shape than what it is applied to."""
    if refusal.type != "Functional":
        return None
    found = refusal.find(
        r"Input (\d+) with name '(.*)' of layer .* is incompatible with the layer: "
        r"expected shape=\((.*?)\), found shape=\((.*?)\)"
    )
    if found is None:
        return None
    sizes = ", ".join(re.findall(r"\d+|None", found[4])[1:]).replace("None", "null")
    return (
        f"declare `{found[2]}` of this model with `shape: [{sizes}]`, which it is applied to, or "
        "apply it to the shape that it declares"
    )


NESTED_MODEL_RULES: tuple[Rule, ...] = (other_input_shape,)
