"""The schema of a scenario file as pydantic types, and as JSON Schema.

`check_keys` of each type checks what a type cannot express, such as keys that exclude each other.
It adds its faults to the `Faults` in the validation context.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler

from layerlens.fault_codes import Code
from layerlens.plain.sizes import MOST_AXES
from layerlens.scenario.faults import Faults, misspelt, suggestion
from layerlens.scenario.older_names import OF_THE_INPUT
from layerlens.scenario.reading import schema_parts
from layerlens.scenario.reading.schema_faults import add_schema_faults
from layerlens.scenario.yaml.positions import YamlMapping, described
from layerlens.vocabulary import Dtype, Mode, Policy

#: No axis of a tensor is longer: TensorFlow indexes with 32 bits in many places.
LONGEST = 2**31 - 1

Length = Annotated[int, Field(ge=0, le=LONGEST)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Shape = Annotated[
    list[Length | None],
    Field(
        max_length=MOST_AXES - 1,
        description="Per-sample shape, without the batch axis; null is a variable length.",
    ),
]
Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Numbers = Annotated[Any, WithJsonSchema(schema_parts.NUMBERS)]
OutputShape = Annotated[Any, WithJsonSchema(schema_parts.OUTPUT_SHAPE)]
Layers = Annotated[
    list[Any],
    Field(min_length=1),
    WithJsonSchema({"type": "array", "minItems": 1, "items": schema_parts.LAYER}),
]
Graph = Annotated[dict[str, Any], Field(min_length=1), WithJsonSchema(schema_parts.GRAPH)]


_PER_SAMPLE = "`shape` is per sample; leave the batch axis out: `shape: [64, 15]`"
_DENSE = "layerlens calls every model with dense tensors, which have the same values: remove it"
_AS_INPUT = "write `input: {shape: [...]}`, per sample, without the batch axis"


@dataclass(frozen=True, slots=True)
class Names:
    """The names in one file that other places in it refer to, and its faults."""

    faults: Faults
    models: tuple[str, ...]
    reference: str | None
    modes: tuple[str, ...]


class Part(BaseModel):
    """A mapping of the file; the fault for an unknown key names the nearest known key."""

    # Deferred, so that shared parts are built only once, with the scenario's validator.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    #: Key of another place or program → what to write instead.
    elsewhere: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="wrap")
    @classmethod
    def _add_unknown_keys(
        cls, value: Any, handler: ModelWrapValidatorHandler[Any], info: ValidationInfo
    ) -> Any:
        if isinstance(value, YamlMapping) and isinstance(info.context, Names):
            for key in value:
                if key not in cls.model_fields:
                    hint = cls.elsewhere.get(key) or suggestion(key, cls.model_fields)
                    info.context.faults.add(
                        Code.UNKNOWN_KEY, f"unknown key `{key}`", value.keys_at.get(key), hint
                    )
            cls.check_keys(value, info.context)
        return handler(value)

    @classmethod
    def gives(cls, value: YamlMapping, *keys: str) -> bool:
        """Return whether one of the keys is given, even misspelt (which is a fault already)."""
        return any(
            value.get(key) is not None or misspelt(key, value, cls.model_fields) for key in keys
        )

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        """Add faults for keys of this mapping that do not go together or are missing."""

    @classmethod
    def read(cls, data: YamlMapping, names: Names) -> Self | None:
        """Return the validated mapping; None, with its faults added, if it has any."""
        _build_validator(cls)
        try:
            return cls.model_validate(data, context=names)
        except ValidationError as error:
            add_schema_faults(error.errors(include_url=False), data, names.faults)
            return None


class InputPart(Part):
    """One input: its per-sample shape and dtype, or the user's own values."""

    elsewhere = {
        **dict.fromkeys(("batch_shape", "batch_input_shape"), _PER_SAMPLE),
        **dict.fromkeys(("input_shape", "size", "dims"), "did you mean `shape`?"),
        **dict.fromkeys(("batch_size", "batch"), "layerlens chooses the batches: remove it"),
        **dict.fromkeys(("sparse", "ragged"), _DENSE),
        "min": "did you mean `low`?",
        "max": "did you mean `high`? It is excluded",
        "type": "did you mean `dtype`?",
        "data": "did you mean `values`?",
    }

    shape: Shape | None = None
    dtype: Dtype = "float32"
    low: Annotated[int | None, Field(description="The smallest random integer.")] = None
    high: Annotated[int | None, Field(description="One more than the largest random integer.")] = (
        None
    )
    values: Annotated[
        Numbers, Field(description="Your own data, batch axis first, as an additional probe.")
    ] = None

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        if not cls.gives(value, "shape", "values"):
            hint = "write `shape: [64, 15]`, or give `values:`"
            names.faults.add(Code.MISSING_KEY, "an input needs `shape`", value.at, hint)
        dtype = value.get("dtype", "float32")
        for key in ("low", "high"):
            if value.get(key) is not None and not str(dtype).startswith(("int", "uint")):
                names.faults.add(
                    Code.KEYS_CONFLICT,
                    f"`{key}` is for integers; this input is {dtype}",
                    value.keys_at.get(key),
                    "add `dtype: int32`, or remove it",
                )
        low, high = value.get("low", 0), value.get("high")
        if isinstance(low, int) and isinstance(high, int) and low >= high:
            names.faults.add(
                Code.OUT_OF_RANGE,
                f"`low` has to be less than `high`; received {low} and {high}",
                value.values_at.get("high"),
                "`high` is excluded, as in NumPy",
            )


