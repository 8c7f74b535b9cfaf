"""Run the models of the gallery in other runtimes, and print a table of what they get wrong.

The first model of each scenario, with drawn weights, is exported to ONNX and LiteRT, and run by
Keras on JAX and torch. All have to be `equivalent`, or a `build_error` where a runtime cannot run
a layer.

    python benchmarks/gallery_runtimes.py [NAME ...] [--runtimes onnx litert jax torch] [--all]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from processes import ROOT

import layerlens
from layerlens.errors import LayerlensError
from layerlens.models.build.request import Built
from layerlens.models.variants import ModelVariants
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import read_scenarios

RUNTIMES = ("onnx", "litert", "jax", "torch")
FORMATS = {"onnx": ("m.onnx", "onnx"), "litert": ("m.tflite", "litert")}
#: The lengths of open axes, and the batch, with which a model is called before its export.
LENGTH = 7


def models_of(path: Path, *, every: bool) -> Iterator[tuple[str, Any]]:
    """Yield the models of a scenario's first cell, or the first one alone."""
    scenario = read_scenarios(path)[0]
    variants = ModelVariants(scenario, RunOptions(allow_code=True))
    for name, built in variants.build_all().items():
        if isinstance(built, Built):
            yield name, built.model
        if not every:
            return


def draw(model: Any) -> None:
    """Give a model weights as after training: none is zero or one."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if str(variable.dtype).startswith("float"):
            value = rng.uniform(0.2, 0.9, variable.shape)
            if "variance" not in variable.path:
                value *= rng.choice([-1, 1], variable.shape)
            variable.assign(value)


def exported(model: Any, runtime: str, folder: Path) -> str:
    """Export a model; return why it could not be, or nothing."""
    name, form = FORMATS[runtime]
    try:
        given = [
            np.zeros([n or LENGTH for n in (one.shape[0] or 1, *one.shape[1:])], one.dtype)
            for one in model.inputs
        ]
        model(given if len(given) > 1 else given[0])
        model.export(str(folder / name), format=form, verbose=False)
    except Exception as error:  # an exporter may fail in any way
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:150]}"
    return "" if (folder / name).exists() else "no file"


def rows(path: Path, runtimes: list[str], *, every: bool) -> Iterator[tuple[str, ...]]:
    """Yield the model, the runtime, the verdict, the greatest difference and a text."""
    try:
        models = list(models_of(path, every=every))
    except LayerlensError as error:
        yield "", "", "unreadable", "", str(error)[:100]
        return
    for name, model in models:
        with tempfile.TemporaryDirectory(prefix="layerlens-gallery-") as given:
            folder = Path(given)
            draw(model)
            file = folder / "m.keras"
            model.save(file)
            there: dict[str, Any] = {}
            for runtime in runtimes:
                if runtime in FORMATS:
                    problem = exported(model, runtime, folder)
                    if problem:
                        yield name, runtime, "no export", "", problem
                    else:
                        there[runtime] = {"file": str(folder / FORMATS[runtime][0])}
                else:
                    there[runtime] = {"file": str(file), "runtime": {"backend": runtime}}
            for runtime, spec in there.items():
                pair = {"models": {"ours": {"file": str(file)}, runtime: spec}}
                (found,) = layerlens.compare(pair, allow_code=True).scenarios
                if found.errors:
                    yield name, runtime, "error", "", found.errors[0].message
                    continue
                (one,) = found.pairs
                gap = "" if one.max_abs is None else f"{one.max_abs:.1e}"
                is_fine = one.verdict == "equivalent"
                yield name, runtime, one.verdict, gap, "" if is_fine else one.explanation
    keras.utils.clear_session()


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the gallery in other runtimes.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; all by default")
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=list(RUNTIMES))
    parser.add_argument("--all", action="store_true", help="all models of a scenario")
    options = parser.parse_args()
    paths = sorted((ROOT / "scenarios").glob("*.yaml"))
    if options.names:
        paths = [path for path in paths if path.stem in options.names]
    counts: Counter[tuple[str, str]] = Counter()
    for path in paths:
        for name, runtime, verdict, gap, text in rows(path, options.runtimes, every=options.all):
            counts[runtime, verdict] += 1
            print(f"{path.stem:32s} {name:14s} {runtime:7s} {verdict:13s} {gap:>8s} {text[:300]}")
            sys.stdout.flush()
    for (runtime, verdict), count in sorted(counts.items()):
        print(f"{runtime:7s} {verdict:13s} {count}")


if __name__ == "__main__":
    main()
