"""Build a callable at a git revision and run its model, in a process that does nothing else."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from layerlens.errors import LayerlensError, Where
from layerlens.models.backend.start import start_backend
from layerlens.models.build.python_callable import code_folders, importable
from layerlens.models.build.redirected_imports import RedirectedImports, places_in
from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.outcome import flat_tensors
from layerlens.models.runtimes.worker.keras_runtime import results_inside
from layerlens.numerics.arrays import Array
from layerlens.report.from_json import decode_rows
from layerlens.report.run import to_plain
from layerlens.scenario.python_target import parse_target
from layerlens.scenario.spec import InputSpec, ModelSpec


def about() -> dict[str, Any]:
    """Return the name and version of the runtime."""
    start_backend()
    version = f"Keras {keras.__version__}, tensorflow {tf.__version__}"
    return {"name": "Keras on TensorFlow", "version": version}


def load(head: dict[str, Any]) -> ServedModel | Refusal:
    """Import from the folder of the revision alone, call the callable, and build its model."""
    imports = RedirectedImports(Path(head["working_tree"]), Path(head["folder"]))
    current = imports.redirected(Path.cwd())
    current.mkdir(parents=True, exist_ok=True)
    os.chdir(current)
    imports.install()
    target: str = head["python"]
    parsed = parse_target(target)
    where = Where(parsed.source) if parsed is not None and parsed.is_file else None
    spec = ModelSpec(head["name"], "python", python=target, where=where or Where(target))
    how: dict[str, Any] = {
        "inputs": decode_rows(tuple[InputSpec, ...], head["inputs"], "inputs"),
        "other_inputs": decode_rows(tuple[InputSpec, ...], head["other_inputs"], "inputs"),
        "seed": head["seed"],
        "allow_code": True,  # or this process would not have been started
    }
    if parsed is not None and not parsed.is_file:
        _refuse_installed(parsed.source, code_folders(target, where), Path(head["folder"]))
    try:
        model = build_model(spec, **how)
        wide = None if isinstance(model, Refused) else build_model(spec, **how, precision="float64")
    except LayerlensError as error:
        return Refusal({"fault": {"message": error.message, "hint": error.hint}})
    if isinstance(model, Refused):
        return Refusal({"report": to_plain(model.report)})
    assert isinstance(model, Built)  # a callable returns nothing that is read from a file
    in_float64 = isinstance(wide, Built) and wide.precision == "float64"
    return ServedModel(
        KerasRunner(model, head["seed"]),
        KerasRunner(wide, head["seed"]) if in_float64 and isinstance(wide, Built) else None,
        tuple(sorted(imports.found)),
    )


def _refuse_installed(module: str, folders: tuple[str, ...], folder: Path) -> None:
    """Refuse a module that the revision does not have, but that is installed besides.

    Raises:
        ModuleNotFoundError: it would be imported from elsewhere.
    """
    top, spec = module.partition(".")[0], None
    with importable(folders), contextlib.suppress(ModuleNotFoundError):
        spec = importlib.util.find_spec(top)
    places = [] if spec is None else places_in(spec)
    if not any(Path(place).resolve().is_relative_to(folder.resolve()) for place in places):
        raise ModuleNotFoundError(f"there was no module `{top}`", name=top)


@dataclass(frozen=True)
class Refusal:
    """Why there is no model."""

    answer: dict[str, Any]

    def described(self) -> dict[str, Any]:
        """Return a fault, or the report of a model that was refused."""
        return self.answer


@dataclass(frozen=True)
class ServedModel:
    """A model, and the same in float64 if it can be built anew."""

    working: KerasRunner
    wide: KerasRunner | None
    #: The files that were imported, from the root of the repository.
    modules: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """Return the inputs, the outputs, the weights and the layer table."""
        built = self.working.built
        shapes = built.report.output_shape
        several = bool(shapes) and isinstance(shapes[0], tuple)
        listed = shapes if several else [shapes]
        names = list(built.input_names) or [one.name for one in built.inputs]
        return {
            "inputs": [
                {"name": name, "dtype": one.dtype, "shape": [None, *one.shape]}
                for name, one in zip(names, built.inputs, strict=True)
            ],
            "outputs": [
                {"name": f"output {number}", "dtype": str(tensor.dtype), "shape": list(shape)}
                for number, (tensor, shape) in enumerate(
                    zip(flat_tensors(built.model.outputs), listed, strict=True)
                )
            ],
            "float64": "none" if self.wide is None else "native",
            "weights": [
                {"path": slot.path, "shape": list(slot.shape), "dtype": slot.dtype}
                for slot in self.working.slots()
            ],
            "report": to_plain(built.report),
            "specs": [to_plain(one) for one in built.inputs],
            "listed": list(built.listed_names),
            "modules": list(self.modules),
        }

    def values(self) -> list[Array]:
        """Return the weights, in the order of `described`."""
        return self.working.values()

    def assign(self, values: Sequence[Array]) -> None:
        """Set the weights of both forms."""
        for runner in (self.working, self.wide):
            if runner is not None:
                runner.assign(values)

    def inside(self, arrays: Sequence[Array]) -> tuple[dict[str, Any], list[Array]]:
        """Return what each layer gives for one batch of inputs."""
        return results_inside(keras, self.working.built.model, arrays)

    def run(self, precision: str, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs for inputs in the order of `described`."""
        runner = self.working if precision == "working" else self.wide
        if runner is None:
            raise ValueError("the model has no float64 form")
        outcome = runner.run(arrays, "traced_dynamic")
        if outcome.error is not None:
            raise ValueError(outcome.error.message)
        return list(outcome.outputs)
