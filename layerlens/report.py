"""What came out of a run: frozen results without layout, and as plain data (schema 1)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from layerlens.maps import HeatMap, StepMapRow
from layerlens.scenario import Mode, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

    from layerlens.tidy import Kind

SCHEMA_VERSION = 1

Status = Literal["pass", "fail", "error"]
Strength = Literal["certified", "tested", "weak"]
Execution = Literal["eager", "traced", "traced_dynamic"]
Mixes = Literal["none", "causal", "anti_causal", "window", "all", "reduces", "expands"]
AlsoDiffers = Literal["mask", "gradients", "state", "losses", "dtype", "non_finite"]
#: What a layer does with the mask that comes with its input: reads it (its result depends on it),
#: or does not; a mask that is not passed on ends there either way.
MaskUse = Literal["read", "ignored"]
#: What an output depends on beside its own sample's inputs: what a layer keeps from call to call,
#: the other samples of the batch, or a draw.
Beside = Literal["state", "batch", "chance"]
Change = Literal["same", "changed", "only_reference", "only_candidate"]
#: In what two lined-up layers differ.
Aspect = Literal[
    "type",
    "arguments",
    "inputs",
    "input_shape",
    "output_shape",
    "params",
    "weights",
    "mask",
    "mixes",
]


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


@dataclass(frozen=True, slots=True)
class Rounding:
    """Why a difference is, or is not, rounding.

    `expected` is the greatest working-precision difference that rounding explains on the probes;
    `float64_max_abs` is the greatest difference when both models run in float64.
    """

    expected: float | None
    float64_max_abs: float | None


@dataclass(frozen=True, slots=True)
class ProbeRow:
    name: str
    execution: Execution
    max_abs: float | None
    max_rel: float | None
    #: The greatest working-precision difference that rounding explains on this probe.
    noise: float | None = None
    #: The greatest difference when both run in float64; None where a model has no such form.
    float64_max_abs: float | None = None


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An input on which the two really differ: `index` is where in the output they first part."""

    probe: str
    execution: Execution
    index: tuple[int, ...]
    reference: Any
    candidate: Any
    #: Nested lists, batch axis first; a mapping of input name → lists where there are several.
    input: Any


@dataclass(frozen=True, slots=True)
class FirstDivergence:
    reference_layer: str
    candidate_layer: str
    max_abs: float | None


@dataclass(frozen=True, slots=True)
class TransferRow:
    """How weights were carried over: (reference path, candidate path) pairs, and what is left."""

    method: str
    pairs: tuple[tuple[str, str], ...]
    unmatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """An exact proof: the segment that differs, its degree, the draws, the chance of error."""

    segment: str
    degree: int
    draws: int
    error_bound: float


@dataclass(frozen=True, slots=True)
class StepsDifference:
    """How far two outputs are apart at some of their steps, over all probes and weights."""

    max_abs: float | None
    #: In float64, where rounding is next to nothing.
    float64_max_abs: float | None
    mismatched: int
    compared: int


@dataclass(frozen=True, slots=True)
class MaskedDifference:
    """The differences at valid and at padded steps, and whose mask tells them apart."""

    valid: StepsDifference
    padded: StepsDifference
    #: The model and layer whose mask it is.
    model: str
    layer: str


@dataclass(frozen=True, slots=True)
class PairReport:
    reference: str
    candidate: str
    mode: Mode
    verdict: Verdict
    strength: Strength | None
    explanation: str
    max_abs: float | None = None
    max_rel: float | None = None
    max_ulp: float | None = None
    mismatched: int | None = None
    compared: int | None = None
    rounding: Rounding | None = None
    probes: tuple[ProbeRow, ...] = ()
    counterexample: Counterexample | None = None
    first_divergence: FirstDivergence | None = None
    only_at_initialization: bool = False
    transfer: TransferRow | None = None
    certificate: CertificateRow | None = None
    also_differs: tuple[AlsoDiffers, ...] = ()
    unseen: tuple[str, ...] = ()
    #: None where no mask reaches the outputs' steps, or no outputs were compared.
    masked: MaskedDifference | None = None
    #: What is the same, what differs, why, and what would make the two agree: sentences from what
    #: was measured.
    why: tuple[str, ...] = ()
    #: Where in the output the two differ; None where they agree exactly or were not compared.
    differences: HeatMap | None = None


