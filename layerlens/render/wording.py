"""Text for the parts of a report, shared by all human-readable formats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from layerlens.byte_size import readable
from layerlens.plain.printable import clean as clean
from layerlens.plain.printable import one_line as one_line
from layerlens.plain.printable import visible as visible
from layerlens.plain.shapes import shape_text
from layerlens.report.inner_arguments import inner_argument
from layerlens.vocabulary import STATUSES

if TYPE_CHECKING:
    from layerlens.report.diffs import LayerChange, ModelsDiff
    from layerlens.report.layers import LayerRow, ModelError, ModelReport, WeightRow
    from layerlens.report.pairs import PairReport
    from layerlens.report.run import ErrorRow, ExpectationRow, RunRecord, ScenarioReport
    from layerlens.report.training import FitRow
    from layerlens.vocabulary import Mixes, OtherInfluence

#: How the output's time steps depend on the input's.
MIXES = {
    "none": "each step alone",
    "causal": "earlier steps seen",
    "anti_causal": "later steps seen",
    "window": "a window of steps seen",
    "all": "all steps seen",
    "reduces": "steps reduced to one",
    "expands": "steps expanded from one",
}

#: What outputs depend on besides the inputs of their own sample.
BESIDE: dict[OtherInfluence, str] = {
    "state": "the state of earlier calls (stateful)",
    "batch": "the other samples of the batch",
    "chance": "a draw (random)",
}

#: The longest value of an argument; the JSON report has longer ones in full.
LONGEST_ARGUMENT = 60


def count(number: int | None) -> str:
    """Return a number with thousands separators, or a dash for None."""
    return "–" if number is None else f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Return `1 probe` or `46 probes`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def figure(number: float | None) -> str:
    """Return a measured difference with three significant digits, or in full if it is whole."""
    if number is None:
        return "not measured"
    if math.isnan(number) or math.isinf(number):
        return str(number)
    if number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:.3g}"


def value(item: Any) -> str:
    """Return one output or input value with the digits that identify a float32."""
    if isinstance(item, float):
        return f"{item:.9g}"
    return clean(item)


def distinct_values(first: Any, second: Any) -> tuple[str, str]:
    """Return the texts of two values, with enough digits to show that they differ."""
    short = value(first), value(second)
    return (repr(first), repr(second)) if short[0] == short[1] else short


def is_several_shapes(shape: Any) -> bool:
    """Return whether this is several shapes (one per input or output), not a single one."""
    return bool(shape) and all(isinstance(part, (tuple, list)) for part in shape)


def shape_texts(shape: Any) -> tuple[str, ...]:
    """Return one text per output: `(None, 64, 16)`."""
    if shape is None:
        return ("–",)
    if isinstance(shape, Mapping):
        return tuple(f"{clean(key)}: {text}" for key in shape for text in shape_texts(shape[key]))
    if not isinstance(shape, (tuple, list)):
        return (clean(shape),)
    if is_several_shapes(shape):
        return tuple(text for part in shape for text in shape_texts(part))
    return (shape_text([clean(part) for part in shape]),)


def shapes_text(shape: Any) -> str:
    """Return one shape, or several on one line."""
    return ", ".join(shape_texts(shape))


def value_text(item: Any) -> str:
    """Return the text of an expected or actual value."""
    match item:
        case None:
            return "nothing"
        case bool():
            return str(item).lower()
        case int():
            return count(item)
        case float():
            return figure(item)
        case tuple() | list():
            return shapes_text(item)
    return one_line(item)


def cell_text(cell: Mapping[str, Any] | None) -> str:
    """Return the values of a matrix cell: `units=16, bias=true`."""
    return ", ".join(
        f"{one_line(key)}={str(item).lower() if isinstance(item, bool) else one_line(item)}"
        for key, item in (cell or {}).items()
    )


def reference_first(scenario: ScenarioReport) -> list[ModelReport]:
    """Return the models with the reference first, if there is one."""
    reference = scenario.pairs[0].reference if scenario.pairs else None
    return sorted(scenario.models, key=lambda model: model.name != reference)


def title_of(scenario: ScenarioReport) -> str:
    """Return the title of a scenario, or its path if it has none."""
    return one_line(scenario.title or scenario.path)


def full_title(scenario: ScenarioReport) -> str:
    """Return the title of a scenario with the values of its matrix cell: `Title [units=16]`."""
    cell = f" [{cell_text(scenario.cell)}]" if scenario.cell else ""
    return f"{title_of(scenario)}{cell}"


def walk_layers(layers: Sequence[LayerRow], depth: int = 0) -> Iterator[tuple[int, LayerRow]]:
    """Yield every layer to show with its depth; inner layers follow their wrapper."""
    for layer in layers:
        yield depth, layer
        yield from walk_layers(inner_layers(layer), depth + 1)


def inner_layers(layer: LayerRow) -> tuple[LayerRow, ...]:
    """Return the layers to show inside another one.

    The GRUCell of a GRU is left out: it has the same weights and params.
    """
    if [held.type for held in layer.holds] == [f"{layer.type}Cell"]:
        return ()
    return layer.holds


def layer_notes(layer: LayerRow, depth: int = 0) -> list[str]:
    """Return notes on sharing, freezing, time steps and masks.

    A layer inside a wrapper has none on time steps, which are measured inside nested models only.
    """
    notes = []
    if layer.shared_with:
        notes.append(f"shared: {clean(layer.shared_with)} again, counted once")
    if layer.frozen_params and not depth:
        notes.append(f"frozen: {count(layer.frozen_params)} of {count(layer.params)} params")
    notes += steps_notes(layer)
    if note := mask_note(layer):
        notes.append(note)
    return notes


def mask_note(layer: LayerRow) -> str | None:
    """Return whether a layer reads, passes on or makes a mask; None if there is no mask."""
    if layer.mask_in:
        use = {"read": "read", "ignored": "ignored"}.get(layer.mask_use or "", "received")
        if layer.mask_out:
            return f"mask: {use} and passed on"
        if layer.mask_out is None:
            return f"mask: {use}, perhaps passed on"
        return f"mask: {use}, ends here" if use == "read" else f"mask: {use} and dropped"
    return "mask: created here" if layer.mask_out else None


def mask_lost(layer: LayerRow) -> bool:
    """Return whether the layer drops or ignores the mask of its input."""
    return bool(layer.mask_in) and (not layer.mask_out or layer.mask_use == "ignored")


def mask_column(layer: LayerRow) -> str:
    """Return whether the input and the output have a mask: `no→yes`."""
    words = {True: "yes", False: "no", None: "?"}
    return f"{words[layer.mask_in]}→{words[layer.mask_out]}"


def has_masks(models: Sequence[ModelReport]) -> bool:
    """Return whether any layer of any model receives or makes a mask."""
    return any(layer.mask_in or layer.mask_out for model in models for layer in model.layers)


def wiring_notes(model: ModelReport) -> dict[int, str]:
    """Return position → inputs of the layers whose input is not simply the layer before."""
    notes = {}
    for location, layer in enumerate(model.layers):
        before = model.layers[location - 1] if location else None
        follows = len(layer.inputs) == 1 and (before is None or layer.inputs[0] == before.name)
        if layer.inputs and not follows:
            notes[location] = f"takes {one_line(', '.join(layer.inputs))}"
    return notes


def count_note(layer: LayerRow) -> str | None:
    """Return the params as a formula; None if that only repeats their number."""
    described = layer.counted or layer.formula
    return clean(described) if described and described != count(layer.params) else None


def cost_note(layer: LayerRow) -> str | None:
    """Return the known costs of one sample in this layer; None if none is known."""
    parts = []
    if layer.multiply_adds:
        parts.append(f"{count(layer.multiply_adds)} multiply-adds")
    if layer.activation_bytes is not None:
        parts.append(f"{count(layer.activation_bytes)} bytes out")
    if layer.graph_ops is not None:
        parts.append(f"{count(layer.graph_ops)} ops in the graph")
    return f"cost: {', '.join(parts)}" if parts else None


def model_figures(model: ModelReport) -> dict[str, int | None]:
    """Return name → figure of a whole model, in display order.

    Figures that are usually zero are left out if they are.
    """
    figures: dict[str, int | None] = {
        "params": model.params,
        "trainable": model.trainable_params,
        "non-trainable": model.non_trainable_params,
    }
    if model.frozen_params:
        figures["of these frozen"] = model.frozen_params
    if model.shared_params:
        figures["shared, counted once"] = model.shared_params
    for dtype, size in model.bytes_by_dtype.items():
        figures[f"bytes in {clean(dtype)}"] = size
    if model.multiply_adds is not None:
        figures["multiply-adds"] = model.multiply_adds
    if model.activation_bytes is not None:
        figures["activation bytes"] = model.activation_bytes
    if model.graph_ops is not None:
        figures["ops in the graph"] = model.graph_ops
    return figures


def figure_text(name: str, number: int | None) -> str:
    """Return a figure of a model; a size in bytes also in KB or MB."""
    if number is None or number < 1000 or "bytes" not in name:
        return count(number)
    return f"{count(number)} ({readable(number)})"


def figure_names(models: Sequence[ModelReport]) -> list[str]:
    """Return the names of all figures that at least one model has, in order."""
    return list(dict.fromkeys(name for model in models for name in model_figures(model)))


def change_notes(change: LayerChange | None, first: LayerRow | None, other: LayerRow) -> list[str]:
    """Return the differences that have no column: in arguments and inputs."""
    if change is None or first is None:
        return []
    notes = []
    for item in change.arguments:
        inner = inner_argument(other, item.name)
        place = f" in {clean(inner.layer)}" if inner.is_nested else ""
        values = f"{argument(item.reference)} → {argument(item.candidate)}"
        notes.append(f"{clean(inner.name)}: {values}{place}")
    if "inputs" in change.differs:
        notes.append(
            f"takes {one_line(', '.join(first.inputs))} → {one_line(', '.join(other.inputs))}"
        )
    if change.differs == ("input_shape",):
        notes.append(f"input {shapes_text(first.input_shape)} → {shapes_text(other.input_shape)}")
    return notes


def params_gap(scenario: ScenarioReport, diff: ModelsDiff) -> tuple[str, tuple[str, ...]] | None:
    """Return by how many params two models differ, and the causes; None if there are none."""
    counts = {model.name: model.params for model in scenario.models}
    ours, theirs = counts.get(diff.reference), counts.get(diff.candidate)
    if not diff.params or ours is None or theirs is None:
        return None
    names = one_line(diff.candidate), one_line(diff.reference)
    if ours == theirs:
        heading = f"{names[0]} has as many params as {names[1]}, in other positions:"
    else:
        gap = theirs - ours
        noun = "param" if abs(gap) == 1 else "params"
        more = "more" if gap > 0 else "fewer"
        heading = f"{names[0]} has {abs(gap):,} {noun} {more} than {names[1]}:"
    return heading, tuple(clean(gap.text) for gap in diff.params)


def argument(item: Any) -> str:
    """Return an argument's value as in a scenario, cut if it is long."""
    match item:
        case None:
            return "none"
        case bool():
            return str(item).lower()
        case list() | tuple():
            text = f"[{', '.join(map(argument, item))}]"
        case _:
            text = one_line(item)
    return text if len(text) <= LONGEST_ARGUMENT else f"{text[:LONGEST_ARGUMENT]}…"