#: The keys of which a model has exactly one.
FORMS = ("layers", "graph", "file", "python", "like")
#: What cannot be given to a model that is like another one.
NOT_ALIKE = ("outputs", "args", "input", "inputs", "weights", "chunks", "dtype")


class ModelPart(Part):
    """A model: a list of layers, a graph, a saved file or a Python callable."""

    elsewhere = {
        **dict.fromkeys(OF_THE_INPUT, _AS_INPUT),
        **dict.fromkeys(("batch_shape", "shape"), _AS_INPUT),
        "path": "did you mean `file`?",
        "nodes": "did you mean `graph`?",
        "policy": "did you mean `dtype`?",
        "kwargs": "did you mean `args`?",
    }

    layers: Layers | None = None
    graph: Graph | None = None
    outputs: Annotated[Any, WithJsonSchema(schema_parts.NAMES)] = None
    file: Annotated[
        str | None,
        Field(
            description="A saved .keras, .h5 or Keras .json; an exported .onnx, .tflite or "
            "SavedModel folder; or a recording (.npz). Relative to this file."
        ),
    ] = None
    python: Annotated[
        str | None,
        Field(
            description='"module:callable", or "path/to/file.py:callable" relative to this file, '
            "that returns a Keras model."
        ),
    ] = None
    args: Annotated[
        dict[str, Any] | None, Field(description="Keyword arguments of the callable.")
    ] = None
    like: Annotated[
        str | None,
        Field(description="Another model of this file, which runs in another `runtime`."),
    ] = None
    runtime: Annotated[Any, WithJsonSchema(schema_parts.RUNTIME)] = None
    input: InputPart | None = None
    inputs: Annotated[dict[str, InputPart] | None, Field(min_length=1)] = None
    select: Annotated[
        str | None,
        Field(description='A NumPy slice of the output, batch axis first, such as "[:, -1]".'),
    ] = None
    weights: Annotated[
        dict[str, Numbers] | None, Field(description="Weight path → nested lists of values.")
    ] = None
    chunks: Annotated[
        int | None,
        Field(ge=2, description="The number of pieces of its input; the state is kept in between."),
    ] = None
    dtype: Annotated[Policy | None, Field(description="A Keras dtype policy.")] = None

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        forms = [key for key in FORMS if value.get(key) is not None]
        if not cls.gives(value, *FORMS):
            names.faults.add(
                Code.MISSING_KEY,
                "a model needs one of `layers`, `graph`, `file`, `python` and `like`",
                value.at,
                "a plain list of layers also works",
            )
        for extra in forms[1:]:
            names.faults.add(
                Code.KEYS_CONFLICT,
                f"a model has one of these keys; received `{forms[0]}` and `{extra}`",
                value.keys_at.get(extra),
                "remove one of the two",
            )
        if value.get("like") is not None:
            for key in NOT_ALIKE:
                if value.get(key) is not None:
                    names.faults.add(
                        Code.KEYS_CONFLICT,
                        f"`{key}` cannot be given next to `like`",
                        value.keys_at.get(key),
                        "give it to the model that this one is like",
                    )
            return
        for key, needed in (("outputs", "graph"), ("args", "python")):
            if value.get(key) is not None and not cls.gives(value, needed):
                names.faults.add(
                    Code.KEYS_CONFLICT, f"`{key}` belongs to `{needed}`", value.keys_at.get(key)
                )
        if value.get("graph") is not None and not cls.gives(value, "outputs"):
            names.faults.add(
                Code.MISSING_KEY,
                "`outputs` is missing",
                value.keys_at.get("graph"),
                "add `outputs: [node]`",
            )
        check_one_input_form(value, names.faults)


