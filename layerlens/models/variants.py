"""Build the models of one scenario in working precision, in float64 and with changed numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from layerlens.models.build.constants import NumberChange, spec_with_numbers
from layerlens.models.build.request import Built, Model, Refused
from layerlens.models.build_model import build_model
from layerlens.plain import stage
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec, Scenario


@dataclass
class ModelVariants:
    """Builds a scenario's models, and each model's float64 form once."""

    scenario: Scenario
    options: RunOptions
    _in_float64: dict[str, Model] = field(default_factory=dict)

    def build(self, model: ModelSpec, **how: Any) -> Model:
        """Build one model; `how` is passed to `build_model`, which documents the errors."""
        in_float64 = " in float64" if how.get("precision") == "float64" else ""
        stage.enter(f"building `{model.name}`{in_float64}")
        return build_model(
            model,
            self.scenario.inputs_of(model),
            memory_limit=self.options.memory_limit,
            seed=self.options.seed,
            allow_code=self.options.allow_code,
            **how,
        )

    def build_all(
        self,
        *,
        allocate: bool = True,
        at_most: int | None = None,
        feeds_alike: bool = True,
        on_built: Callable[[Model], None] | None = None,
    ) -> dict[str, Model]:
        """Build every model, in the order of the file.

        With `feeds_alike`, a model whose inputs have the same names as the reference's takes them
        in the reference's order. `on_built` is called with each model when it is built.
        """
        how = {"allocate": allocate, "at_most": at_most}
        name = self.scenario.reference
        reference = self.build(self.scenario.model(name), **how)
        if on_built is not None:
            on_built(reference)
        fed_as = input_names(reference) if feeds_alike else ()
        built = {name: reference}
        for model in self.scenario.models:
            if model.name == name:
                continue
            built[model.name] = self.build(model, fed_as=fed_as, **how)
            if on_built is not None:
                on_built(built[model.name])
        return {model.name: built[model.name] for model in self.scenario.models}

    def in_float64(self, model: Built) -> Model:
        """Return the model in float64, or in working precision if it cannot be built anew."""
        name = model.spec.name
        if name not in self._in_float64:
            self._in_float64[name] = self.build(
                self.scenario.model(name), precision="float64", fed_as=model.input_names
            )
        return self._in_float64[name]

    def built_in_float64(self, model: Built) -> Built | None:
        """Return the float64 form if it has been built already."""
        twin = self._in_float64.get(model.spec.name)
        return twin if isinstance(twin, Built) else None

    def with_numbers(self, model: Built, change: NumberChange) -> Built | None:
        """Build the model in float64 with the numbers in its configuration changed.

        None where there are no numbers to change, or no float64 form.
        """
        how: dict[str, Any] = {"precision": "float64", "fed_as": model.input_names}
        spec = model.spec
        if spec.form in ("layers", "graph"):
            changed = spec_with_numbers(spec, change)
            if changed is None:
                return None
            spec = changed
        else:
            how["numbers"] = change
        twin = self.build(spec, **how)
        return twin if isinstance(twin, Built) and twin.precision == "float64" else None

    def with_candidate(self, model: Built, candidate: ModelSpec) -> ModelVariants:
        """Return the variants of one of these models and of a candidate outside the scenario.

        Both share the model's float64 form.
        """
        name = model.spec.name
        scenario = replace(self.scenario, models=(self.scenario.model(name), candidate))
        return ModelVariants(scenario, self.options, {name: self.in_float64(model)})


def input_names(model: Model) -> tuple[str, ...]:
    """Return the names of a model's inputs in the order of its call; empty if refused."""
    return () if isinstance(model, Refused) else model.input_names