def model_notes(model: ModelReport) -> list[str]:
    """Return the notes under a model's figures: on its steps, its runtime, and its own."""
    runtime = []
    if model.runtime is not None:
        known = model.runtime
        runtime = [f"runtime: {one_line(known.name)} ({one_line(known.version)}), {known.weights}"]
        if known.revision is not None:
            runtime.append(f"at {one_line(known.revision)}")
        if not model.lists_layers and model.error is None:
            runtime.append(f"output {shapes_text(model.output_shape)}")
    return [*steps_notes(model), *runtime, *(f"note: {one_line(note)}" for note in model.notes)]


def steps_notes(part: LayerRow | ModelReport) -> list[str]:
    """Return notes on what outputs depend on: steps, further axes, state, batch or chance."""
    notes = [mixes_note(part)] if part.mixes is not None else []
    notes += [f"along {axis.name}: {_mixes_words(axis.mixes, axis.window)}" for axis in part.axes]
    others = [BESIDE[name] for name in part.depends_on or ()]
    if others:
        notes.append(f"depends also on {', '.join(others)}")
    if part.unmeasured:
        notes.append(f"mixes: not measured: {one_line(part.unmeasured)}")
    return notes


def mixes_note(part: LayerRow | ModelReport) -> str:
    """Return `mixes: causal, earlier steps seen`, with the window if there is one."""
    if part.mixes is None:
        return "mixes: not measured"
    return f"mixes: {_mixes_words(part.mixes, part.window)}"


