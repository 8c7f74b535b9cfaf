"""Make a model that stands in the place of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from layerlens.models.build.graph import wire_model
from layerlens.models.build.layer import LayerMaker, automatic_name
from layerlens.models.build.request import Built, Refused
from layerlens.models.build.symbolic import functional, input_tensors
from layerlens.scenario.spec import LayerSpec, ModelSpec


def nested_model(
    load: Callable[[ModelSpec], Built | Refused] | None,
    spec: LayerSpec,
    name: str | None,
    maker: LayerMaker,
) -> Any:
    """Return the Keras model of a `Sequential`, `Functional` or `Model` layer.

    Args:
        load: builds the model of a saved file.
        spec: the layer, with its model.
        name: its name as a layer; None is Keras' own choice.
        maker: makes the layers inside it.

    Raises:
        LayerRefusal: Keras refuses a layer of a `Functional` model.
        ValueError: Keras refuses the model of a file.
    """
    inner = spec.model
    assert inner is not None  # that is what such a layer has
    if inner.form == "file":
        assert load is not None  # given with every request that builds a described model
        # Keras numbers layers without a name: `model`, `model_1`.
        loaded = load(replace(inner, name=name or automatic_name(spec.type)))
        if isinstance(loaded, Refused):
            reason = loaded.report.error
            raise ValueError(f"{Path(str(inner.file)).name}: {reason.message if reason else ''}")
        model = loaded.model
    elif inner.inputs is None:
        model = keras.Sequential([maker.make(layer) for layer in inner.layers], name=name)
    else:
        tensors = input_tensors(inner.inputs, maker.precision)
        wired = wire_model(inner, inner.inputs, tensors, maker)
        model = functional(tensors, wired.outputs, name)
    if "trainable" in spec.arguments:
        model.trainable = spec.arguments["trainable"]
    return model