@dataclass(frozen=True, slots=True)
class ArgumentChange:
    """An argument of two lined-up layers in which they differ; None is the lack of it."""

    name: str
    reference: Any
    candidate: Any


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One row of two models side by side.

    `reference_row` and `candidate_row` are the places in the models' `layers`, from 0 on.
    """

    change: Change
    reference: str | None
    candidate: str | None
    reference_row: int | None
    candidate_row: int | None
    differs: tuple[Aspect, ...] = ()
    arguments: tuple[ArgumentChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ParamsGap:
    """By how many params the candidate's count differs from the reference's, and where from.

    `text` reads "+48: second bias of `gru` (reset_after)". The gaps of two models add up to the
    difference of their counts.
    """

    params: int
    text: str
    reference: str | None = None
    candidate: str | None = None


@dataclass(frozen=True, slots=True)
class ModelsDiff:
    """Two models lined up layer by layer, and the difference of their counts attributed."""

    reference: str
    candidate: str
    layers: tuple[LayerChange, ...]
    params: tuple[ParamsGap, ...] = ()


@dataclass(frozen=True, slots=True)
class FitRow:
    """What training one model gave: the loss of each epoch, or why Keras refused."""

    model: str
    losses: tuple[float, ...]
    #: Greatest absolute difference to the reference, of the losses and of the final weights.
    loss_max_abs: float | None
    weights_max_abs: float | None
    alike: bool | None
    error: ModelError | None = None


@dataclass(frozen=True, slots=True)
class ExpectationRow:
    """`subject` reads "td==dense[inference]", "td.params" or "td.layers.gru.output_shape"."""

    subject: str
    expected: Any
    actual: Any
    held: bool


@dataclass(frozen=True, slots=True)
class ErrorRow:
    message: str
    file: str | None
    line: int | None
    column: int | None
    hint: str | None
    #: True where layerlens itself is at fault, not the scenario.
    internal: bool = False


@dataclass(frozen=True, slots=True)
class ScenarioReport:
    path: str
    title: str | None
    cell: dict[str, Any] | None
    status: Status
    seconds: float
    question: str | None = None
    errors: tuple[ErrorRow, ...] = ()
    models: tuple[ModelReport, ...] = ()
    pairs: tuple[PairReport, ...] = ()
    fit: tuple[FitRow, ...] = ()
    expectations: tuple[ExpectationRow, ...] = ()
    #: Every further model lined up with the first one (the reference, where pairs are compared).
    diffs: tuple[ModelsDiff, ...] = ()
    #: True where this was measured by an earlier run; `seconds` is what it took then.
    cached: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario as plain data, as it stands in a report's `scenarios`."""
        data: dict[str, Any] = to_plain(self)
        data["models"] = {model.pop("name"): model for model in data["models"]}
        return data


@dataclass(frozen=True, slots=True)
class Environment:
    python: str
    keras: str | None
    backend: str | None
    backend_version: str | None
    platform: str


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """The whole run; `to_dict` is schema version 1 of the JSON report.

    `print` shows what the command prints, rich and notebooks show it in colour and as tables.
    """

    layerlens: str
    environment: Environment
    status: Status
    scenarios: tuple[ScenarioReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data: `json.dumps` of it is strict JSON."""
        data = {"schema": SCHEMA_VERSION, **to_plain(replace(self, scenarios=()))}
        data["scenarios"] = [scenario.to_dict() for scenario in self.scenarios]
        return data

    def to_json(self) -> str:
        """Return the report as strict JSON, as `--format json` writes it."""
        from layerlens.render import render

        return render(self, "json")

    def to_markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown."""
        from layerlens.render import render

        return render(self, "markdown")

    def to_html(self) -> str:
        """Return the report as one self-contained HTML page."""
        from layerlens.render import render

        return render(self, "html")

    def to_dataframe(self, kind: Kind = "pairs") -> pd.DataFrame:
        """Return a tidy pandas frame of "pairs", "layers" or "probes"; see `layerlens.tidy`."""
        from layerlens.frames import frame

        return frame(self, kind)

    def __repr__(self) -> str:
        verdicts = [pair.verdict for scenario in self.scenarios for pair in scenario.pairs]
        return f"<Report: {self.status}, scenarios: {len(self.scenarios)}, verdicts: {verdicts}>"

    def __str__(self) -> str:
        from layerlens.render import render

        return render(self, "rich").rstrip()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from layerlens.render import rich_lines

        return rich_lines(self, options.max_width, ascii=options.ascii_only)

    def _repr_html_(self) -> str:
        from layerlens.render.html import render_fragment

        return render_fragment(self)


def to_plain(value: Any) -> Any:
    """Return dataclasses as mappings and tuples as lists; NaN and infinities as strings."""
    if is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "nan" if value != value else ("inf" if value > 0 else "-inf")
    return value
