"""Text for parts of a report that all human-readable formats share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from layerlens.plain.printable import clean as clean
from layerlens.plain.printable import one_line as one_line
from layerlens.plain.printable import visible as visible

# Asked for by this name, as all other words are.
from layerlens.plain.shapes import shape_text

if TYPE_CHECKING:
    from layerlens.report.diffs import LayerChange, ModelsDiff
    from layerlens.report.layers import LayerRow, ModelError, ModelReport, WeightRow
    from layerlens.report.pairs import PairReport
    from layerlens.report.run import ErrorRow, ExpectationRow, RunRecord, ScenarioReport
    from layerlens.report.training import FitRow
    from layerlens.vocabulary import Beside, Mixes

#: How the output's time steps depend on the input's.
MIXES = {
    "none": "each step alone",
    "causal": "earlier steps seen",
    "anti_causal": "later steps seen",
    "window": "a window of steps seen",
    "all": "all steps seen",
    "reduces": "steps reduced to one",
    "expands": "steps made from one",
}

#: What outputs depend on beside their own sample's inputs.
BESIDE: dict[Beside, str] = {
    "state": "what earlier calls left (stateful)",
    "batch": "the other samples of the batch",
    "chance": "a draw (random)",
}

#: Longer values of arguments are cut: the JSON report has them in full.
LONGEST_ARGUMENT = 60


def count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Return `1 probe` or `46 probes`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def figure(number: float | None) -> str:
    """Return a measured difference with three significant digits."""
    if number is None:
        return "not measured"
    if math.isnan(number) or math.isinf(number):
        return str(number)
    if number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:.3g}"


def value(item: Any) -> str:
    """Return one output or input value with as many digits as float32 needs to be read back."""
    if isinstance(item, float):
        return f"{item:.9g}"
    return clean(item)


def values_apart(first: Any, second: Any) -> tuple[str, str]:
    """Return two values such that what tells them apart is among the digits shown."""
    short = value(first), value(second)
    return (repr(first), repr(second)) if short[0] == short[1] else short


def is_several(shape: Any) -> bool:
    """Tell several shapes (one per input or output) from a single one."""
    return bool(shape) and all(isinstance(part, (tuple, list)) for part in shape)


def shape_texts(shape: Any) -> tuple[str, ...]:
    """Return one text per output: `(None, 64, 16)`."""
    if shape is None:
        return ("–",)
    if isinstance(shape, Mapping):
        return tuple(f"{clean(key)}: {text}" for key in shape for text in shape_texts(shape[key]))
    if not isinstance(shape, (tuple, list)):
        return (clean(shape),)
    if is_several(shape):
        return tuple(text for part in shape for text in shape_texts(part))
    return (shape_text([clean(part) for part in shape]),)


def shapes_text(shape: Any) -> str:
    """Return one shape, or several on one line."""
    return ", ".join(shape_texts(shape))


def plain(item: Any) -> str:
    """Return an expected or actual figure as a reader would write it."""
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
    return ", ".join(
        f"{one_line(key)}={str(item).lower() if isinstance(item, bool) else one_line(item)}"
        for key, item in (cell or {}).items()
    )


def reference_first(scenario: ScenarioReport) -> list[ModelReport]:
    """Return the models with the reference first, where there is one."""
    reference = scenario.pairs[0].reference if scenario.pairs else None
    return sorted(scenario.models, key=lambda model: model.name != reference)


def title_of(scenario: ScenarioReport) -> str:
    return one_line(scenario.title or scenario.path)


def walk_layers(layers: Sequence[LayerRow], depth: int = 0) -> Iterator[tuple[int, LayerRow]]:
    """Yield every layer to show with its depth, what a wrapper holds right behind it."""
    for layer in layers:
        yield depth, layer
        yield from walk_layers(opened(layer), depth + 1)


def opened(layer: LayerRow) -> tuple[LayerRow, ...]:
    """Return the layers to show inside another one.

    A GRU's own GRUCell says nothing that the GRU has not said.
    """
    if [held.type for held in layer.holds] == [f"{layer.type}Cell"]:
        return ()
    return layer.holds


def layer_notes(layer: LayerRow, depth: int = 0) -> list[str]:
    """Return what a layer does to time steps and masks, where that is known and telling.

    What a wrapper holds is called step by step: it says nothing about time steps itself.
    """
    notes = []
    if layer.shared_with:
        notes.append(f"shared: {clean(layer.shared_with)} again, counted once")
    if layer.frozen_params and not depth:
        notes.append(f"frozen: {count(layer.frozen_params)} of {count(layer.params)} params")
    if not depth:
        notes += steps_notes(layer)
    if note := mask_note(layer):
        notes.append(note)
    return notes


def mask_note(layer: LayerRow) -> str | None:
    """Return what becomes of a mask at this layer; None where there is none."""
    if layer.mask_in:
        use = {"read": "read", "ignored": "ignored"}.get(layer.mask_use or "", "received")
        if layer.mask_out:
            return f"mask: {use} and passed on"
        if layer.mask_out is None:
            return f"mask: {use}, perhaps passed on"
        return f"mask: {use}, ends here" if use == "read" else f"mask: {use} and dropped"
    return "mask: made here" if layer.mask_out else None


def mask_lost(layer: LayerRow) -> bool:
    """Tell whether a mask comes in that the layer drops, or does not heed."""
    return bool(layer.mask_in) and (not layer.mask_out or layer.mask_use == "ignored")


def mask_column(layer: LayerRow) -> str:
    """Return whether a mask comes in and goes out: `no→yes`."""
    words = {True: "yes", False: "no", None: "?"}
    return f"{words[layer.mask_in]}→{words[layer.mask_out]}"


def has_masks(models: Sequence[ModelReport]) -> bool:
    return any(layer.mask_in or layer.mask_out for model in models for layer in model.layers)


def wiring_notes(model: ModelReport) -> dict[int, str]:
    """Return what layers take, by the layer's place, where that is not just the layer before."""
    notes = {}
    for place, layer in enumerate(model.layers):
        before = model.layers[place - 1] if place else None
        follows = len(layer.inputs) == 1 and (before is None or layer.inputs[0] == before.name)
        if layer.inputs and not follows:
            notes[place] = f"takes {one_line(', '.join(layer.inputs))}"
    return notes


