"""Turn asserted params and output shapes, the *figures*, into expectations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerlens.scenario.spec import Expectations, LayerExpectation, ModelExpectation, Scenario


def is_figure(value: Any) -> bool:
    """Return whether a value is a count, a shape or a list of shapes."""
    if isinstance(value, (list, tuple)):
        return all(item is None or is_figure(item) for item in value)
    return isinstance(value, int) and not isinstance(value, bool)


def expectations_of(
    scenario: Scenario, figure: str, expected: Any, layers: Mapping[str, Any], more: dict[str, Any]
) -> Expectations:
    """Return what an assertion expects of a scenario's models.

    Args:
        figure: "params" or "output_shape".
        expected: its value, or a mapping of model or layer name → value.
        layers: layer name → its value.
        more: further fields of `ModelExpectation`.

    Without values these are the scenario's own expectations about the figure.
    """
    names = [model.name for model in scenario.models]
    if expected is None and not layers and all(value is None for value in more.values()):
        return _own_expectations(scenario, figure)
    of_models = isinstance(expected, Mapping) and set(expected) <= set(names)
    if isinstance(expected, Mapping) and not of_models:
        layers, expected = {**expected, **layers}, None
    return Expectations(
        models={
            name: ModelExpectation(
                **{figure: expected[name] if of_models else expected},
                **more,
                layers={
                    layer: LayerExpectation(**{figure: value}) for layer, value in layers.items()
                },
            )
            for name in (expected if of_models else names)
        }
    )


def _own_expectations(scenario: Scenario, figure: str) -> Expectations:
    own = scenario.expect.models if scenario.expect is not None else {}
    return Expectations(
        models={
            name: ModelExpectation(
                **{figure: getattr(model, figure)},
                trainable_params=model.trainable_params if figure == "params" else None,
                layers={
                    layer: LayerExpectation(**{figure: getattr(found, figure)})
                    for layer, found in model.layers.items()
                },
            )
            for name, model in own.items()
        }
    )
