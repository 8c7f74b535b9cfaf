"""Check and read the `expect:` and `fit:` of a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_name
from layerlens.scenario import keras_catalog
from layerlens.scenario.faults import Faults, misspelt, suggestion
from layerlens.scenario.spec import Expectations, LayerExpectation, ModelExpectation
from layerlens.scenario.yaml.positions import Position, YamlMapping, described
from layerlens.vocabulary import MODES, STRENGTHS, VERDICTS, Mode, Strength, Verdict

if TYPE_CHECKING:
    from layerlens.scenario.reading.schema import ExpectPart, LayerFigures, ModelFigures, Names


def check_expectations(value: Any, names: Names) -> None:
    """Add faults for unknown candidates, verdicts and modes, and for malformed shapes."""
    if not isinstance(value, YamlMapping):
        return
    if isinstance(verdicts := value.get("verdicts"), YamlMapping):
        for candidate, verdict in verdicts.items():
            _check_candidate(candidate, verdicts.keys_at.get(candidate), names)
            _check_verdicts(verdict, verdicts.values_at.get(candidate), names)
    if isinstance(models := value.get("models"), YamlMapping):
        for figures in models.values():
            _check_shapes(figures, names.faults)


def _check_candidate(candidate: str, at: Position | None, names: Names) -> None:
    if candidate == names.reference and candidate in names.models:
        names.faults.add(
            Code.BAD_EXPECTATION,
            f"`{candidate}` is the reference; a verdict belongs to a candidate",
            at,
            "candidates: " + ", ".join(name for name in names.models if name != candidate),
        )
    elif candidate not in names.models:
        others = [name for name in names.models if name != names.reference]
        names.faults.add(
            Code.UNKNOWN_MODEL, f"unknown model `{candidate}`", at, suggestion(candidate, others)
        )


def _check_verdicts(verdict: Any, at: Position | None, names: Names) -> None:
    if not isinstance(verdict, YamlMapping) or is_graded(verdict):
        _check_verdict(verdict, at, names.faults)
        return
    for mode, single in verdict.items():
        if mode not in names.modes:
            mode_at = verdict.keys_at.get(mode)
            hint = suggestion(mode, names.modes)
            if mode in ("inference", "training"):
                hint = f"add `modes: [{', '.join([*names.modes, mode])}]` to run it"
            names.faults.add(
                Code.BAD_EXPECTATION, f"`{mode}` is not one of the scenario's modes", mode_at, hint
            )
        _check_verdict(single, verdict.values_at.get(mode), names.faults)


#: The keys of an expected verdict with a strength.
_GRADED = ("verdict", "strength")


def is_graded(value: Any) -> bool:
    """Return whether a value is a verdict with a strength, and not a mapping of mode → verdict."""
    return isinstance(value, Mapping) and any(
        key not in MODES
        and (key in _GRADED or nearest_name(str(key), (*_GRADED, *MODES)) in _GRADED)
        for key in value
    )


def _check_graded(value: YamlMapping, at: Position | None, faults: Faults) -> None:
    """Add faults for `{verdict: equivalent, strength: certified}`."""
    for key in value:
        if key not in _GRADED:
            faults.add(
                Code.UNKNOWN_KEY,
                f"unknown key `{key}`",
                value.keys_at.get(key),
                suggestion(key, _GRADED),
            )
    if "verdict" not in value:
        if not misspelt("verdict", value, _GRADED):
            faults.add(
                Code.BAD_EXPECTATION,
                "a strength needs its verdict; `verdict` is missing",
                at,
                "write {verdict: equivalent, strength: tested}",
            )
        return
    verdict = value["verdict"]
    if isinstance(verdict, YamlMapping):
        verdict_text = "a verdict is expected here; received a mapping"
        faults.add(
            Code.BAD_EXPECTATION,
            verdict_text,
            value.values_at.get("verdict"),
            f"allowed: {', '.join(VERDICTS)}",
        )
        return
    _check_verdict(verdict, value.values_at.get("verdict"), faults)
    if "strength" not in value:
        return
    strength, strength_at = value["strength"], value.values_at.get("strength")
    if strength not in STRENGTHS:
        allowed = STRENGTHS[::-1]
        text = isinstance(strength, str)
        faults.add(
            Code.BAD_EXPECTATION,
            f"a strength is expected here; received {described(strength)}",
            strength_at,
            suggestion(strength, allowed) if text else f"allowed: {', '.join(allowed)}",
        )
    elif verdict in VERDICTS and verdict != "equivalent":
        faults.add(
            Code.BAD_EXPECTATION,
            f"`strength` belongs to `equivalent`; the verdict here is `{verdict}`",
            value.keys_at.get("strength"),
            "leave `strength` out",
        )


def _check_verdict(verdict: Any, at: Position | None, faults: Faults) -> None:
    if isinstance(verdict, YamlMapping):
        _check_graded(verdict, at, faults)
        return
    if verdict in VERDICTS:
        return
    hint = f"allowed: {', '.join(VERDICTS)}"
    if isinstance(verdict, str):
        hint = suggestion(verdict, VERDICTS)
    faults.add(
        Code.BAD_EXPECTATION, f"a verdict is expected here; received {described(verdict)}", at, hint
    )


def _check_shapes(figures: Any, faults: Faults) -> None:
    if not isinstance(figures, YamlMapping):
        return
    shape = figures.get("output_shape")
    if shape is not None and not (_is_shape(shape) or _are_shapes(shape)):
        faults.add(
            Code.BAD_EXPECTATION,
            f"`output_shape` is a list of integers and null; received {described(shape)}",
            figures.values_at.get("output_shape"),
            "batch axis first, such as [null, 64, 15]; a list of these for several outputs",
        )
    if isinstance(layers := figures.get("layers"), YamlMapping):
        for layer in layers.values():
            _check_shapes(layer, faults)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(
        item is None or (isinstance(item, int) and not isinstance(item, bool) and item >= 0)
        for item in value
    )


def _are_shapes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_shape(item) for item in value)


def expectations_spec(
    part: ExpectPart, written: Any, modes: tuple[Mode, ...]
) -> Expectations | None:
    """Return the expectations; a verdict without a mode applies to every mode of the scenario.

    `written` is the same part of the file with the positions of its values.
    """
    written_verdicts = {
        candidate: dict.fromkeys(modes, verdict)
        if is_graded(verdict) or not isinstance(verdict, dict)
        else dict(verdict)
        for candidate, verdict in (part.verdicts or {}).items()
    }
    verdicts: dict[str, dict[Mode, Verdict]] = {}
    strengths: dict[str, dict[Mode, Strength]] = {}
    for candidate, by_mode in written_verdicts.items():
        verdicts[candidate] = {
            mode: verdict["verdict"] if isinstance(verdict, dict) else verdict
            for mode, verdict in by_mode.items()
        }
        asked: dict[Mode, Strength] = {
            mode: verdict["strength"]
            for mode, verdict in by_mode.items()
            if isinstance(verdict, dict) and "strength" in verdict
        }
        if asked:
            strengths[candidate] = asked
    models = {name: _figures(figures) for name, figures in (part.models or {}).items()}
    if not verdicts and not models:
        return None
    return Expectations(verdicts, models, dict(_places(written)), strengths=strengths)


def _places(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Position]]:
    """Yield the keys and the position of every value in nested mappings."""
    if isinstance(value, YamlMapping):
        for key, item in value.items():
            if key in value.values_at:
                yield (*keys, key), value.values_at[key]
            yield from _places(item, (*keys, key))


def _figures(part: ModelFigures) -> ModelExpectation:
    return ModelExpectation(
        params=part.params,
        trainable_params=part.trainable_params,
        output_shape=_shape(part.output_shape),
        layers={name: _layer_figures(layer) for name, layer in (part.layers or {}).items()},
        error=part.error,
    )


def _layer_figures(part: LayerFigures) -> LayerExpectation:
    return LayerExpectation(part.params, _shape(part.output_shape))


def _shape(value: Any) -> Any:
    return tuple(_shape(item) for item in value) if isinstance(value, list) else value


def check_fit(value: Any, faults: Faults) -> None:
    """Add faults for a loss or an optimizer that Keras does not have."""
    if not isinstance(value, YamlMapping):
        return
    for key, known in (
        ("loss", keras_catalog.loss_names),
        ("optimizer", keras_catalog.optimizer_names),
    ):
        name = value.get(key)
        if isinstance(name, str) and "${" not in name and name not in (names := known()):
            near = nearest_name(name, names)
            faults.add(
                Code.UNKNOWN_OBJECT,
                f"Keras has no {key} `{name}`",
                value.values_at.get(key),
                f"did you mean `{near}`?" if near else f"such as {', '.join(names[:6])}",
            )
