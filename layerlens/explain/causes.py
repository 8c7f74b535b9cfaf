"""Name the differences of two models in a few words each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from layerlens.explain.align_layers import align_layers
from layerlens.explain.open_nested import open_nested
from layerlens.explain.value_words import value_words
from layerlens.explain.written_differences import WITHOUT_EFFECT
from layerlens.report.diffs import LayerChange, ModelsDiff
from layerlens.report.inner_arguments import inner_argument
from layerlens.report.layers import CodeChangeRow, LayerRow, ModelReport


def causes_of(reference: ModelReport, candidate: ModelReport, diff: ModelsDiff) -> tuple[str, ...]:
    """Return the differences that may cause others: `max_value: 6 → none` in `re_lu`.

    Arguments come before layers that only one model has. What follows from them, such as shapes and
    counts, is left out, and so are names and initializers.
    """
    if not reference.lists_layers or not candidate.lists_layers:
        return ()
    code = (*_code_changes(reference), *_code_changes(candidate))
    if (opened := open_nested(reference, candidate)) is not None:
        reference, candidate = opened
        diff = align_layers(reference, candidate)
    arguments: list[str] = []
    layers: list[str] = []
    for row in diff.layers:
        ours = None if row.reference_row is None else reference.layers[row.reference_row]
        theirs = None if row.candidate_row is None else candidate.layers[row.candidate_row]
        if ours is not None and theirs is not None and ours.type == theirs.type:
            arguments += _of_one_type(ours, theirs, row)
        elif ours is not None and theirs is not None:
            layers.append(f"{_named(theirs)} in place of {_named(ours)}")
        elif ours is not None:
            layers.append(f"{_named(ours)} only in `{reference.name}`")
        elif theirs is not None:
            layers.append(f"{_named(theirs)} only in `{candidate.name}`")
    described = (*arguments, *layers)
    # A function that builds layers differs wherever they do.
    return (*described, *(_code_of(one) for one in code if one.is_class or not described))


def _code_changes(report: ModelReport) -> tuple[CodeChangeRow, ...]:
    known = None if report.runtime is None else report.runtime.revision
    return () if known is None else known.changed


def _code_of(change: CodeChangeRow) -> str:
    return f"the code of `{change.name}` in {change.file}"


def _of_one_type(ours: LayerRow, theirs: LayerRow, row: LayerChange) -> Iterator[str]:
    for item in row.arguments:
        if not item.name.endswith(WITHOUT_EFFECT):
            inner = inner_argument(theirs, item.name)
            yield f"{_change(inner.name, item.reference, item.candidate)} in `{inner.layer}`"
    for name in {**ours.call, **theirs.call}:
        if ours.call.get(name) != theirs.call.get(name):
            change = _change(name, ours.call.get(name), theirs.call.get(name))
            yield f"{change} in the call of `{theirs.name}`"
    if "inputs" in row.differs:
        yield f"`{theirs.name}` takes {_list(theirs.inputs)} instead of {_list(ours.inputs)}"


def _named(layer: LayerRow) -> str:
    return f"`{layer.name}` ({layer.type})"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _change(name: str, ours: Any, theirs: Any) -> str:
    return f"`{name}: {value_words(ours)} → {value_words(theirs)}`"
