"""A scenario as read from its file: frozen types."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from layerlens.errors import Where
from layerlens.git.revision import Revision
from layerlens.vocabulary import Mode, RestMethod, Strength, TransferMethod, Verdict, Weights

Form = Literal["layers", "graph", "file", "python", "object"]

#: A per-sample shape; `None` is an axis whose length may vary.
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input: its per-sample shape, its dtype and, for integers, the range `[low, high)`."""

    name: str
    shape: Shape
    dtype: str = "float32"
    low: int | None = None
    high: int | None = None
    #: The user's own data as nested lists, batch axis first; one more probe.
    values: Any = None
    #: The greatest length of its open axes to compare at; None is any.
    longest: int | None = None

    @property
    def is_integer(self) -> bool:
        return self.dtype.startswith(("int", "uint"))

    @property
    def is_floating(self) -> bool:
        return self.dtype.startswith(("float", "bfloat"))


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """The value of a call argument that is a tensor: an input, `node`, or `node:1`."""

    kind: Literal["input", "node"]
    name: str
    where: Where | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer: a public class of `keras.layers` and its keyword arguments.

    `arguments` has plain values; a layer or cell inside another one is a `LayerSpec` too, and
    several (`StackedRNNCells`) are a tuple of them.
    """

    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    #: The arguments of its call besides its inputs: plain values, or a `NamedTensor`.
    call: Mapping[str, Any] = field(default_factory=dict)
    #: The model that stands in the place of a layer, for `Sequential`, `Functional` and `Model`.
    model: ModelSpec | None = None
    where: Where | None = None
    #: Argument → where its value is written.
    places: Mapping[str, Where] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node of a graph: a layer of its own, or another node's layer applied again."""

    name: str
    layer: LayerSpec | None
    inputs: tuple[str, ...]
    share: str | None = None
    where: Where | None = None
    #: The arguments of the call of a shared layer; a layer of its own has them itself.
    shared_call: Mapping[str, Any] = field(default_factory=dict)
    #: A name under `from:` → where it is written.
    places: Mapping[str, Where] = field(default_factory=dict, compare=False, repr=False)

    @property
    def call(self) -> Mapping[str, Any]:
        """The arguments of this node's call besides its inputs."""
        return self.shared_call if self.layer is None else self.layer.call

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all tensors that the node takes, as inputs or as call arguments."""
        return (*self.inputs, *(tensor.name for tensor in named_tensors(self.call)))


def named_tensors(value: Any) -> Iterator[NamedTensor]:
    """Yield the tensors in the arguments of a call."""
    if isinstance(value, NamedTensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from named_tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from named_tensors(item)


def addressed(source: str, known: Collection[str]) -> tuple[str, int | None] | None:
    """Return the node or input of a name such as `node` or `node:1`, and which output it means.

    Outputs count from 0; None in place of the output means all of them. None alone is returned if
    `source` names nothing in `known`.
    """
    if source in known:
        return source, None
    node, _, position = source.rpartition(":")
    if node in known and position.isascii() and position.isdigit():
        return node, int(position)
    return None


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """What runs a model in place of this process: another backend, interpreter or commit."""

    #: `jax` or `torch`; None is TensorFlow.
    backend: str | None = None
    #: The path of an interpreter, and the package in it: `keras`, `tf_keras` or `tensorflow.keras`.
    python: str | None = None
    keras: str = "keras"
    #: The commit from which a callable is taken, in this process' interpreter.
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The description of one model; exactly one of the forms is set."""

    name: str
    form: Form
    layers: tuple[LayerSpec, ...] = ()
    nodes: tuple[NodeSpec, ...] = ()
    outputs: tuple[str, ...] = ()
    #: Path of a saved `.keras`, `.h5` or Keras `.json`, resolved against the scenario's folder.
    file: str | None = None
    #: "module:callable" or "path/to/file.py:callable", and its keyword arguments.
    python: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    #: A Keras model, layer or callable passed from Python (form "object").
    given: Any = None
    #: The model's own inputs, in place of the scenario's.
    inputs: tuple[InputSpec, ...] | None = None
    #: A NumPy slice of the output, batch axis first, such as "[:, -1]".
    select: str | None = None
    #: Weight path → nested lists of values.
    weights: Mapping[str, Any] = field(default_factory=dict)
    #: The number of consecutive pieces of its input that the model is called on, state kept.
    chunks: int | None = None
    #: A Keras dtype policy for the whole model.
    dtype: str | None = None
    #: None: this process' Keras runs it, or the runtime of an exported file.
    runtime: RuntimeSpec | None = None
    where: Where | None = None
    #: Folders with the code of a saved file, besides the file's own and the current one.
    code_folders: tuple[str, ...] = ()
    #: A name under `outputs:` → where it is written.
    places: Mapping[str, Where] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_argument(self) -> bool:
        """Whether the command line names the model, and so no file says what input it takes."""
        return self.where is not None and self.where.line is None


