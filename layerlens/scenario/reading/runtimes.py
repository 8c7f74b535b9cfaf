"""Read in which runtime a model is to run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from layerlens.fault_codes import Code
from layerlens.scenario.faults import Faults, misspelt, suggestion
from layerlens.scenario.files import is_exported
from layerlens.scenario.reading.schema import RuntimePart
from layerlens.scenario.spec import RuntimeSpec
from layerlens.scenario.yaml.positions import YamlMapping, described, shown

BACKENDS = ("jax", "torch")


def check_runtimes(scenario: YamlMapping, folder: Path, faults: Faults) -> None:
    """Add faults for interpreters that are not there, and for runtimes that models name wrongly."""
    runtimes = scenario.get("runtimes")
    runtimes = runtimes if isinstance(runtimes, YamlMapping) else YamlMapping()
    for runtime in runtimes.values():
        if isinstance(runtime, YamlMapping) and isinstance(path := runtime.get("python"), str):
            _check_interpreter(path, folder, runtime, faults)
    models = scenario.get("models")
    models = models if isinstance(models, YamlMapping) else YamlMapping()
    for model in models.values():
        if isinstance(model, YamlMapping):
            _check_model(model, models, runtimes, faults)


def runtime_spec(written: Any, runtimes: dict[str, RuntimePart] | None, folder: Path) -> Any:
    """Return the runtime of a model without faults; None if it is this process' Keras."""
    if written is None:
        return None
    if not isinstance(written, str):
        return RuntimeSpec(backend=str(written["backend"]))
    part = (runtimes or {})[written]
    return RuntimeSpec(python=str(folder / part.python), keras=part.keras)


def _check_interpreter(path: str, folder: Path, runtime: YamlMapping, faults: Faults) -> None:
    at, found = runtime.values_at.get("python"), folder / path
    try:
        is_program = found.is_file() and os.access(found, os.X_OK)
    except (OSError, ValueError):
        is_program = False
    if not is_program:
        faults.add(
            Code.BAD_RUNTIME,
            f"there is no interpreter {shown(path)}",
            at,
            "such as `python: ../venv/bin/python`; paths are relative to the scenario's folder",
        )


def _check_model(
    model: YamlMapping, models: YamlMapping, runtimes: YamlMapping, faults: Faults
) -> None:
    runtime, at = model.get("runtime"), model.values_at.get("runtime")
    like = model.get("like")
    if isinstance(like, str):
        other = models.get(like)
        if other is None or other is model:
            known = [name for name, one in models.items() if one is not model]
            faults.add(
                Code.UNKNOWN_MODEL,
                f"unknown model `{like}`",
                model.values_at.get("like"),
                suggestion(like, known),
            )
        elif isinstance(other, YamlMapping) and other.get("like") is not None:
            faults.add(
                Code.BAD_RUNTIME,
                f"`{like}` itself has `like:`",
                model.values_at.get("like"),
                f"write `like: {other.get('like')}`",
            )
        if runtime is None:
            faults.add(
                Code.BAD_RUNTIME,
                "`like` needs `runtime`",
                model.keys_at.get("like"),
                "such as `runtime: {backend: jax}`",
            )
    if runtime is None:
        return
    if isinstance(runtime, str):
        if runtime not in runtimes:
            faults.add(
                Code.BAD_RUNTIME, f"unknown runtime `{runtime}`", at, suggestion(runtime, runtimes)
            )
    elif (
        isinstance(runtime, YamlMapping)
        and len(runtime) == 1
        and misspelt("backend", runtime, ["backend"])
    ):
        (key,) = runtime
        faults.add(
            Code.UNKNOWN_KEY,
            f"unknown key `{key}`",
            runtime.keys_at.get(key),
            "did you mean `backend`?",
        )
    elif not isinstance(runtime, YamlMapping) or set(runtime) != {"backend"}:
        faults.add(
            Code.BAD_RUNTIME,
            f"`runtime` takes a name under `runtimes`, or `{{backend: jax}}`; received "
            f"{described(runtime)}",
            at,
        )
    elif runtime.get("backend") not in BACKENDS:
        faults.add(
            Code.BAD_RUNTIME,
            f"`backend` is jax or torch; received {described(runtime.get('backend'))}",
            runtime.values_at.get("backend"),
            suggestion(str(runtime.get("backend")), BACKENDS),
        )
    if isinstance(file := model.get("file"), str) and is_exported(file):
        faults.add(
            Code.BAD_RUNTIME,
            "`runtime` cannot be given to an exported file, which has a runtime of its own",
            at,
        )
