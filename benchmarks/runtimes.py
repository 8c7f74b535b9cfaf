"""Compare seven kinds of models with themselves and with wrong ones in other runtimes.

The right model of a kind is exported to ONNX, LiteRT and a SavedModel, and run by Keras on JAX and
torch. Each of its wrong models is compared with these, too. Every right pair has to be
`equivalent`, and every wrong one `different`. The CPU time of a pair, less what the runtime takes
to start, is set against that of the right model and another form of it here.

    make bench ARGS=runtimes
    python benchmarks/runtimes.py [KIND ...] [--runtimes onnx litert ...]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import layerlens

L = keras.layers
Model = Any
Values = list[Any]
#: Runtime → the package that it needs.
RUNTIMES = {
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
    "saved_model": "tensorflow",
    "jax": "jax",
    "torch": "torch",
}
_FIRST = "keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])"
_TINY = f"import keras, numpy; {_FIRST}.predict_on_batch(numpy.zeros((1, 1)))"
#: What a runtime takes to start: its import, and in Keras a first model of one weight.
IMPORTS = {
    "onnx": "import onnx, onnxruntime, onnx.reference",
    "litert": "import ai_edge_litert.interpreter",
    "saved_model": "import tensorflow",
    "jax": _TINY,
    "torch": _TINY,
}
RIGHT = "right"
LOCAL = "local"


@dataclass(frozen=True)
class Kind:
    """A kind of model: the right one and wrong ones with the same inputs and outputs."""

    build: Callable[[], Model]
    #: Name → a wrong model, and its weights made of those of the right one.
    wrong: dict[str, tuple[Callable[[], Model], Callable[[Values], Values]]]
    #: The same function for exporters that cannot take the first form.
    exported: dict[str, Callable[[], Model]]
    #: Another form of the right model, for the local pair.
    other: Callable[[], Model]


def sequential(shape: tuple[int, ...], *layers: Any, batch: int | None = None) -> Model:
    return keras.Sequential([keras.Input(shape, batch_size=batch), *layers])


def same(values: Values) -> Values:
    return values


def changed(position: int, change: Callable[[Any], Any]) -> Callable[[Values], Values]:
    """Return a function that changes one weight."""

    def apply(values: Values) -> Values:
        return [change(one) if n == position else one for n, one in enumerate(values)]

    return apply


def blocks(order: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return a function that puts the gates, along the last axis, in another order."""

    def apply(value: Any) -> Any:
        parts = np.split(value, len(order), -1)
        return np.concatenate([parts[n] for n in order], -1)

    return apply


def gates_transposed(count: int) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        return np.concatenate([part.T for part in np.split(value, count, -1)], -1)

    return apply


def zeros(value: Any) -> Any:
    return np.zeros_like(value)


def double(value: Any) -> Any:
    return value * 2


# --- the kinds ------------------------------------------------------------------------------------


def gru(batch: int | None = None, **how: Any) -> Model:
    layer = L.GRU(5, return_sequences=True, **how)
    return sequential((6, 4), layer, L.Dense(3), batch=batch)


def summed(bias: Any) -> Any:
    return np.stack([bias[0] + bias[1], np.zeros_like(bias[1])])


def in_one(bias: Any) -> Any:
    return bias[0] + bias[1]


def masked_lstm(batch: int | None = None, mask: Any = 0.0, **how: Any) -> Model:
    masking = [] if mask is None else [L.Masking(mask_value=mask)]
    return sequential((6, 4), *masking, L.LSTM(5, **how), L.Dense(2), batch=batch)