def _mixes_words(mixes: Mixes, window: tuple[int, int] | None) -> str:
    words = MIXES[mixes]
    if window is not None and mixes != "none":
        width, stride = window
        words = f"{width} {'step' if width == 1 else 'steps'} seen"
        if mixes != "window":
            words = f"{words}, {'none behind' if mixes == 'causal' else 'none before'}"
        words = f"{words}, stride {stride}" if stride > 1 else words
    return f"{mixes.replace('_', '-')}, {words}"


def weight_name(path: str) -> str:
    """Return the last part of a weight's path, its name within the layer."""
    return clean(path.rsplit("/", 1)[-1])


def weight_words(weight: WeightRow) -> str:
    """Return `kernel 15×48`."""
    sizes = "×".join(f"{size:,}" for size in weight.shape) or "scalar"
    return f"{weight_name(weight.path)} {sizes}"


class RefusalText(NamedTuple):
    """The text about a model that Keras refused."""

    heading: str
    message: str
    remedy: str | None


def refusal(name: str, error: ModelError, what: str = "") -> RefusalText:
    """Return `Keras refuses NAME at LAYER` or `NAME cannot be built`, the reason and the remedy."""
    at = f" at {one_line(error.layer)}" if error.layer else ""
    heading = f"Keras refuses {what}{one_line(name)}{at}"
    if not (what or at):
        heading = f"{one_line(name)} cannot be built"
    return RefusalText(heading, clean(error.message), clean(error.hint) if error.hint else None)