def count_note(layer: LayerRow) -> str | None:
    """Return the count in the layer's own terms, or over its weights where there are none."""
    told = layer.counted or layer.formula
    return clean(told) if told and told != count(layer.params) else None


def cost_note(layer: LayerRow) -> str | None:
    """Return what one sample costs in this layer, as far as it is known."""
    parts = []
    if layer.multiply_adds:
        parts.append(f"{count(layer.multiply_adds)} multiply-adds")
    if layer.activation_bytes is not None:
        parts.append(f"{count(layer.activation_bytes)} bytes out")
    if layer.graph_ops is not None:
        parts.append(f"{count(layer.graph_ops)} ops in the graph")
    return f"cost: {', '.join(parts)}" if parts else None


def model_figures(model: ModelReport) -> dict[str, int | None]:
    """Return the figures of a whole model by what they are, in the order in which to show them.

    What is nothing in most models is left out where it is nothing.
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


def figure_names(models: Sequence[ModelReport]) -> list[str]:
    """Return the names of all figures that one of the models has, in order."""
    return list(dict.fromkeys(name for model in models for name in model_figures(model)))


def change_notes(change: LayerChange | None, one: LayerRow | None, other: LayerRow) -> list[str]:
    """Return in words what a row's columns do not show: arguments and inputs that differ."""
    if change is None or one is None:
        return []
    notes = [
        f"{clean(item.name)}: {argument(item.reference)} → {argument(item.candidate)}"
        for item in change.arguments
    ]
    if "inputs" in change.differs:
        notes.append(
            f"takes {one_line(', '.join(one.inputs))} → {one_line(', '.join(other.inputs))}"
        )
    if change.differs == ("input_shape",):
        notes.append(f"input {shapes_text(one.input_shape)} → {shapes_text(other.input_shape)}")
    return notes


def params_gap(scenario: ScenarioReport, diff: ModelsDiff) -> tuple[str, tuple[str, ...]] | None:
    """Return by how many params two models differ, and where that comes from; None if nowhere."""
    counts = {model.name: model.params for model in scenario.models}
    ours, theirs = counts.get(diff.reference), counts.get(diff.candidate)
    if not diff.params or ours is None or theirs is None:
        return None
    names = one_line(diff.candidate), one_line(diff.reference)
    if ours == theirs:
        heading = f"{names[0]} has as many params as {names[1]}, in other places:"
    else:
        gap = theirs - ours
        noun = "param" if abs(gap) == 1 else "params"
        more = "more" if gap > 0 else "fewer"
        heading = f"{names[0]} has {abs(gap):,} {noun} {more} than {names[1]}:"
    return heading, tuple(clean(gap.text) for gap in diff.params)


def argument(item: Any) -> str:
    """Return an argument's value as a scenario has it; long ones are cut."""
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
    """Return what stands beneath a model's figures: how it sees steps, and its notes."""
    return [*steps_notes(model), *(f"note: {one_line(note)}" for note in model.notes)]


def steps_notes(part: LayerRow | ModelReport) -> list[str]:
    """Return all that was measured of how outputs depend on steps, axes and what else there is."""
    notes = [mixes_note(part)] if part.mixes is not None else []
    notes += [f"along {axis.name}: {_mixes_words(axis.mixes, axis.window)}" for axis in part.axes]
    beside = [BESIDE[name] for name in part.depends_on or ()]
    if beside:
        notes.append(f"depends also on {', '.join(beside)}")
    if part.unmeasured:
        notes.append(f"mixes: not measured: {one_line(part.unmeasured)}")
    return notes


def mixes_note(part: LayerRow | ModelReport) -> str:
    """Return `mixes: causal, earlier steps seen`, with the window where there is one."""
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
    """Return the last part of a weight's path, which names it within its layer."""
    return clean(path.rsplit("/", 1)[-1])