def more_forgetting(bias: Any) -> Any:
    return bias + np.repeat(np.float32([0, 1, 0, 0]), len(bias) // 4)


def conv(epsilon: float = 1e-3, padding: Any = "same", order: Any = None, **how: Any) -> Model:
    before = [] if padding == "same" else [L.ZeroPadding2D(padding)]
    flat = [L.Flatten()] if order is None else [L.Permute(order), L.Flatten()]
    return sequential(
        (7, 7, 3),
        *before,
        L.Conv2D(4, 3, strides=2, padding="same" if padding == "same" else "valid"),
        L.BatchNormalization(epsilon=epsilon, **how),
        L.ReLU(),
        *flat,
        L.Dense(2),
    )


def activated(activation: Callable[[Any], Any] | str) -> Model:
    given = keras.Input((5,))
    hidden = L.Dense(6)(given)
    hidden = L.Activation(activation)(hidden) if isinstance(activation, str) else activation(hidden)
    return keras.Model(given, L.Dense(3)(hidden))


def gelu_by_erf(values: Any) -> Any:
    return 0.5 * values * (1 + keras.ops.erf(values / float(np.sqrt(2))))


def gelu_by_tanh(values: Any) -> Any:
    return keras.ops.gelu(values, approximate=True)


def gelu_by_sigmoid(values: Any) -> Any:
    return values * keras.ops.sigmoid(1.702 * values)


def gelu_in_ops(values: Any) -> Any:
    return keras.ops.gelu(values, approximate=False)


def leaky(slope: float) -> Callable[[], Model]:
    return lambda: activated(L.LeakyReLU(slope))


def hard_sigmoid_of_keras_2(values: Any) -> Any:
    return keras.ops.clip(0.2 * values + 0.5, 0.0, 1.0)


def conv_lstm(batch: int | None = None, **how: Any) -> Model:
    return sequential((3, 6, 6, 2), L.ConvLSTM2D(3, 3, padding="same", **how), batch=batch)


KINDS = {
    "GRU": Kind(
        gru,
        {
            "gate order": (gru, changed(0, blocks((1, 0, 2)))),
            "summed biases": (gru, changed(2, summed)),
            "transposed gates": (gru, changed(1, gates_transposed(3))),
            "reset_after": (lambda: gru(reset_after=False), changed(2, in_one)),
        },
        {"litert": lambda: gru(batch=1, unroll=True)},
        lambda: gru(unroll=True),
    ),
    "masked LSTM": Kind(
        masked_lstm,
        {
            "gate order": (masked_lstm, changed(0, blocks((1, 0, 2, 3)))),
            "mask dropped": (lambda: masked_lstm(mask=None), same),
            "forget bias": (masked_lstm, changed(2, more_forgetting)),
        },
        {"litert": lambda: masked_lstm(batch=1, unroll=True)},
        lambda: masked_lstm(unroll=True),
    ),
    "conv + BN": Kind(
        conv,
        {
            "epsilon": (lambda: conv(epsilon=1e-5), same),
            "padding": (lambda: conv(padding=((0, 2), (0, 2))), same),
            "flatten order": (lambda: conv(order=(3, 1, 2)), same),
            "bias twice": (conv, changed(1, double)),
        },
        {},
        lambda: conv(padding=((1, 1), (1, 1))),
    ),
    "gelu": Kind(
        lambda: activated("gelu"),
        {
            "by tanh": (lambda: activated(gelu_by_tanh), same),
            "by sigmoid": (lambda: activated(gelu_by_sigmoid), same),
            "bias lost": (lambda: activated("gelu"), changed(3, zeros)),
        },
        {"onnx": lambda: activated(gelu_by_erf)},
        lambda: activated(gelu_in_ops),
    ),
    "leaky_relu": Kind(
        leaky(0.2),
        {
            "slope 0.3": (leaky(0.3), same),
            "slope 0.01": (leaky(0.01), same),
            "bias twice": (leaky(0.2), changed(1, double)),
        },
        {},
        lambda: activated(lambda x: keras.ops.leaky_relu(x, negative_slope=0.2)),
    ),
    "hard_sigmoid": Kind(
        lambda: activated("hard_sigmoid"),
        {
            "of Keras 2": (lambda: activated(hard_sigmoid_of_keras_2), same),
            "sigmoid": (lambda: activated("sigmoid"), same),
        },
        {},
        lambda: activated(keras.ops.hard_sigmoid),
    ),
    "ConvLSTM": Kind(
        conv_lstm,
        {
            "gate order": (conv_lstm, changed(0, blocks((1, 0, 2, 3)))),
            "hard_sigmoid": (lambda: conv_lstm(recurrent_activation="hard_sigmoid"), same),
            "bias lost": (conv_lstm, changed(2, zeros)),
        },
        {"litert": lambda: conv_lstm(batch=1, unroll=True)},
        lambda: conv_lstm(unroll=True),
    ),
}


# --- making the files -----------------------------------------------------------------------------


def drawn(model: Model) -> Values:
    """Return weights of which none is zero or one, as after training."""
    rng = np.random.default_rng(3)
    return [
        rng.uniform(0.3, 1.2, variable.shape).astype("float32")
        if "variance" in variable.path
        else (rng.uniform(0.2, 0.9, variable.shape) * rng.choice([-1, 1], variable.shape)).astype(
            "float32"
        )
        for variable in model.weights
    ]


def saved(model: Model, values: Values, path: Path) -> Path:
    model.set_weights(values)
    model.save(path)
    return path


def exported(kind: Kind, runtime: str, values: Values, folder: Path) -> Path:
    """Export the right model, in a form that the exporter takes."""
    model = kind.exported.get(runtime, kind.build)()
    model.set_weights(values)
    given = [np.zeros([size or 1 for size in one.shape], "float32") for one in model.inputs]
    model(given[0])  # Keras exports a model that was called
    formats = {
        "onnx": ("right.onnx", "onnx"),
        "litert": ("right.tflite", "litert"),
        "saved_model": ("right_saved", "tf_saved_model"),
    }
    name, form = formats[runtime]
    model.export(str(folder / name), format=form, verbose=False)
    return folder / name


# --- comparing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """The verdict on one pair, its CPU seconds, and why where it is another than expected."""

    kind: str
    model: str
    runtime: str
    verdict: str
    cpu: float
    max_abs: float | None = None
    why: str = ""

    @property
    def is_right(self) -> bool:
        return self.verdict == ("equivalent" if self.model == RIGHT else "different")


def cpu() -> float:
    """Return the CPU seconds of this process and of those that it started."""
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def pair(models: dict[str, Any], **options: Any) -> Found:
    """Compare two models, and return the verdict on the second."""
    started = cpu()
    report = layerlens.compare({"models": models, **options}, allow_code=True)
    spent = cpu() - started
    (scenario,) = report.scenarios
    if scenario.errors:
        return Found("", "", "", "error", spent, why=scenario.errors[0].message)
    (found,) = scenario.pairs
    return Found("", "", "", found.verdict, spent, found.max_abs, found.explanation)


def compared(path: Path, right: Path, runtime: str, folder: Path, kind: Kind) -> Found:
    if runtime in ("jax", "torch"):
        there = {"file": str(right), "runtime": {"backend": runtime}}
        # Weights that are carried over would repair a wrong one.
        return pair(
            {"here": {"file": str(path)}, "there": there},
            transfer="none" if path != right else "auto",
        )
    names = {"onnx": "right.onnx", "litert": "right.tflite", "saved_model": "right_saved"}
    return pair({"here": {"file": str(path)}, "there": {"file": str(folder / names[runtime])}})


def measured(name: str, kind: Kind, runtimes: list[str], folder: Path) -> Iterator[Found]:
    values = drawn(kind.build())
    right = saved(kind.build(), values, folder / "right.keras")
    other = saved(kind.other(), values, folder / "other.keras")
    pair({"a": {"file": str(right)}, "b": {"file": str(other)}})  # Keras warms up
    local = pair({"a": {"file": str(right)}, "b": {"file": str(other)}})
    yield replace(local, kind=name, model=RIGHT, runtime=LOCAL)
    wrong = {
        model: saved(build(), change(values), folder / f"{n}.keras")
        for n, (model, (build, change)) in enumerate(kind.wrong.items())
    }
    first = next(iter(wrong))  # it is not proved, so that all probes are run
    apart = pair({"a": {"file": str(wrong[first])}, "b": {"file": str(right)}}, transfer="none")
    yield replace(apart, kind=name, model=first, runtime=LOCAL)
    for runtime in runtimes:
        if runtime in ("onnx", "litert", "saved_model"):
            try:
                exported(kind, runtime, values, folder)
            except Exception as error:  # an exporter may fail in any way
                yield Found(name, RIGHT, runtime, "no export", 0.0, why=str(error)[:200])
                continue
        for model, path in {RIGHT: right, **wrong}.items():
            found = compared(path, right, runtime, folder, kind)
            yield replace(found, kind=name, model=model, runtime=runtime)


def start_seconds(runtime: str) -> float:
    """Return the CPU seconds that a runtime takes to be imported."""
    environment = {**os.environ, "KERAS_BACKEND": runtime if runtime in ("jax", "torch") else ""}
    if not environment["KERAS_BACKEND"]:
        del environment["KERAS_BACKEND"]
    started = cpu()
    subprocess.run(
        [sys.executable, "-c", IMPORTS[runtime]], env=environment, check=True, capture_output=True
    )
    return cpu() - started


def local_seconds(rows: list[Found]) -> dict[str, float]:
    """Return the CPU seconds of each kind's local pair: the one of two that was not proved."""
    found: dict[str, float] = {}
    for row in rows:
        if row.runtime == LOCAL:
            found[row.kind] = max(row.cpu, found.get(row.kind, 0.0))
    return found


def table(rows: list[Found], starts: dict[str, float]) -> Iterator[str]:
    """Yield the lines of the table."""
    local = local_seconds(rows)
    yield f"{'kind':13s} {'model':17s} {'runtime':12s} {'verdict':13s}   max_abs  CPU s  ratio"
    for row in rows:
        ratio = (row.cpu - starts.get(row.runtime, 0.0)) / local[row.kind]
        gap = "" if row.max_abs is None else f"{row.max_abs:.1e}"
        mark = " " if row.is_right else "✘"
        yield (
            f"{row.kind:13s} {row.model:17s} {row.runtime:12s} {row.verdict:13s} {gap:>9s} "
            f"{row.cpu:6.1f} {ratio:6.2f} {mark} {'' if row.is_right else row.why[:400]}"
        )


def grid(kinds: list[str], runtimes: list[str]) -> dict[str, Any]:
    """Run the grid, print its table to standard error, and return its figures."""
    starts = {runtime: start_seconds(runtime) for runtime in runtimes}
    rows: list[Found] = []
    for name in kinds:
        with tempfile.TemporaryDirectory(prefix="layerlens-runtimes-") as folder:
            rows += measured(name, KINDS[name], runtimes, Path(folder))
        for line in table([row for row in rows if row.kind == name], starts):
            print(line, file=sys.stderr, flush=True)
    pairs = [row for row in rows if row.runtime != LOCAL]
    local = local_seconds(rows)
    ratios = [(row.cpu - starts[row.runtime]) / local[row.kind] for row in pairs]
    return {
        "right": [sum(row.is_right for row in pairs), len(pairs)],
        "greatest_ratio": round(max(ratios), 2),
        "start_seconds": {name: round(value, 2) for name, value in starts.items()},
        "pairs": [
            {
                "kind": row.kind,
                "model": row.model,
                "runtime": row.runtime,
                "verdict": row.verdict,
                "max_abs": row.max_abs,
                "cpu": round(row.cpu, 2),
                "ratio": round(ratio, 2),
            }
            for row, ratio in zip(pairs, ratios, strict=True)
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare kinds of models across runtimes.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    installed = [name for name, package in RUNTIMES.items() if find_spec(package) is not None]
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=installed)
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    print(json.dumps(grid(options.kinds or list(KINDS), options.runtimes), indent=2))


if __name__ == "__main__":
    main()
