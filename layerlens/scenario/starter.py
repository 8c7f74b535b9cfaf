"""The scenario that `layerlens init` writes: it runs and shows the format."""

from __future__ import annotations

from pathlib import Path

from layerlens.errors import UsageError, Where
from layerlens.fault_codes import Code
from layerlens.files import draft_of, os_reason, unreadable_path

_STARTER = """\
# yaml-language-server: $schema=layerlens.schema.json
# Your editor completes and checks this file once you run: layerlens schema > layerlens.schema.json
#
# A layerlens scenario.
# To compare the models:          layerlens compare THIS_FILE
# To show layers and counts only: layerlens summary THIS_FILE

title: Dense with and without TimeDistributed, after a GRU
question: Does Dense mix time steps if I leave out TimeDistributed?
answer: No. Dense works on the last axis only, so it treats each step separately.

# The input of every model: the shape of one sample, without the batch axis. Use `null` for a
# variable length.
# Integers need a range:  input: {shape: [20], dtype: int32, low: 0, high: 1000}
# Name several inputs:    inputs: {query: {shape: [8, 16]}, value: {shape: [10, 16]}}
input: {shape: [64, 15]}

# Two or more models. The first one is the reference; layerlens compares the others with it.
# Write a layer as `ClassName`, `ClassName: {keyword arguments}` or `ClassName: first-argument`.
# `layerlens layers` lists the classes, `layerlens layers GRU` lists the arguments of one.
models:
  wrapped:
    - GRU: {units: 16, return_sequences: true}
    - TimeDistributed: {layer: {Dense: {units: 15}}}
    - Activation: softmax
  plain:
    - GRU: {units: 16, return_sequences: true}
    - Dense: 15
    - Activation: softmax

# What you expect. If an expectation does not hold, `layerlens compare` exits with status 1.
# Verdicts: equivalent, different, shape_mismatch, param_mismatch, build_error,
# within_quantization, inconclusive.
expect:
  verdicts:
    plain: equivalent
  models:
    wrapped:
      params: 1839
      output_shape: [null, 64, 15]

# More options (remove the `#` to try one):
#
# modes: [inference, training]           # also compare in training mode
# transfer: by_name                      # pair the weights by name; the default is auto
# tolerance: {rtol: 1.0e-5, atol: 1.0e-6}   # instead of the derived tolerance
# fit: {loss: mean_squared_error, optimizer: sgd, epochs: 2}   # train all models, compare losses
#
# matrix: {units: [8, 16]}               # run once for each value; write ${units} in its place
#
# A model can also be a graph or a saved file, and `select` takes a slice of its output:
#
#   residual:
#     graph:
#       hidden: {Dense: {units: 15}, from: [input]}
#       sum: {Add: {}, from: [hidden, input]}
#     outputs: [sum]
#   saved: {file: model.keras}
#   sliced:
#     layers: [{GRU: {units: 16, return_sequences: true}}, {Dense: 15}]
#     select: "[:, -1]"
#   last_step:                           # a shape_mismatch
#     - GRU: 16                          # return_sequences is false: only the last step
#     - Dense: 15
"""


def starter_scenario() -> str:
    """Return the text of a commented scenario whose expectations hold."""
    return _STARTER


def write_starter(path: Path | str) -> Path:
    """Write the starter scenario to `path` in one step and return the path of the file.

    In a folder, the file is named `scenario.yaml`.

    Raises:
        UsageError: the file exists already, or cannot be written.
    """
    path = Path(path)
    reason = unreadable_path(path)
    if reason is not None:
        raise UsageError(
            f"{path} cannot be written: {reason}", Where(str(path)), code=Code.CANNOT_WRITE
        )
    if path.is_dir():
        path = path / "scenario.yaml"
    try:
        with draft_of(path, overwrite=False) as draft:
            draft.write_text(_STARTER, encoding="utf-8")
    except FileExistsError:
        raise UsageError(
            f"{path} already exists and is not overwritten",
            Where(str(path)),
            "choose another file, or remove this one first",
            code=Code.CANNOT_WRITE,
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be written: {os_reason(error)}",
            Where(str(path)),
            code=Code.CANNOT_WRITE,
        ) from None
    return path