def pair_refusal(scenario: ScenarioReport, pair: PairReport) -> RefusalText | None:
    """Return why the pair's candidate did not build, if that decided the verdict; else None."""
    errors = {model.name: model.error for model in scenario.models}
    error = errors.get(pair.candidate)
    if pair.verdict != "build_error" or error is None or errors.get(pair.reference):
        return None
    return refusal(pair.candidate, error)


def other_refusals(scenario: ScenarioReport) -> list[RefusalText]:
    """Return the refusals that no pair shows: that of the reference, and all of a summary."""
    described = {pair.candidate for pair in scenario.pairs if pair_refusal(scenario, pair)}
    return [
        refusal(model.name, model.error)
        for model in scenario.models
        if model.error is not None and model.name not in described
    ]


def answer_of(scenario: ScenarioReport) -> str | None:
    """Return the answer of the file; where expectations fail, that it does not hold."""
    if scenario.answer is None:
        return None
    if scenario.errors or not all(row.held for row in scenario.expectations):
        return "The answer in the file is left out, since its expectations do not hold."
    return one_line(scenario.answer)


def expectation_of(scenario: ScenarioReport, pair: PairReport) -> ExpectationRow | None:
    """Return the expectation about this pair's verdict; None if there is none."""
    subject = subject_of(pair)
    return next((row for row in scenario.expectations if row.subject == subject), None)


def subject_of(pair: PairReport) -> str:
    """Return the subject of an expectation about this pair's verdict."""
    return f"{pair.reference}=={pair.candidate}[{pair.mode}]"


def expectation_line(row: ExpectationRow) -> str:
    """Return the subject of an expectation with the expected and the actual value."""
    if row.held:
        return f"{clean(row.subject)}: {value_text(row.actual)}, as expected"
    expected, actual = value_text(row.expected), value_text(row.actual)
    return f"{clean(row.subject)}: expected {expected}, received {actual}"


def expectations_tally(scenario: ScenarioReport) -> str:
    """Return `2 of 3 expectations hold`."""
    rows = scenario.expectations
    held = sum(row.held for row in rows)
    noun = "expectation holds" if held == len(rows) == 1 else "expectations hold"
    return f"{count(held)} of {count(len(rows))} {noun}"


