"""What a run of the command said enters, what cannot be true about it leaves.

The last check rebuilds each pair that was called equivalent with plain Keras calls and none of
layerlens' own code, so that a false pass shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from layerlens.scenario.files import read_text

_STATUS = {0: ("pass", "unchecked"), 1: ("fail",), 2: ("error",)}
#: In float64 rounding stays far below this share of the outputs' scale, a real difference rarely.
_REAL = 1e-6


@dataclass(frozen=True, slots=True)
class Said:
    """What one run left: its exit status, both streams, and the file it was given."""

    status: int | None
    stdout: str
    stderr: str
    content: bytes
    is_lie: bool


def untruths(said: Said) -> Iterator[str]:
    """Yield everything that is wrong with what was said, whatever the file was."""
    for stream in (said.stdout, said.stderr):
        if "Traceback (most recent call last)" in stream:
            yield f"a traceback: {stream[-1500:]}"
    if said.status not in _STATUS:
        yield f"exit status {said.status}: {said.stderr[-1500:]}"
        return
    report = _report(said.stdout)
    if report is None:
        if said.status != 2 or not said.stderr.strip():
            yield f"status {said.status} without a report, saying {said.stderr[-500:]!r}"
        return
    if report["status"] not in _STATUS[said.status]:
        yield f"status {said.status} with a report that says {report['status']!r}"
    if not report["scenarios"]:
        yield "a report without a scenario"
    if said.is_lie and said.status == 0:
        yield "what was expected falsely passed"
    for scenario in report["scenarios"]:
        yield from _about_scenario(scenario, said)


def _report(text: str) -> Any:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse) if text.strip() else None


def _about_scenario(scenario: Any, said: Said) -> Iterator[str]:
    errors, expectations = scenario["errors"], scenario["expectations"]
    if (scenario["status"] == "error") != bool(errors):
        yield f"status {scenario['status']!r} with {len(errors)} errors"
    lines = said.content.count(b"\n") + said.content.count(b"\r") + 2
    for error in errors:
        if not error["message"].strip():
            yield "an error without words"
        if error.get("internal"):
            yield f"an internal error: {error['message']}"
        if error["line"] is not None and not 1 <= error["line"] <= 4 * lines:
            yield f"an error on line {error['line']} of {lines}"
    held = [item["held"] for item in expectations]
    if (scenario["status"] == "unchecked") != (not held and not errors):
        yield f"status {scenario['status']!r} with {len(held)} expectations"
    if scenario["status"] == "pass" and not all(held):
        yield "passed, although an expectation does not hold"
    if scenario["status"] == "fail" and all(held):
        yield "failed, although every expectation holds"
    for item in expectations:
        if item["held"] and not item["subject"].startswith(("error", "fit")) and _contradicts(item):
            yield f"held, although {item['expected']!r} was expected and {item['actual']!r} came"
    for pair in scenario["pairs"]:
        if not pair["explanation"].strip():
            yield "a verdict without an explanation"
        if pair["verdict"] == "equivalent" and pair["compared"] == 0:
            yield "equivalent, although nothing was compared"


def _contradicts(item: Any) -> bool:
    expected, actual = item["expected"], item["actual"]
    plain = isinstance(expected, (int, list)) and not isinstance(expected, bool)
    return plain and expected != actual


# --- once more, by hand ---------------------------------------------------------------------------


def false_passes(said: Said) -> Iterator[str]:
    """Yield the pairs called equivalent that plain Keras, in float64, shows to differ."""
    report = _report(said.stdout) if said.status in (0, 1) else None
    scenarios = report["scenarios"] if report else []
    if len(scenarios) != 1 or scenarios[0]["cell"] is not None:
        return  # of a matrix the file is no plain description
    data = YAML(typ="safe", pure=True).load(read_text("mutant.yaml"))
    for pair in scenarios[0]["pairs"]:
        if pair["verdict"] != "equivalent" or pair["mode"] != "inference" or "tolerance" in data:
            continue
        names = pair["reference"], pair["candidate"]
        models = [_plain_chain(data["models"][name]) for name in names]
        shape = (data.get("input") or {}).get("shape")
        if None in models or not isinstance(shape, list) or set(data["input"]) != {"shape"}:
            continue
        difference = _difference(*models, shape)
        if difference is not None and not difference < _REAL:
            yield f"{names[1]} was called equivalent to {names[0]}; they differ by {difference:.3g}"


#: Random, of another precision, or in need of what only layerlens' reader knows.
_NOT_BY_HAND = ("Dropout", "Noise", "Random", "dtype", "seed", "Lambda", "stateful", "Quantized")


def _plain_chain(model: Any) -> list[Any] | None:
    if isinstance(model, dict) and set(model) == {"layers"}:
        model = model["layers"]
    if not isinstance(model, list) or any(
        word in json.dumps(model, default=str) for word in _NOT_BY_HAND
    ):
        return None
    return model


def _difference(reference: list[Any], candidate: list[Any], shape: list[Any]) -> float | None:
    """Return how far apart the two are, as a share of their scale; None where not by hand."""
    import keras
    import numpy as np

    keras.utils.clear_session()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        models = [
            keras.Sequential([keras.Input(tuple(shape), dtype="float64"), *map(_layer, chain)])
            for chain in (reference, candidate)
        ]
    finally:
        keras.config.set_dtype_policy(before)
    first, second = models
    if [w.shape.num_elements() for w in first.weights] != [
        w.shape.num_elements() for w in second.weights
    ]:
        return None  # carried over in another way than by order
    draw = np.random.default_rng(0)
    weights = [_drawn(weight, draw) for weight in first.weights]
    first.set_weights(weights)
    second.set_weights([w.reshape(v.shape) for w, v in zip(weights, second.weights, strict=True)])
    size = (8, *(5 if axis is None else axis for axis in shape))
    worst = 0.0
    for inputs in (draw.normal(size=size), 4 * draw.normal(size=size), draw.uniform(size=size)):
        one, other = (np.asarray(model(inputs)) for model in models)
        if one.shape != other.shape:
            return math.inf
        scale = max(1.0, float(np.nanmax(np.abs(one), initial=0.0)))
        worst = max(worst, float(np.nanmax(np.abs(one - other), initial=0.0)) / scale)
    return worst


def _layer(written: Any) -> Any:
    import keras

    from layerlens.scenario.keras_catalog import signature

    if isinstance(written, str):
        return getattr(keras.layers, written)()
    ((name, body),) = written.items()
    if body is None:
        body = {}
    if not isinstance(body, dict):
        body = {signature(name).first: body}
    held = {"layer", "cell", "cells", "backward_layer"}
    arguments = {
        key: ([_layer(item) for item in value] if isinstance(value, list) else _layer(value))
        if key in held and value is not None
        else (tuple(value) if isinstance(value, list) else value)
        for key, value in body.items()
    }
    return getattr(keras.layers, name)(**arguments)


def _drawn(weight: Any, draw: Any) -> Any:
    import numpy as np

    if not str(weight.dtype).startswith("float"):
        return np.asarray(weight)
    values = draw.normal(scale=0.4, size=weight.shape)
    return np.abs(values) + 0.1 if "variance" in weight.path else values