def weight_words(weight: WeightRow) -> str:
    """Return `kernel 15×48`."""
    sizes = "×".join(f"{size:,}" for size in weight.shape) or "scalar"
    return f"{weight_name(weight.path)} {sizes}"


class RefusalText(NamedTuple):
    """Keras refused a model: what is said of it."""

    heading: str
    message: str
    remedy: str | None


def refusal(name: str, error: ModelError, what: str = "") -> RefusalText:
    """Return `Keras refuses NAME at LAYER`, why, and what would mend it."""
    at = f" at {one_line(error.layer)}" if error.layer else ""
    heading = f"Keras refuses {what}{one_line(name)}{at}"
    return RefusalText(heading, clean(error.message), clean(error.hint) if error.hint else None)


def refusal_behind(scenario: ScenarioReport, pair: PairReport) -> RefusalText | None:
    """Return why this pair's candidate did not build, if that is what the pair came to."""
    errors = {model.name: model.error for model in scenario.models}
    error = errors.get(pair.candidate)
    if pair.verdict != "build_error" or error is None or errors.get(pair.reference):
        return None
    return refusal(pair.candidate, error)


def refusals_apart(scenario: ScenarioReport) -> list[RefusalText]:
    """Return the refusals that no pair tells: the reference's, and all those of a summary."""
    told = {pair.candidate for pair in scenario.pairs if refusal_behind(scenario, pair)}
    return [
        refusal(model.name, model.error)
        for model in scenario.models
        if model.error is not None and model.name not in told
    ]


def expectation_of(scenario: ScenarioReport, pair: PairReport) -> ExpectationRow | None:
    """Return the expectation that was held against this pair's verdict, if there was one."""
    subject = subject_of(pair)
    return next((row for row in scenario.expectations if row.subject == subject), None)


def subject_of(pair: PairReport) -> str:
    """Return what an expectation of this pair's verdict is called."""
    return f"{pair.reference}=={pair.candidate}[{pair.mode}]"


def expectation_line(row: ExpectationRow) -> str:
    if row.held:
        return f"{clean(row.subject)}: {plain(row.actual)}, as expected"
    return f"{clean(row.subject)}: expected {plain(row.expected)}, received {plain(row.actual)}"


def against(pair: PairReport) -> str:
    return f"{one_line(pair.candidate)} against {one_line(pair.reference)}"


def verdict_words(pair: PairReport) -> str:
    """Return `equivalent, certified` or `shape mismatch`."""
    words = pair.verdict.replace("_", " ")
    return f"{words}, {pair.strength}" if pair.strength else words


def status_words(scenario: ScenarioReport) -> str:
    """Return the status; a pass that rests on nothing expected is not dressed up as one."""
    if scenario.status == "pass" and not scenario.expectations:
        return "nothing expected"
    return scenario.status


def tally(report: RunRecord) -> str:
    """Return `12 scenarios: 11 pass, 1 fail`."""
    total = len(report.scenarios)
    by_status = [
        f"{count(number)} {status}"
        for status in ("pass", "fail", "error")
        if (number := sum(scenario.status == status for scenario in report.scenarios))
    ]
    noun = "scenario" if total == 1 else "scenarios"
    return f"{count(total)} {noun}: {', '.join(by_status)}" if by_status else "no scenarios"


def outcome(scenario: ScenarioReport) -> str:
    """Return what one scenario came to, in a few words."""
    if scenario.errors:
        return one_line(scenario.errors[0].message)
    modes = {pair.mode for pair in scenario.pairs}
    return "; ".join(
        f"{clean(pair.candidate)}{f' [{pair.mode}]' if len(modes) > 1 else ''}: "
        f"{verdict_words(pair)}"
        for pair in scenario.pairs
    )


def environment_line(report: RunRecord, *, travels: bool = False) -> str:
    """Tell what a report was made with; one that `travels` names the platform as well."""
    environment = report.environment
    parts = [f"layerlens {report.layerlens}"]
    if environment.keras:
        parts.append(f"Keras {environment.keras}")
    if environment.backend:
        parts.append(f"{environment.backend} {environment.backend_version or ''}".strip())
    parts.append(f"Python {environment.python}")
    if travels:  # what rounds how is up to the machine, which a reader elsewhere does not see
        parts.append(environment.platform)
    return " · ".join(clean(part) for part in parts)


def place(error: ErrorRow) -> str:
    """Return `file:line:column`, as far as it is known."""
    return ":".join(
        one_line(part) for part in (error.file, error.line, error.column) if part is not None
    )


def alike_words(row: FitRow) -> str:
    """Return how far training took a model from the reference; nothing for the reference."""
    parts = []
    if row.alike is not None:
        parts.append("trains alike" if row.alike else "trains differently")
    if row.loss_max_abs is not None:
        parts.append(f"losses {figure(row.loss_max_abs)} apart")
    if row.weights_max_abs is not None:
        parts.append(f"final weights {figure(row.weights_max_abs)} apart")
    return ", ".join(parts)


def losses_line(losses: Sequence[float]) -> str:
    return "loss " + " → ".join(f"{loss:.6g}" for loss in losses)