def pair_name(pair: PairReport) -> str:
    """Return `CANDIDATE against REFERENCE`."""
    return f"{one_line(pair.candidate)} against {one_line(pair.reference)}"


def verdict_words(pair: PairReport) -> str:
    """Return `equivalent, certified` or `shape mismatch`."""
    words = pair.verdict.replace("_", " ")
    return f"{words}, {pair.strength}" if pair.strength else words


def verdict_class(scenario: ScenarioReport, pair: PairReport) -> str:
    """Return the CSS classes of a verdict; one that is expected has the color of a pass."""
    expected = expectation_of(scenario, pair)
    return "pass" if expected is not None and expected.held else pair.verdict


def weights_held(scenario: ScenarioReport, pair: PairReport) -> bool:
    """Return whether the saved weights of a pair are equal, if that is expected."""
    return all(row.held for row in scenario.expectations if is_about_weights(row, pair))


def is_about_weights(row: ExpectationRow, pair: PairReport) -> bool:
    """Return whether an expectation is about the saved weights of a pair."""
    return row.subject == f"{pair.reference}=={pair.candidate}[weights]"


def weights_note(pair: PairReport) -> str:
    """Return `; saved weights differ` where they do, else nothing."""
    saved = pair.saved_weights
    return "; saved weights differ" if saved is not None and saved.differing else ""


def status_words(scenario: ScenarioReport) -> str:
    """Return the status, and why a scenario is `unchecked`."""
    if scenario.status == "unchecked":
        return "unchecked (nothing expected)"
    return scenario.status


def is_quiet(scenario: ScenarioReport) -> bool:
    """Return whether `--quiet` leaves a scenario out: it is neither a failure nor a fault."""
    return scenario.status in ("pass", "unchecked")


def tally(report: RunRecord) -> str:
    """Return `12 scenarios: 11 pass, 1 fail`."""
    total = len(report.scenarios)
    by_status = [
        f"{count(number)} {status}"
        for status in STATUSES
        if (number := sum(scenario.status == status for scenario in report.scenarios))
    ]
    noun = "scenario" if total == 1 else "scenarios"
    return f"{count(total)} {noun}: {', '.join(by_status)}" if by_status else "no scenarios"


def outcome(scenario: ScenarioReport) -> str:
    """Return the verdicts of a scenario in a few words, or its first fault."""
    if scenario.errors:
        return one_line(scenario.errors[0].message)
    modes = {pair.mode for pair in scenario.pairs}
    return "; ".join(
        f"{clean(pair.candidate)}{f' [{pair.mode}]' if len(modes) > 1 else ''}: "
        f"{verdict_words(pair)}{weights_note(pair)}"
        for pair in scenario.pairs
    )


def environment_line(report: RunRecord, *, travels: bool = False) -> str:
    """Return the versions a report was made with; with `travels` also the platform."""
    environment = report.environment
    parts = [f"layerlens {report.layerlens}"]
    if environment.keras:
        parts.append(f"Keras {environment.keras}")
    if environment.backend:
        parts.append(f"{environment.backend} {environment.backend_version or ''}".strip())
    parts.append(f"Python {environment.python}")
    if travels:  # rounding depends on the machine, which a reader elsewhere does not know
        parts.append(environment.platform)
    return " · ".join(clean(part) for part in parts)


def location(error: ErrorRow) -> str:
    """Return `file:line:column`, as far as these are known."""
    return ":".join(
        one_line(part) for part in (error.file, error.line, error.column) if part is not None
    )


def training_words(row: FitRow) -> str:
    """Return how the training differs from the reference's; empty for the reference itself."""
    parts = []
    if row.alike is not None:
        parts.append("trains alike" if row.alike else "trains differently")
    if row.loss_max_abs is not None:
        parts.append(f"losses differ by {figure(row.loss_max_abs)}")
    if row.weights_max_abs is not None:
        parts.append(f"final weights differ by {figure(row.weights_max_abs)}")
    return ", ".join(parts)


def losses_line(losses: Sequence[float]) -> str:
    """Return `loss 0.5 → 0.25`."""
    return "loss " + " → ".join(f"{loss:.6g}" for loss in losses)
