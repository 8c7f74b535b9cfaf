"""Set the weights of an ONNX file that are found in it by the values of a model's weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layerlens.models.build.request import Built, Foreign
from layerlens.models.execute.input_domains import written_numbers
from layerlens.models.execute.variables import as_array, weight_variables
from layerlens.models.runtimes.foreign import FoundWeights
from layerlens.models.runtimes.kinds import ONNX
from layerlens.models.runtimes.process import RuntimeAnswerError, RuntimeLostError
from layerlens.plain import stage
from layerlens.plain.listing import listed
from layerlens.report.pairs import TransferRow

_MOST_NAMED = 3
#: Why a file is judged by its own weights after others were tried.
_UNDECIDED = "other weights gave no clear result"


def with_named_weights(foreign: Foreign, live: Built) -> Foreign:
    """Return an ONNX file whose weights can be set, if all weights of the model are found in it."""
    if foreign.runtime.about.name != ONNX.name or foreign.runtime.quantized is not None:
        return foreign
    variables = weight_variables(live)
    if not variables:
        return foreign
    stage.enter(f"looking for the weights of `{live.spec.name}` in `{foreign.spec.name}`")
    try:
        found = foreign.runtime.find([as_array(variable) for variable in variables])
    except (RuntimeLostError, RuntimeAnswerError):
        return foreign  # it is asked again for outputs, and then reports the error
    row = foreign.report.runtime
    assert row is not None
    notes = foreign.report.notes
    found = replace(found, doubt=_doubt(found, live))
    if found.complete:
        row = replace(row, weights="named")
    else:
        missing = [f"`{variables[position].path}`" for position in found.missing]
        notes = (*notes, _why_frozen(missing, too_large=found.too_large))
    report = replace(foreign.report, runtime=row, notes=notes)
    return replace(foreign, runtime=replace(foreign.runtime, found=found), report=report)


def _why_frozen(missing: list[str], *, too_large: bool) -> str:
    if too_large:
        return "the weights are too many to try others: it is judged by its own alone"
    if not missing:
        return (
            "other arrays of numbers may be computed from the weights when it was converted: it "
            "is judged by its own weights alone"
        )
    return (
        f"{listed(missing, _MOST_NAMED)} cannot be told apart by value, or went into other numbers "
        "when it was converted: it is judged by its own weights alone"
    )


def pairs_row(foreign: Foreign, live: Built, *, is_reference: bool) -> TransferRow:
    """Return which tensor of the file holds which weight."""
    assert foreign.runtime.found is not None
    paths = [str(variable.path) for variable in weight_variables(live)]
    pairs = [(paths[source], name) for source, name in foreign.runtime.found.names]
    if is_reference:
        pairs = [(name, path) for path, name in pairs]
    return TransferRow("by_value", tuple(pairs), ())


def _doubt(found: FoundWeights, live: Built) -> str | None:
    """Return why a file that is right may differ on other weights than its own; None if it cannot.

    An array of zeros may be something else than the weight with these values, and a number that
    the model does not have may be computed from weights.
    """
    for variable in weight_variables(live):
        value = as_array(variable)
        if value.size and np.all(value == value.flat[0]):
            return f"an array of {value.flat[0]:g} may be something else than `{variable.path}`"
    known = {float(np.float32(value)) for value in written_numbers(live)}
    strange = [n for n in found.numbers if not n.is_integer() and n not in known]
    return f"the number {strange[0]:.6g} may be computed from the weights" if strange else None


def frozen_again(foreign: Foreign) -> Foreign:
    """Return a file that is to be judged by its own weights alone, after others were tried."""
    row, found = foreign.report.runtime, foreign.runtime.found
    assert row is not None
    assert found is not None
    note = f"{found.doubt or _UNDECIDED}: it is judged by its own weights alone"
    report = replace(
        foreign.report, runtime=replace(row, weights="frozen"), notes=(*foreign.report.notes, note)
    )
    runtime = replace(foreign.runtime, found=replace(found, complete=False))
    return replace(foreign, runtime=runtime, report=report)