def layer_specs(value: Any) -> Iterator[LayerSpec]:
    """Yield every layer in a model's description, also inner layers and those of nested models."""
    if isinstance(value, ModelSpec):
        for layer in (*value.layers, *(node.layer for node in value.nodes)):
            yield from layer_specs(layer)
    elif isinstance(value, LayerSpec):
        yield value
        yield from layer_specs(value.arguments)
        yield from layer_specs(value.model)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from layer_specs(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from layer_specs(item)


def inner_layers(layer: LayerSpec) -> dict[str, LayerSpec]:
    """Return the layers of a model in the place of a layer: as `layers[0]`, or by their node."""
    if layer.model is None:
        return {}
    chain = {f"layers[{place}]": one for place, one in enumerate(layer.model.layers)}
    return chain | {node.name: node.layer for node in layer.model.nodes if node.layer is not None}


def with_inner_layer(layer: LayerSpec, key: str, changed: LayerSpec) -> LayerSpec:
    """Return a layer with one of its `inner_layers` changed."""
    assert layer.model is not None  # only a model has inner layers
    layers = tuple(
        changed if f"layers[{place}]" == key else one
        for place, one in enumerate(layer.model.layers)
    )
    nodes = tuple(
        replace(node, layer=changed) if node.name == key else node for node in layer.model.nodes
    )
    return replace(layer, model=replace(layer.model, layers=layers, nodes=nodes))


@dataclass(frozen=True, slots=True)
class WeightPair:
    """Weights or layers of the reference by path, and those of the candidate they carry over to.

    At most one of the operations is set.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    transpose: tuple[int, ...] | None = None
    reshape: tuple[int, ...] | None = None
    #: The axis along which several sources are joined, or one is split into several targets.
    join: int | None = None
    split: int | None = None
    #: The axis of blocks of equal size, and for each new block the old one.
    permute: tuple[int, tuple[int, ...]] | None = None
    where: Where | None = None


@dataclass(frozen=True, slots=True)
class TransferMapping:
    """A transfer that the user wrote down, and how the weights that it leaves over are paired."""

    pairs: tuple[WeightPair, ...]
    rest: RestMethod = "auto"
    where: Where | None = None


#: How weights are carried over: by a method, or as written down.
TransferRule = TransferMethod | TransferMapping


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """The per-sample shape and dtype of the targets that a model is trained on."""

    shape: Shape
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class FitSpec:
    """Train every model from the same weights on the same data."""

    loss: str
    optimizer: str = "sgd"
    epochs: int = 1
    samples: int = 128
    batch_size: int = 32
    #: The target of all models; None is each model's own output shape.
    target: TargetSpec | None = None
    #: Model name → its own target, in place of `target`.
    targets: Mapping[str, TargetSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Allowed difference, `|candidate - reference| <= atol + rtol * |reference|`."""

    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class Condition:
    """The inputs on which models are compared, if not on all."""

    #: No masked step, and no id 0 where that means padding.
    unpadded: bool = False
    #: The number of samples of every batch.
    batch: int | None = None
    #: The greatest length of open axes.
    lengths: int | None = None
    #: The range of floating inputs; None is no bound.
    least: float | None = None
    greatest: float | None = None

    def written(self) -> dict[str, Any]:
        """Return the condition as a scenario writes it under `when:`."""
        found: dict[str, Any] = {"unpadded": True} if self.unpadded else {}
        found |= {"batch": self.batch} if self.batch is not None else {}
        found |= {"lengths": self.lengths} if self.lengths is not None else {}
        if self.least is not None or self.greatest is not None:
            found["range"] = (self.least, self.greatest)
        return found


@dataclass(frozen=True, slots=True)
class LayerExpectation:
    """The expected figures of one layer; None is not checked."""

    params: int | None = None
    output_shape: Any = None


@dataclass(frozen=True, slots=True)
class ModelExpectation:
    """The expected figures of one model; None is not checked."""

    params: int | None = None
    trainable_params: int | None = None
    #: Batch axis first; a list of shapes where the model has several outputs.
    output_shape: Any = None
    layers: Mapping[str, LayerExpectation] = field(default_factory=dict)
    #: Text that the build error contains.
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Expectations:
    """The expected results: candidate → mode → verdict, and model → figures."""

    verdicts: Mapping[str, Mapping[Mode, Verdict]] = field(default_factory=dict)
    models: Mapping[str, ModelExpectation] = field(default_factory=dict)
    #: Keys under `expect:` → the line and column of the value, counted from 1.
    places: Mapping[tuple[str, ...], tuple[int, int]] = field(
        default_factory=dict, compare=False, repr=False
    )
    #: The candidates whose saved weights are expected to be those of the reference.
    same_weights: tuple[str, ...] = ()
    #: The least strength of an expected `equivalent`, where one is given.
    strengths: Mapping[str, Mapping[Mode, Strength]] = field(default_factory=dict)

    def place(self, keys: tuple[str, ...]) -> tuple[int, int] | tuple[None, None]:
        """Return the line and column of a value, or of the innermost mapping that contains it."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.places:
                return self.places[keys[:length]]
        return None, None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, or one cell of its matrix."""

    path: str
    title: str
    models: tuple[ModelSpec, ...]
    reference: str
    question: str | None = None
    answer: str | None = None
    inputs: tuple[InputSpec, ...] = ()
    transfer: TransferRule = "auto"
    #: Whether the weights that the models were saved with are compared too.
    weights: Weights = "carried"
    modes: tuple[Mode, ...] = ("inference",)
    fit: FitSpec | None = None
    tolerance: Tolerance | None = None
    #: The inputs to compare on; None is all.
    when: Condition | None = None
    expect: Expectations | None = None
    cell: Mapping[str, Any] | None = None

    @property
    def candidates(self) -> tuple[ModelSpec, ...]:
        """All models but the reference, in the order of the file."""
        return tuple(model for model in self.models if model.name != self.reference)

    def model(self, name: str) -> ModelSpec:
        return next(model for model in self.models if model.name == name)

    def inputs_of(self, model: ModelSpec) -> tuple[InputSpec, ...]:
        """Return the model's own inputs, or the scenario's if it has none."""
        return model.inputs if model.inputs is not None else self.inputs
