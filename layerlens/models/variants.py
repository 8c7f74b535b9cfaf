"""Build the models of one scenario in working precision, in float64 and with changed numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from layerlens.errors import (
    Fault,
    LayerlensError,
    ModelFileError,
    ScenarioError,
    UnsafeCodeError,
    with_further_faults,
)
from layerlens.fault_codes import Code
from layerlens.models.build.conditions import Padding, paddings_of, under_condition
from layerlens.models.build.constants import NumberChange, spec_with_numbers
from layerlens.models.build.request import Built, Foreign, Model, Refused
from layerlens.models.build_model import build_model
from layerlens.models.external.start import StartedProcesses
from layerlens.models.runtimes.process import RuntimeProcess
from layerlens.plain import stage
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import InputSpec, ModelSpec, Scenario

#: The codes of faults that a file has whatever stands in the others.
_FAULTS_OF_FILES = frozenset(
    {
        Code.MISSING_FILE,
        Code.UNREADABLE_FILE,
        Code.NOT_A_MODEL_FILE,
        Code.DAMAGED_MODEL,
        Code.CODE_NOT_ALLOWED,
    }
)


@dataclass
class ModelVariants:
    """Builds a scenario's models, and each model's float64 form once."""

    scenario: Scenario
    options: RunOptions
    _in_float64: dict[str, Model] = field(default_factory=dict)
    #: The inputs of a model on the command line, for others that do not say theirs.
    _other_inputs: tuple[InputSpec, ...] = ()
    #: The inputs that mean padding, once they are known.
    _padded: frozenset[Padding] | None = None
    #: The processes of models that run in one of their own.
    _processes: list[RuntimeProcess] = field(default_factory=list)
    #: Those that were started ahead.
    started: StartedProcesses | None = None

    def close(self) -> None:
        """End the processes of models that run in one of their own."""
        while self._processes:
            self._processes.pop().close()

    def build(self, model: ModelSpec, **how: Any) -> Model:
        """Build one model; `how` is passed to `build_model`, which documents the errors."""
        in_float64 = " in float64" if how.get("precision") == "float64" else ""
        stage.enter(f"building `{model.name}`{in_float64}")
        condition = self.scenario.when
        built = build_model(
            model,
            self.scenario.inputs_of(model),
            memory_limit=self.options.memory_limit,
            max_memory=self.options.max_memory,
            seed=self.options.seed,
            allow_code=self.options.allow_code,
            other_inputs=self._other_inputs if model.is_argument else (),
            batch=None if condition is None else condition.batch,
            process=None if self.started is None else self.started.take(model.name),
            **how,
        )
        if isinstance(built, Foreign):
            self._processes.append(built.runtime.process)
        if condition is None or isinstance(built, (Refused, Foreign)):
            return built  # an exported file runs on the probes of the other model
        if not isinstance(built, Built):
            fault = Fault(
                Code.CONDITION,
                f"`when` cannot be applied to `{model.name}`, a recording",
                model.where,
                "its inputs were chosen when it was recorded; remove `when`",
            )
            raise ScenarioError((fault,))
        return under_condition(built, condition, self._paddings(), self.options.seed)

    def _paddings(self) -> frozenset[Padding]:
        """Return the inputs that mean padding in any model, if the scenario compares without it.

        Raises:
            ScenarioError: a mask inside a model does not follow from its inputs alone.
        """
        condition = self.scenario.when
        if condition is None or not condition.unpadded:
            return frozenset()
        if self._padded is None:
            free = ModelVariants(replace(self.scenario, when=None), self.options)
            drafts = free.build_all(allocate=False)
            built = [one for one in drafts.values() if isinstance(one, Built)]
            self._padded = frozenset(found for one in built for found in paddings_of(one))
        return self._padded

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

        Raises:
            ScenarioError, ModelFileError, UnsafeCodeError: a model is at fault; if the files of
                several are, the error reports all of them.
        """
        how = {"allocate": allocate, "at_most": at_most}
        try:
            return self._build_each(how, feeds_alike=feeds_alike, on_built=on_built)
        except (ScenarioError, ModelFileError, UnsafeCodeError) as error:
            raise self._with_faults_of_files(error) from error

    def _with_faults_of_files(self, error: LayerlensError) -> LayerlensError:
        """Return an error that also reports the faults of all saved models that cannot be read."""
        further: list[Fault] = []
        for model in self.scenario.models:
            if model.form != "file" or model.runtime is not None:
                continue
            try:
                self.build(model, allocate=False)
            except (ScenarioError, ModelFileError, UnsafeCodeError) as other:
                further += [fault for fault in other.faults if fault.code in _FAULTS_OF_FILES]
        return with_further_faults(error, further)

    def _build_each(
        self,
        how: Mapping[str, Any],
        *,
        feeds_alike: bool,
        on_built: Callable[[Model], None] | None,
    ) -> dict[str, Model]:
        name = self.scenario.reference
        reference = self.build(self.scenario.model(name), **how)
        self._other_inputs = self._known_inputs(reference)
        if _lacks_input(reference) and self._other_inputs != _inputs(reference):
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

    def _known_inputs(self, reference: Model) -> tuple[InputSpec, ...]:
        """Return the inputs of the first model on the command line that says what it takes."""
        own = _inputs(reference)
        says_input = not isinstance(reference, Refused) and not _lacks_input(reference)
        if says_input or not reference.spec.is_argument:
            return own
        for model in self.scenario.candidates:
            built = self.build(model, allocate=False)
            if not isinstance(built, Refused) and not _lacks_input(built):
                return built.inputs
        return own

    def in_float64(self, model: Built) -> Model:
        """Return the model in float64, or in working precision if it cannot be built anew."""
        name = model.spec.name
        if name not in self._in_float64:
            self._in_float64[name] = self.build(
                self.scenario.model(name), precision="float64", fed_as=model.input_names
            )
        return self._in_float64[name]

    def with_seed(self, seed: int) -> ModelVariants:
        """Return the variants with other initial weights."""
        return ModelVariants(self.scenario, replace(self.options, seed=seed))

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
        twins = {name: self.in_float64(model)}
        return ModelVariants(scenario, self.options, twins, self._other_inputs)


def _lacks_input(model: Model) -> bool:
    """Return whether a model does not say itself what input it takes, or was refused for now."""
    if isinstance(model, Refused):
        return not model.is_final
    return isinstance(model, Built) and model.assumes_input


def _inputs(model: Model) -> tuple[InputSpec, ...]:
    return () if isinstance(model, Refused) else model.inputs


def input_names(model: Model) -> tuple[str, ...]:
    """Return the names of a model's inputs in the order of its call; empty if refused."""
    return () if isinstance(model, Refused) else model.input_names
