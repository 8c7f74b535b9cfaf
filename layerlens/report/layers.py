"""Rows about a model: its layers, their shapes, weights and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from layerlens.plain.commits import short_hash
from layerlens.report.maps import StepMapRow
from layerlens.vocabulary import Float64Form, MaskUse, Mixes, OtherInfluence, WeightAccess

#: The types of rows that are models; a wrapper is a layer of its own.
MODEL_TYPES = ("Functional", "Sequential")
#: How the notes begin that say what was translated from an older version of Keras.
TRANSLATED_FROM = "Translated from "
#: The start of the note on code that a saved file does not hold.
CODE_OUTSIDE = "the code of "


@dataclass(frozen=True, slots=True)
class WeightRow:
    """One weight tensor: its Keras path, its shape and how many scalars it holds."""

    path: str
    shape: tuple[int, ...]
    params: int


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a product that counts params, and what it counts: 15 inputs."""

    size: int
    of: str


@dataclass(frozen=True, slots=True)
class CountTerm:
    """A part of a layer's params: its meaning, a product, and the argument that causes it.

    The params of a layer's terms add up to the layer's. `layer` is the path of the inner layer that
    has the weight; None if it is this layer itself.
    """

    meaning: str
    weight: str
    factors: tuple[Factor, ...]
    params: int
    because: str | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class AxisMixing:
    """How positions along a further axis, such as the width of images, depend on each other.

    `axis` counts the batch axis; `name` is "axis 2", or "features" for the last axis on both sides.
    """

    axis: int
    name: str
    mixes: Mixes
    window: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of a model; shapes have the batch axis (None) first.

    A layer with several inputs or outputs has a tuple of shapes. `params` includes those of inner
    layers; `holds` are the layers inside a wrapper. A layer that is applied again has a row for
    each application, with `shared_with` set and no params.
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
    #: The width and stride of the window of input steps that an output step depends on; None where
    #: there is none or it was not measured.
    window: tuple[int, int] | None = None
    #: The count in the layer's own terms: "3 gates × (15 inputs × 16 units + 16×16 recurrent +
    #: 2×16 biases, because reset_after) = 1,584", and the same as terms.
    counted: str | None = None
    terms: tuple[CountTerm, ...] = ()
    #: Params not trained only because the layer, or one around it, is frozen.
    frozen_params: int = 0
    bytes_by_dtype: dict[str, int] = field(default_factory=dict)
    #: Multiply-adds of kernels and of attention, for one sample; None if a length is variable or
    #: the layer is not Keras' own.
    multiply_adds: int | None = None
    #: Bytes of the outputs of this call, for one sample.
    activation_bytes: int | None = None
    #: Operations in the graph of this call, including the functions it calls.
    graph_ops: int | None = None
    #: None where the layer receives no mask, or its use is not known.
    mask_use: MaskUse | None = None
    #: The layer's configuration as plain data, without its name and values of None.
    arguments: dict[str, Any] = field(default_factory=dict)
    #: State that is not in the configuration: adapted values, a vocabulary, attributes of a class
    #: that is not Keras' own.
    state: dict[str, Any] = field(default_factory=dict)
    #: The arguments of this call other than its inputs: `use_causal_mask`, `training`, ...
    call: dict[str, Any] = field(default_factory=dict)
    #: The layers and inputs of the model that it is applied to, by name; `lstm[1]` is the second
    #: output of a layer, `dense#2` the output of its second application.
    inputs: tuple[str, ...] = ()
    #: Which of its output steps depend on which steps of each input, where that was measured.
    steps: tuple[StepMapRow, ...] = ()
    #: How it mixes along further spatial axes, and along the features where that was asked for.
    axes: tuple[AxisMixing, ...] = ()
    #: What else its outputs depend on; None where that was not measured.
    depends_on: tuple[OtherInfluence, ...] | None = None
    #: Why steps could not be measured, where they were to be.
    unmeasured: str | None = None


