"""Rows about a model: its layers, their shapes, weights and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from layerlens.report.maps import StepMapRow
from layerlens.vocabulary import Beside, MaskUse, Mixes


@dataclass(frozen=True, slots=True)
class WeightRow:
    """One weight tensor: its Keras path, its shape and how many scalars it holds."""

    path: str
    shape: tuple[int, ...]
    params: int


@dataclass(frozen=True, slots=True)
class Factor:
    """One number of a product that counts params, and what it is a number of: 15 inputs."""

    size: int
    of: str


@dataclass(frozen=True, slots=True)
class CountTerm:
    """A part of a layer's params: what it is, as a product, and the argument that asks for it.

    The params of a layer's terms add up to the layer's. `layer` is the path of the layer that
    holds the weight, where that is another one, held by this one.
    """

    meaning: str
    weight: str
    factors: tuple[Factor, ...]
    params: int
    because: str | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class AxisMixing:
    """How positions along one more axis depend on each other: of images, width beside height.

    `axis` counts the batch axis; `name` is "axis 2", or "features" for the last axis on both sides.
    """

    axis: int
    name: str
    mixes: Mixes
    window: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of a model; shapes have the batch axis (None) first.

    A layer with several inputs or outputs has a tuple of shapes. `params` counts everything the
    layer holds; `holds` are the layers inside a wrapper, whose params are part of that count.
    A layer that is applied again is a row of its own with `shared_with` set and no params.
    """

    name: str
    type: str
    path: str
    input_shape: Any
    output_shape: Any
    params: int
    dtype: str
    weights: tuple[WeightRow, ...] = ()
    mixes: Mixes | None = None
    mask_in: bool | None = None
    mask_out: bool | None = None
    trainable_params: int = 0
    shared_with: str | None = None
    holds: tuple[LayerRow, ...] = ()
    #: The count as a sum over the weights' shapes: "1,536 = 15×48 + 16×48 + 48".
    formula: str | None = None
    #: The width of the window of input steps that an output step sees, and its stride; None where
    #: there is none or it was not measured.
    window: tuple[int, int] | None = None
    #: The count in the layer's own terms: "3 gates × (15 inputs × 16 units + 16×16 recurrent +
    #: 2×16 biases, because reset_after) = 1,584", and the same as terms.
    counted: str | None = None
    terms: tuple[CountTerm, ...] = ()
    #: Params that would be trained, were the layer or one that holds it not frozen.
    frozen_params: int = 0
    bytes_by_dtype: dict[str, int] = field(default_factory=dict)
    #: Products that are summed (of kernels and of attention), for one sample; None where a length
    #: is open or the layer is not Keras' own.
    multiply_adds: int | None = None
    #: What the outputs of this use take, for one sample.
    activation_bytes: int | None = None
    #: Operations in the graph of this call, functions that it calls included.
    graph_ops: int | None = None
    #: None where no mask comes in, or it cannot be told.
    mask_use: MaskUse | None = None
    #: The layer's configuration as plain data, without its name and what is None in it.
    arguments: dict[str, Any] = field(default_factory=dict)
    #: What it holds that its configuration does not say: adapted values, a vocabulary, attributes
    #: of a class that is not Keras' own.
    state: dict[str, Any] = field(default_factory=dict)
    #: What this call of it was given beside its inputs: `use_causal_mask`, `training`, ...
    call: dict[str, Any] = field(default_factory=dict)
    #: What it is applied to: layers and inputs of the model by name; `lstm[1]` is the second
    #: output of one, `dense#2` what it gave where it was applied again.
    inputs: tuple[str, ...] = ()
    #: Which of its output steps depend on which steps of each input, where that was measured.
    steps: tuple[StepMapRow, ...] = ()
    #: How it mixes along further spatial axes, and along the features where that was asked for.
    axes: tuple[AxisMixing, ...] = ()
    #: What else its outputs depend on; None where that was not measured.
    depends_on: tuple[Beside, ...] | None = None
    #: Why steps could not be measured, where they were to be.
    unmeasured: str | None = None


@dataclass(frozen=True, slots=True)
class ModelError:
    """Keras refused the model: at which layer, why, and what would mend it."""

    layer: str | None
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class ModelReport:
    name: str
    params: int | None
    trainable_params: int | None
    non_trainable_params: int | None
    #: None where the model did not build; a tuple of shapes where it has several outputs.
    output_shape: Any
    layers: tuple[LayerRow, ...]
    error: ModelError | None = None
    input_shape: Any = None
    #: From the model's input steps to its output steps.
    mixes: Mixes | None = None
    window: tuple[int, int] | None = None
    #: Frozen params are a part of the non-trainable ones; the rest (moving statistics) is never
    #: trained. Shared ones belong to layers that are applied more than once; they count once.
    frozen_params: int | None = None
    shared_params: int | None = None
    bytes_by_dtype: dict[str, int] = field(default_factory=dict)
    #: Of all layers together, for one sample; None where that of one is not known.
    multiply_adds: int | None = None
    activation_bytes: int | None = None
    #: Operations in the graph of the whole model as `predict` traces it, in inference.
    graph_ops: int | None = None
    #: Which of its output steps depend on which steps of its inputs, where that was measured.
    steps: tuple[StepMapRow, ...] = ()
    #: How it mixes along further spatial axes, and along the features where that was asked for.
    axes: tuple[AxisMixing, ...] = ()
    #: What else its outputs depend on; None where that was not measured.
    depends_on: tuple[Beside, ...] | None = None
    #: Why steps could not be measured, where they were to be.
    unmeasured: str | None = None
    #: What has to be known beside the figures: a layer that does not tell its configuration, what
    #: a saved file does not hold or was translated from.
    notes: tuple[str, ...] = ()
