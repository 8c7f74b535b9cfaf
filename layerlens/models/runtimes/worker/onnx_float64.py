"""Compute an ONNX file in float64: widened in ONNX Runtime, or in onnx's reference evaluator."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from .onnx_tensors import nodes_of
from .onnx_widening import widened

#: The seconds that the reference evaluator may take for a first run; it is written in Python.
_MOST_SECONDS = 1.0
#: The length of open axes in a first run.
_TRIED = 4

#: Operators that the reference evaluator computes in float32 whatever it is given.
_NARROW = frozenset(
    ("AffineGrid", "GridSample", "LinearAttention", "CausalConvWithState", "MelWeightMatrix")
)

#: Takes the inputs by name, and returns the outputs.
Call = Callable[[dict[str, Any]], list[Any]]


class Erf(OpRun):  # type: ignore[misc, unused-ignore] # it has no type
    """The error function in float64; that of the reference evaluator rounds to float32."""

    def _run(self, values: Any) -> tuple[Any]:
        found = np.vectorize(math.erf, otypes=[np.float64])(values)
        return (found.astype(values.dtype),)


def float64_form(
    model: Any, session: Any, rows: list[dict[str, Any]], start: Callable[[Any], Any]
) -> tuple[Call | None, bool]:
    """Return the file in float64, and whether the reference evaluator runs it.

    Args:
        model: the file.
        session: the session that runs it as it is.
        rows: its inputs.
        start: makes such a session.
    """
    wide = widened(model)
    if wide is None:
        return None, False
    runs = _runs(lambda feed: session.run(None, feed), rows, "float32")
    try:
        wide_session = start(wide)
    except Exception:  # ONNX Runtime lacks that form of an operator
        wide_session = None
    if wide_session is not None:

        def in_runtime(feed: dict[str, Any]) -> list[Any]:
            return list(wide_session.run(None, feed))

        # Some operators say so only when they run. A file may refuse the length of an open axis.
        if not runs or _runs(in_runtime, rows, "float64"):
            return in_runtime, False
    return (None, False) if not runs else (_by_evaluator(wide, rows), True)


def _by_evaluator(wide: Any, rows: list[dict[str, Any]]) -> Call | None:
    """Return the file in onnx's reference evaluator; None where it fails, rounds or is slow."""
    if any(node.op_type in _NARROW for node in nodes_of(wide)):
        return None
    try:
        evaluator = ReferenceEvaluator(wide, new_ops=[Erf])
    except Exception:  # it lacks an operator
        return None

    def call(feed: dict[str, Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return [np.asarray(output) for output in evaluator.run(None, feed)]

    started = time.process_time()
    if not _runs(call, rows, "float64") or time.process_time() - started > _MOST_SECONDS:
        return None
    return call


def _runs(call: Call, rows: list[dict[str, Any]], floating: str) -> bool:
    """Return whether a file runs on zeros."""
    feed = {}
    for row in rows:
        shape = [_TRIED if n is None else n for n in row["shape"]]
        dtype = floating if row["dtype"] == "float32" else row["dtype"]
        feed[row["name"]] = np.zeros(shape, dtype)
    try:
        call(feed)
    except Exception:
        return False
    return True
