"""The schema of a model that stands in the place of a layer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from layerlens.fault_codes import Code
from layerlens.scenario.model_layers import KEY_TEXTS
from layerlens.scenario.reading import schema_parts
from layerlens.scenario.reading.schema import (
    Graph,
    Layers,
    Names,
    Part,
    Shape,
    check_one_input_form,
)
from layerlens.scenario.yaml.positions import YamlMapping
from layerlens.vocabulary import Dtype


class ModelLayerPart(Part):
    """A model in the place of a layer."""

    name: Annotated[str | None, Field(description=KEY_TEXTS["name"])] = None
    trainable: Annotated[bool | None, Field(description=KEY_TEXTS["trainable"])] = None


class SequentialPart(ModelLayerPart):
    """Layers one after the other."""

    layers: Layers


class NestedInputPart(Part):
    """One input of a model that is used as a layer."""

    shape: Shape
    dtype: Dtype = "float32"


class FunctionalPart(ModelLayerPart):
    """A graph of layers with its own inputs, which `from:` gives in their order."""

    layers: Layers | None = None
    graph: Graph | None = None
    outputs: Annotated[Any, WithJsonSchema(schema_parts.NAMES)] = None
    input: NestedInputPart | None = None
    inputs: Annotated[dict[str, NestedInputPart] | None, Field(min_length=1)] = None

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        if not cls.gives(value, "input", "inputs"):
            names.faults.add(
                Code.MISSING_KEY,
                "`Functional` needs the shapes of its inputs",
                value.at,
                "add `input: {shape: [...]}`, or `inputs:` with a name for each",
            )
        if not cls.gives(value, "layers", "graph"):
            names.faults.add(Code.MISSING_KEY, "`Functional` needs `graph` or `layers`", value.at)
        elif value.get("layers") is not None and value.get("graph") is not None:
            names.faults.add(
                Code.KEYS_CONFLICT,
                "`Functional` has one of `graph` and `layers`; received both",
                value.keys_at.get("layers"),
                "remove one of the two",
            )
        if value.get("graph") is not None and not cls.gives(value, "outputs"):
            names.faults.add(
                Code.MISSING_KEY,
                "`outputs` is missing",
                value.keys_at.get("graph"),
                "add `outputs: [node]`",
            )
        if value.get("outputs") is not None and not cls.gives(value, "graph"):
            names.faults.add(
                Code.KEYS_CONFLICT, "`outputs` belongs to `graph`", value.keys_at.get("outputs")
            )
        check_one_input_form(value, names.faults)


class SavedPart(ModelLayerPart):
    """A saved model with its weights."""

    file: Annotated[str, Field(description=KEY_TEXTS["file"])]
