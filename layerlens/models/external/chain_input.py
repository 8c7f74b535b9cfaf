"""Build a chain of Keras 1 or 2 that was saved without the shape of its input."""

from __future__ import annotations

from dataclasses import replace

from layerlens.models.build.request import BuildRequest, Built, Refused
from layerlens.models.external.deserialize import Source
from layerlens.models.external.older.missing_input import (
    KernelInput,
    input_of_weights,
    lacks_input,
    with_input,
)
from layerlens.models.external.older.weights import WeightsError, stored_weights
from layerlens.models.external.rebuild import RebuildError, build_from


def build_with_input(request: BuildRequest, source: Source) -> Built | Refused:
    """Build a saved model; a chain without an input takes the scenario's, or what its weights say.

    Raises:
        RebuildError: Keras cannot make the model from its description.
        MemoryLimitError: the weights need more memory than there is.
    """
    if source.age is None or not lacks_input(source.config):
        return build_from(request, source)
    given = request.inputs or request.other_inputs
    if given:
        described = with_input(source.config, given[0].shape, given[0].dtype)
        return build_from(request, replace(source, described=described))
    found = _by_weights(source)
    if found is None:
        return build_from(request, source)
    described = with_input(source.config, found.shape, found.dtype)
    fitting = replace(source, described=described, notes=(*source.notes, found.note))
    try:
        result = build_from(request, fitting)
    except RebuildError:
        return build_from(request, source)  # a length has to be known, so it is refused
    return replace(result, assumes_input=True) if isinstance(result, Built) else result


def _by_weights(source: Source) -> KernelInput | None:
    assert source.age is not None
    try:
        return input_of_weights(source.config, stored_weights(source.saved.path), source.age)
    except WeightsError as error:
        raise RebuildError from error
