"""What came out of a run: frozen results without layout, and as plain data (schema 1)."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal

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


@dataclass(frozen=True, slots=True)
class WeightRow:
    """One weight tensor: its Keras path, its shape and how many scalars it holds."""

    path: str
    shape: tuple[int, ...]
    params: int


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
        data = {"schema": SCHEMA_VERSION, **_plain(self)}
        for scenario in data["scenarios"]:
            scenario["models"] = {model.pop("name"): model for model in scenario["models"]}
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


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "nan" if value != value else ("inf" if value > 0 else "-inf")
    return value