class RuntimePart(Part):
    """An interpreter with a Keras of its own."""

    python: Annotated[
        str, Field(description="The path of the interpreter, relative to this file.", min_length=1)
    ]
    keras: Annotated[
        Literal["keras", "tf_keras", "tensorflow.keras"],
        Field(description="The package to import in it."),
    ] = "keras"


class TargetPart(Part):
    """The target of training: the shape and dtype of one sample's target."""

    shape: Shape
    dtype: Dtype = "float32"


class FitPart(Part):
    """Train every model from the same weights on the same data."""

    elsewhere = {
        **dict.fromkeys(
            ("lr", "learning_rate"),
            "the optimizer trains at its default learning rate: remove it",
        ),
        **dict.fromkeys(("nb_epoch", "nb_epochs", "n_epochs"), "did you mean `epochs`?"),
        "batch": "did you mean `batch_size`?",
        "metrics": "the loss curves and final weights are compared: remove it",
    }

    loss: Annotated[str, Field(description="A Keras loss, such as mean_squared_error.")]
    optimizer: Annotated[str, Field(description="A Keras optimizer.")] = "sgd"
    epochs: Positive = 1
    samples: Positive = 128
    batch_size: Positive = 32
    target: TargetPart | None = None
    targets: Annotated[dict[str, TargetPart] | None, Field(description="Model → its target.")] = (
        None
    )

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        check_names(value.get("targets"), names.models, "model", names.faults)


class TolerancePart(Part):
    """The allowed difference, |candidate - reference| <= atol + rtol * |reference|."""

    rtol: Bound
    atol: Bound


class WhenPart(Part):
    """The inputs on which the models are compared, if not on all."""

    unpadded: Annotated[
        bool, Field(description="No masked step, and no id 0 where it means padding.")
    ] = False
    batch: Annotated[Positive | None, Field(description="Samples in every batch.")] = None
    lengths: Annotated[
        Positive | None, Field(description="The greatest length of variable axes.")
    ] = None
    range: Annotated[
        list[Annotated[float, Field(allow_inf_nan=False)] | None] | None,
        Field(
            description="The range of floating inputs; null is an open end.",
            json_schema_extra={"minItems": 2, "maxItems": 2},
        ),
    ] = None

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        bounds = value.get("range")
        if not isinstance(bounds, list):
            return
        if len(bounds) != 2:
            names.faults.add(
                Code.OUT_OF_RANGE,
                f"`range` takes a lower and an upper bound; received {described(bounds)}",
                value.values_at.get("range"),
                "write `null` for an open end: `range: [0, null]`",
            )
            return
        low, high = bounds
        if None not in (low, high) and isinstance(low, (int, float)) and low >= high:
            names.faults.add(
                Code.OUT_OF_RANGE,
                f"`range` starts below its end; received {low} and {high}",
                value.values_at.get("range"),
                "write the lower bound first",
            )


