"""Write files as Keras 1 and 2 wrote them, and compute by hand what their layers computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import ModelSpec

Weights = Mapping[str, Mapping[str, Any]]

RANDOM = np.random.default_rng(0)


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    """Return one layer as its class and arguments."""
    return {"class_name": kind, "config": {"name": name, "trainable": True, **config}}


def node(kind: str, name: str, sources: list[Any], **config: Any) -> dict[str, Any]:
    """Return one layer of a functional model; a source is a name, or a name, call and position."""
    calls = [[[one, 0, 0] if isinstance(one, str) else one for one in sources]] if sources else []
    return {**layer(kind, name, **config), "name": name, "inbound_nodes": calls}


def graph(inputs: list[str], outputs: list[Any], *nodes: Any, kind: str = "Model") -> Any:
    """Return a functional model."""
    ends = [[one, 0, 0] if isinstance(one, str) else one for one in outputs]
    config = {
        "name": "graph",
        "layers": list(nodes),
        "input_layers": [[one, 0, 0] for one in inputs],
        "output_layers": ends,
    }
    return {"class_name": kind, "config": config}


def chain(*layers: Any, version: str = "1.2.2") -> Any:
    """Return a chain: a bare list of layers before Keras 2.2.3."""
    listed = version < "2.2.3"
    config = list(layers) if listed else {"name": "chain", "layers": list(layers)}
    return {"class_name": "Sequential", "config": config}


def random(*shape: int) -> Any:
    """Return random values, scaled so that no activation saturates."""
    return (RANDOM.normal(size=shape) * 0.5).astype("float32")


def write_h5(
    path: Path,
    config: Any,
    weights: Weights,
    version: str | None = "1.2.2",
    backend: str | None = None,
    **attributes: str,
) -> Path:
    """Write a model with its weights, by layer and name, as `model.save` did."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        for name, value in {"keras_version": version, "backend": backend, **attributes}.items():
            if value is not None:
                file.attrs[name] = value.encode()
        content = file.create_group("model_weights")
        content.attrs["layer_names"] = [name.encode() for name in weights]
        for name, arrays in weights.items():
            group = content.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight in arrays]
            for weight, array in arrays.items():
                group.create_dataset(weight, data=array)
    return path


def loaded(path: Path) -> Built:
    """Return the model of a file."""
    result = build_model(ModelSpec("m", "file", file=str(path)), ())
    assert isinstance(result, Built), result.report.error
    return result


def outputs(path: Path, *inputs: Any) -> Any:
    """Return what the model of a file computes."""
    found = loaded(path).model(list(inputs) if len(inputs) > 1 else inputs[0])
    return [np.asarray(one) for one in found] if isinstance(found, list) else np.asarray(found)


# --- what layers compute --------------------------------------------------------------------------


def hard_sigmoid(x: Any) -> Any:
    """Return `hard_sigmoid` of Keras 1 and 2."""
    return np.clip(0.2 * x + 0.5, 0, 1)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstm(x: Any, gates: Mapping[str, Any], inner: Any = hard_sigmoid) -> Any:
    """Return the last output of an LSTM; `gates` are (W, U, b) by i, f, c and o."""
    h = c = np.zeros((len(x), gates["i"][0].shape[1]))
    for step in range(x.shape[1]):
        z = {gate: x[:, step] @ w + h @ u + b for gate, (w, u, b) in gates.items()}
        c = inner(z["f"]) * c + inner(z["i"]) * np.tanh(z["c"])
        h = inner(z["o"]) * np.tanh(c)
    return h


def gru(x: Any, gates: Mapping[str, Any], inner: Any = hard_sigmoid) -> Any:
    """Return the last output of a GRU that resets before the product; gates z, r and h."""
    h = np.zeros((len(x), gates["z"][0].shape[1]))
    for step in range(x.shape[1]):
        z, r = (
            inner(x[:, step] @ gates[gate][0] + h @ gates[gate][1] + gates[gate][2])
            for gate in "zr"
        )
        w, u, b = gates["h"]
        h = z * h + (1 - z) * np.tanh(x[:, step] @ w + (r * h) @ u + b)
    return h


def convolved(x: Any, kernel: Any) -> Any:
    """Return the correlation of images with a kernel, channels last, without padding."""
    rows, columns = kernel.shape[:2]
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    found = np.zeros((len(x), height, width, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            part = x[:, row : row + height, column : column + width]
            found += part @ kernel[row, column]
    return found