@dataclass(frozen=True, slots=True)
class ModelError:
    """Keras' refusal of a model: the layer, the reason and a remedy."""

    layer: str | None
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class CodeChangeRow:
    """A class, a method, a function or a variable whose code has changed since a revision."""

    name: str
    #: From the root of the repository.
    file: str
    is_class: bool


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """The git revision that a model was built at."""

    #: As the user named it.
    name: str
    commit: str
    #: The first line of its message.
    subject: str
    #: Whether the working tree, which is compared with it, has changes that are not committed.
    dirty: bool
    #: What has other code in the working tree, of the modules that were imported.
    changed: tuple[CodeChangeRow, ...] = ()

    def __str__(self) -> str:
        short = short_hash(self.commit)
        named = "" if self.commit.startswith(self.name) else f"{self.name}, "
        return f"{named}{short} ({self.subject})"


@dataclass(frozen=True, slots=True)
class RuntimeRow:
    """What computed a model that this process' Keras does not run."""

    name: str
    version: str
    #: The version of Python, or the interpreter.
    python: str | None
    #: How its weights can be reached: set at will, by name, or not at all.
    weights: WeightAccess
    #: Whether its float64 results are computed in float64.
    float64: Float64Form
    #: None where it is not a callable at a git revision.
    revision: RevisionRow | None = None


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model: its layers and their totals."""

    name: str
    params: int | None
    trainable_params: int | None
    non_trainable_params: int | None
    #: None where the model did not build; a tuple of shapes where it has several outputs.
    output_shape: Any
    layers: tuple[LayerRow, ...]
    error: ModelError | None = None
    input_shape: Any = None
    #: How the model's output steps depend on its input steps.
    mixes: Mixes | None = None
    window: tuple[int, int] | None = None
    #: Frozen params are among the non-trainable ones; the others (moving statistics) are never
    #: trained. Shared params belong to layers that are applied more than once; they count once.
    frozen_params: int | None = None
    shared_params: int | None = None
    bytes_by_dtype: dict[str, int] = field(default_factory=dict)
    #: The sum over all layers, for one sample; None if that of a layer is not known.
    multiply_adds: int | None = None
    activation_bytes: int | None = None
    #: Operations in the graph of the whole model as `predict` traces it, in inference.
    graph_ops: int | None = None
    #: Which of its output steps depend on which steps of its inputs, where that was measured.
    steps: tuple[StepMapRow, ...] = ()
    #: How it mixes along further spatial axes, and along the features where that was asked for.
    axes: tuple[AxisMixing, ...] = ()
    #: What else its outputs depend on; None where that was not measured.
    depends_on: tuple[OtherInfluence, ...] | None = None
    #: Why steps could not be measured, where they were to be.
    unmeasured: str | None = None
    #: Remarks on the figures: a layer without a configuration, what a saved file lacks or which
    #: version it was converted from.
    notes: tuple[str, ...] = ()
    #: The classes and functions of a saved file that are not Keras' own. The file does not hold
    #: their code, so it was not compared.
    outside_code: tuple[str, ...] = ()
    #: None where this process' Keras runs it.
    runtime: RuntimeRow | None = None

    @property
    def lists_layers(self) -> bool:
        """Whether the layers are known; those of an exported file are not."""
        return self.runtime is None or bool(self.layers)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return the notes for a sentence: what was translated is counted, not listed.

        The note on code outside a file is left out: the explanation of a pair starts with it.
        """
        notes = tuple(note for note in self.notes if not note.startswith(CODE_OUTSIDE))
        translated = [note for note in notes if note.startswith(TRANSLATED_FROM)]
        if not translated:
            return notes
        version = translated[0].removeprefix(TRANSLATED_FROM).partition(":")[0]
        count = f"{len(translated)} thing" + ("s are" if len(translated) > 1 else " is")
        told = f"{count} translated from {version} (`notes` lists each)"
        return (told, *(note for note in notes if note not in translated))
