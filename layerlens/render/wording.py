"""Parts of a report enter, the words for them leave: what every human-readable format says."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from layerlens.report import (
    ErrorRow,
    ExpectationRow,
    FitRow,
    LayerRow,
    ModelError,
    ModelReport,
    PairReport,
    Report,
    ScenarioReport,
    WeightRow,
)

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

#: Characters that reorder the text around them, so that a title could pose as something else.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: object) -> str:
    """Return the text with control and reordering characters spelt out; newlines stay."""
    return "".join(
        character if character == "\n" or _harmless(character) else _spelt(character)
        for character in str(text)
    )


def one_line(text: object) -> str:
    return " ".join(clean(text).split())


def _harmless(character: str) -> bool:
    return character.isprintable() or (
        unicodedata.category(character) not in ("Cc", "Cs") and character not in _BIDI
    )


def _spelt(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


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
    inner = ", ".join(clean(part) for part in shape)
    return (f"({inner},)" if len(shape) == 1 else f"({inner})",)


def shape_text(shape: Any) -> str:
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
            return shape_text(item)
    return one_line(item)


def cell_text(cell: Mapping[str, Any] | None) -> str:
    return ", ".join(
        f"{one_line(key)}={str(item).lower() if isinstance(item, bool) else one_line(item)}"
        for key, item in (cell or {}).items()
    )


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
    if layer.mixes is not None and not depth:
        notes.append(mixes_note(layer))
    if layer.mask_in and layer.mask_out:
        notes.append("mask: received and passed on")
    elif layer.mask_in:
        notes.append("mask: received, not passed on")
    elif layer.mask_out:
        notes.append("mask: made here")
    return notes


def mixes_note(part: LayerRow | ModelReport) -> str:
    """Return `mixes: causal, earlier steps seen`, with the window where there is one."""
    if part.mixes is None:
        return "mixes: not measured"
    words = MIXES[part.mixes]
    if part.window is not None and part.mixes != "none":
        width, stride = part.window
        words = f"{width} {'step' if width == 1 else 'steps'} seen"
        if part.mixes != "window":
            words = f"{words}, {'none behind' if part.mixes == 'causal' else 'none before'}"
        words = f"{words}, stride {stride}" if stride > 1 else words
    return f"mixes: {part.mixes.replace('_', '-')}, {words}"


def weight_name(path: str) -> str:
    """Return the last part of a weight's path, which names it within its layer."""
    return clean(path.rsplit("/", 1)[-1])


def weight_words(weight: WeightRow) -> str:
    """Return `kernel 15×48`."""
    sizes = "×".join(f"{size:,}" for size in weight.shape) or "scalar"
    return f"{weight_name(weight.path)} {sizes}"


class Refusal(NamedTuple):
    """Keras refused a model: what is said of it."""

    heading: str
    message: str
    remedy: str | None


def refusal(name: str, error: ModelError, what: str = "") -> Refusal:
    """Return `Keras refuses NAME at LAYER`, why, and what would mend it."""
    at = f" at {one_line(error.layer)}" if error.layer else ""
    heading = f"Keras refuses {what}{one_line(name)}{at}"
    return Refusal(heading, clean(error.message), clean(error.hint) if error.hint else None)


def refusal_behind(scenario: ScenarioReport, pair: PairReport) -> Refusal | None:
    """Return why this pair's candidate did not build, if that is what the pair came to."""
    errors = {model.name: model.error for model in scenario.models}
    error = errors.get(pair.candidate)
    if pair.verdict != "build_error" or error is None or errors.get(pair.reference):
        return None
    return refusal(pair.candidate, error)


def refusals_apart(scenario: ScenarioReport) -> list[Refusal]:
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


def tally(report: Report) -> str:
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


def environment_line(report: Report) -> str:
    environment = report.environment
    parts = [f"layerlens {report.layerlens}"]
    if environment.keras:
        parts.append(f"Keras {environment.keras}")
    if environment.backend:
        parts.append(f"{environment.backend} {environment.backend_version or ''}".strip())
    parts.append(f"Python {environment.python}")
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
