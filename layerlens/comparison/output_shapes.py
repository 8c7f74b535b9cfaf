"""The output shapes of two models: as announced, or as computed where the announced ones disagree.

Some layers announce another shape than they compute: Keras' own ones with the activation `glu`, and
layers of users with a wrong `compute_output_shape`.
"""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.models.build.request import Built, Foreign, Frozen, Recorded
from layerlens.models.execute.computed_shapes import WrongShape, computed_shapes
from layerlens.models.inspect.shapes import agree, flat_shapes
from layerlens.scenario.spec import Shape

Outputs = tuple[Shape | None, ...]


@dataclass(frozen=True, slots=True)
class Misannounced:
    """A model whose outputs have other shapes than Keras announces."""

    model: str
    announced: Outputs
    computed: Outputs
    #: The first layer that computes another shape than announced; None where it is not known.
    layer: WrongShape | None = None


@dataclass(frozen=True, slots=True)
class OutputShapes:
    """The output shapes of two models: announced, or computed if the announced ones disagree."""

    reference: Outputs
    candidate: Outputs
    #: Whether they disagree only in what a call with values can tell.
    is_open: bool = False
    #: The models with other shapes than announced, where the announced shapes disagree.
    misannounced: tuple[Misannounced, ...] = ()

    @property
    def apart(self) -> bool:
        return not self.is_open and not _agree(self.reference, self.candidate)


def output_shapes(
    reference: Built | Frozen, candidate: Built | Frozen, *, training: bool
) -> OutputShapes:
    """Return the announced output shapes of two models, or the computed ones if these disagree."""
    models = reference, candidate
    one, other = announced = [_announced(model) for model in models]
    if _agree(one, other):
        return OutputShapes(one, other)
    computed = [_computed(model, training)[0] for model in models]
    one, other = known = [_filled(*each) for each in zip(computed, announced, strict=True)]
    return OutputShapes(
        one,
        other,
        is_open=_agree(*computed) and not _agree(one, other),
        misannounced=tuple(
            found
            for model, outputs in zip(models, known, strict=True)
            if (found := misannounced(model, outputs, training=training)) is not None
        ),
    )


def misannounced(model: Built | Frozen, outputs: Outputs, *, training: bool) -> Misannounced | None:
    """Return what Keras announces for a model, where these outputs of it have other shapes."""
    if isinstance(model, Foreign) and model.twin is None:
        return None  # Keras announces nothing for it
    announced = _announced(model)
    if _agree(announced, outputs):
        return None
    layer = _computed(model, training)[1]
    return Misannounced(model.spec.name, announced, _opened(outputs, announced), layer)


def _announced(model: Built | Frozen) -> Outputs:
    return tuple(flat_shapes([model.report.output_shape]))


def _computed(model: Built | Frozen, training: bool) -> tuple[Outputs, WrongShape | None]:
    """Return the shapes that a model computes, and the layer that differs from what is announced.

    They are unknown where it cannot be traced. Another runtime declares what it computes.
    """
    announced = _announced(model)
    if isinstance(model, Recorded):
        return _recorded(model, announced), None
    built = model.twin if isinstance(model, Foreign) else model
    if built is None or _announced(built) != announced:
        return announced, None
    found = computed_shapes(built, training=training)
    return ((None,) * len(announced), None) if found is None else (found.outputs, found.wrong)


def _recorded(model: Recorded, announced: Outputs) -> Outputs:
    """Return the shapes of recorded outputs."""
    recorded = tuple(output.shape for output in model.recording.runs[0].float64)
    if model.spec.select is not None:
        return _opened(recorded, announced)
    return _opened(tuple((None, *shape[1:]) for shape in recorded), announced)


def _opened(outputs: Outputs, announced: Outputs) -> Outputs:
    """Return the shapes of outputs, with the sizes open that are announced as open."""
    if len(outputs) != len(announced):
        return outputs
    return tuple(
        tuple(None if b is None else a for a, b in zip(shape, one, strict=True))
        if shape is not None and one is not None and len(shape) == len(one)
        else shape
        for shape, one in zip(outputs, announced, strict=True)
    )


def _filled(computed: Outputs, announced: Outputs) -> Outputs:
    """Return computed shapes, with the announced sizes where a trace does not know them."""
    if len(computed) != len(announced):
        return computed
    return tuple(
        one
        if shape is None
        else tuple(b if a is None else a for a, b in zip(shape, one, strict=True))
        if one is not None and len(shape) == len(one)
        else shape
        for shape, one in zip(computed, announced, strict=True)
    )


def _agree(reference: Outputs, candidate: Outputs) -> bool:
    return len(reference) == len(candidate) and all(
        one is None or other is None or agree(one, other)
        for one, other in zip(reference, candidate, strict=True)
    )