class LayerFigures(Part):
    """The expected counts and shape of one layer."""

    params: Count | None = None
    output_shape: OutputShape = None


class ModelFigures(Part):
    """The expected counts, shape or error of one model."""

    params: Count | None = None
    trainable_params: Count | None = None
    output_shape: OutputShape = None
    layers: Annotated[
        dict[str, LayerFigures] | None, Field(description="Layer name → its counts and shapes.")
    ] = None
    error: Annotated[
        str | None, Field(description="Text that the build error contains.", min_length=1)
    ] = None


class ExpectPart(Part):
    """The expected results."""

    verdicts: Annotated[dict[str, Any] | None, WithJsonSchema(schema_parts.VERDICTS)] = None
    models: Annotated[
        dict[str, ModelFigures] | None, Field(description="Model → its counts and shapes.")
    ] = None

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        check_names(value.get("models"), names.models, "model", names.faults)


class ScenarioPart(Part):
    """A layerlens scenario: an input, two or more models, and what is expected of them."""

    title: str | None = None
    question: str | None = None
    answer: Annotated[
        str | None, Field(description="The answer to the question, in your words.")
    ] = None
    input: InputPart | None = None
    inputs: Annotated[
        dict[str, InputPart] | None, Field(min_length=1, description="Name → input.")
    ] = None
    models: Annotated[
        dict[str, ModelPart],
        Field(min_length=1, description="The models, in order; the first is the reference."),
    ]
    runtimes: Annotated[
        dict[str, RuntimePart] | None,
        Field(description="Name → an interpreter, for `runtime:` of a model."),
    ] = None
    reference: Annotated[
        str | None, Field(description="The model the others are compared with.")
    ] = None
    transfer: Annotated[Any, WithJsonSchema(schema_parts.TRANSFER)] = "auto"
    modes: Annotated[list[Mode], Field(min_length=1)] = ["inference"]
    matrix: Annotated[
        dict[str, Annotated[list[Any], Field(min_length=1)]] | None,
        Field(description="Name → values; `${name}` is replaced by the value in each cell."),
    ] = None
    fit: FitPart | None = None
    tolerance: TolerancePart | None = None
    when: WhenPart | None = None
    expect: ExpectPart | None = None

    @classmethod
    def check_keys(cls, value: YamlMapping, names: Names) -> None:
        check_one_input_form(value, names.faults)


@cache
def _build_validator(part: type[Part]) -> None:
    """Build the validator of a part without pydantic's plugins.

    Looking for plugins in every installed package takes as long as building the validator.
    """
    name = "PYDANTIC_DISABLE_PLUGINS"
    before = os.environ.get(name)
    os.environ[name] = "__all__"
    try:
        part.model_rebuild()
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def check_one_input_form(value: YamlMapping, faults: Faults) -> None:
    """Add a fault where both `input:` and `inputs:` are given."""
    if value.get("input") is not None and value.get("inputs") is not None:
        faults.add(
            Code.KEYS_CONFLICT,
            "both `input` and `inputs` are given",
            value.keys_at.get("inputs"),
            "`input` is one spec, `inputs` several by name: remove one of the two",
        )


def check_names(value: Any, known: Iterable[str], what: str, faults: Faults) -> None:
    """Add a fault for every key of a mapping that is not known."""
    if not isinstance(value, YamlMapping):
        return
    known = tuple(known)
    for key in value:
        if key not in known:
            faults.add(
                Code.UNKNOWN_MODEL,
                f"unknown {what} `{key}`",
                value.keys_at.get(key),
                suggestion(key, known),
            )
