"""Write a short Python script that reproduces a difference with Keras and NumPy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerlens.errors import UsageError
from layerlens.explain.difference_check import BASELINE, DifferenceCheck, FirstDifference
from layerlens.explain.keras_code import (
    Described,
    array_source,
    call_source,
    filling_source,
    join_sections,
    model_source,
)
from layerlens.explain.weight_code import WeightSource
from layerlens.fault_codes import Code
from layerlens.models.build.request import Built, Foreign, Model, Recorded
from layerlens.models.inspect.nested_layers import layers_told_to_train
from layerlens.numerics.arrays import Inputs
from layerlens.numerics.flat_input import as_arrays
from layerlens.numerics.observation import CallRefusal, ShapeSurprise
from layerlens.plain.printable import one_line
from layerlens.report.pairs import PairReport
from layerlens.scenario.spec import Scenario
from layerlens.versions import version_of
from layerlens.vocabulary import Execution


@dataclass(frozen=True)
class Reproduction:
    """A difference to reproduce: its report, and the check with both models and their weights."""

    scenario: Scenario
    report: PairReport
    check: DifferenceCheck


def script_of(
    scenario: Scenario,
    report: PairReport,
    reference: Model,
    candidate: Model,
    *,
    check: DifferenceCheck | None = None,
    called: CallRefusal | ShapeSurprise | None = None,
) -> str | None:
    """Return a script that reproduces a verdict, or None for a verdict without a difference.

    `check` is the check that the counterexample passed; `called` is the call that a model refused
    or that gave another shape than announced.

    Raises:
        UsageError: A model cannot be written as source.
    """
    if report.verdict in ("equivalent", "within_quantization", "inconclusive"):
        return None
    for model in (reference, candidate):
        if isinstance(model, Recorded):
            raise UsageError(
                f"`{model.spec.name}` is a recording: no script can build the model that it holds "
                "the outputs of",
                hint="leave --repro out; the report shows the input on which they differ",
                code=Code.NO_SCRIPT,
            )
        if isinstance(model, Foreign):
            what = "is an exported file" if model.spec.runtime is None else "runs elsewhere"
            raise UsageError(
                f"`{model.spec.name}` {what}: a script needs Keras and NumPy alone, and cannot run "
                "it",
                hint="leave --repro out; the report shows the input on which they differ",
                code=Code.NO_SCRIPT,
            )
    if check is not None and report.counterexample is not None:
        return repro_script(Reproduction(scenario, report, check))
    return early_script(scenario, report, reference, candidate, called)


def repro_script(reproduction: Reproduction) -> str:
    """Return a script that builds both models, calls them and prints how they differ.

    It needs Keras and NumPy only. Weights have as few digits as keep the difference; many weights
    are drawn with a seed that is known to show it.

    Raises:
        UsageError: A model cannot be written as source.
    """
    report = reproduction.report
    assert report.counterexample is not None  # only a pair that differs is reproduced
    check = reproduction.check
    inputs = as_arrays(report.counterexample.input, check.reference.built.inputs)
    script = _Script(reproduction, _eager_if_possible(check, inputs), inputs)
    return script.text()


def early_script(
    scenario: Scenario,
    report: PairReport,
    reference: Model,
    candidate: Model,
    called: CallRefusal | ShapeSurprise | None = None,
) -> str:
    """Return a script that prints the shapes, params and refusals of both models.

    It is for a pair that was decided before outputs were compared. With `called`, the models are
    also called on zeros, in the way that failed.
    """
    models = [
        (name, Described.of(model, scenario.inputs_of(model.spec)))
        for name, model in (("reference", reference), ("candidate", candidate))
    ]
    policy = any(described.spec.dtype for _, described in models)
    imports = ["import keras", "from keras import layers"]
    calls: list[str] = []
    shape = "model.output_shape"
    if called is not None:
        imports[1:1] = ["import numpy as np", "import tensorflow as tf"]
        arrays = [
            f'np.zeros({given}, dtype="{spec.dtype}")'
            for given, spec in zip(called.input_shapes, models[0][1].inputs, strict=True)
        ]
        listed = ", ".join(arrays)
        calls.append(f"x = {listed if len(arrays) == 1 else f'[{listed}]'}")
        training = report.mode == "training"
        calls.append(call_source(called.execution, models[0][1], training=training))
        shape = f"keras.tree.map_structure(lambda one: one.shape, {called.execution}(model))"
    return join_sections(
        [
            heading(scenario, report),
            "\n".join(imports),
            *(model_source(f"build_{name}", one, policy=policy) for name, one in models),
            *calls,
            _SHOW.format(shape=shape),
            "\n".join(f'show("{name}", build_{name})' for name, _ in models),
        ]
    )


_SHOW = """def show(name, build):
    try:
        model = build()
        shape = {shape}
    except Exception as error:
        print(f"{{name}}: {{type(error).__name__}}: {{error}}")
    else:
        print(f"{{name}}: output {{shape}}, {{model.count_params()}} params")"""


def _eager_if_possible(check: DifferenceCheck, inputs: Inputs) -> DifferenceCheck:
    """Return the check with eager calls, if they show the difference too."""
    if check.witness.inconsistent or check.execution == "eager":
        return check
    observation = replace(check.witness.observation, execution="eager")
    eager = replace(check, witness=replace(check.witness, observation=observation))
    return eager if eager.first_difference(inputs) is not None else check


@dataclass
class _Script:
    reproduction: Reproduction
    check: DifferenceCheck
    inputs: Inputs

    @property
    def models(self) -> list[tuple[str, Built]]:
        one, other = self.check.reference.built, self.check.candidate.built
        if self.check.witness.inconsistent:
            return [("model", one)]
        return [("reference", one), ("candidate", other)]

    def text(self) -> str:
        weights = WeightSource(self.check, self.inputs, self.models[0][0]).shortest()
        policy = any(built.spec.dtype for _, built in self.models)
        sections = [
            heading(self.reproduction.scenario, self.reproduction.report),
            self._imports(),
            *(
                model_source(f"build_{name}", Described.of(built, ()), policy=policy)
                for name, built in self.models
            ),
            self._inputs(),
            "\n".join(f"{name} = build_{name}()" for name, _ in self.models),
            weights.source,
            *self._seeds(),
            *self._calls(),
            "\n".join(self._prints(weights.difference)),
        ]
        return join_sections([section for section in sections if section])

    # --- imports and inputs ---------------------------------------------------------------------

    def _imports(self) -> str:
        lines = ["import keras", "import numpy as np"]
        if self._needs_tensorflow:
            lines.append("import tensorflow as tf")
        return "\n".join([*lines, "from keras import layers"])

    @property
    def _needs_tensorflow(self) -> bool:
        strings = any(array.dtype.kind in "OSU" for array in self.inputs)
        return strings or set(self._executions) != {"eager"}

    @property
    def _executions(self) -> tuple[Execution, Execution]:
        """Return how each output is computed; a model that differs from itself runs in two ways."""
        one = BASELINE if self.check.witness.inconsistent else self.check.execution
        return one, self.check.execution

    def _inputs(self) -> str:
        names = ["x"] if len(self.inputs) == 1 else [f"x{n}" for n in range(len(self.inputs))]
        lines = [
            filling_source(name, array) or f"{name} = {array_source(array)}"
            for name, array in zip(names, self.inputs, strict=True)
        ]
        if len(names) > 1:
            lines.append(f"x = [{', '.join(names)}]")
        size = next((built.batch_size for _, built in self.models if built.batch_size), None)
        if size is not None and size != len(self.inputs[0]):
            rows = f"[np.arange({size}) % {len(self.inputs[0])}]"
            several = f"x = [one{rows} for one in x]"
            lines.append(f"x = x{rows}" if len(names) == 1 else several)
        return "\n".join(lines)

    # --- calls ----------------------------------------------------------------------------------

    def _seeds(self) -> Iterator[str]:
        """Yield statements that seed random layers as they were seeded in the comparison."""
        check = self.check
        random = check.reference.working.is_random or check.candidate.working.is_random
        if not (random and (self._training or self._keeps_own_mode)):
            return
        seed = check.reference.working.seed % 2**31
        names = ", ".join(name for name, _ in self.models)
        yield "\n".join(
            [
                f"for model in [{names}]:",
                '    states = [v for v in model.variables if "seed_generator_state" in v.path]',
                "    for position, state in enumerate(states):",
                f"        state.assign([{seed}, position])",
            ]
        )

    def _calls(self) -> Iterator[str]:
        for execution in dict.fromkeys(self._executions):
            described = Described.of(self.check.reference.built, ())
            # `predict` overrules the mode that a layer was called with, and `model(x)` does not.
            training = None if self._keeps_own_mode and execution == "eager" else self._training
            yield call_source(execution, described, training=training)

    @property
    def _training(self) -> bool:
        return self.check.reference.training

    @property
    def _keeps_own_mode(self) -> bool:
        """Whether a layer is called in training mode when its model is called in inference."""
        told = any(any(layers_told_to_train(built.model)) for _, built in self.models)
        return told and not self._training

    def _prints(self, difference: FirstDifference | None) -> Iterator[str]:
        ends = (self.models[0], self.models[-1])
        names = [name for name, _ in ends]
        if self.check.witness.inconsistent:
            names = list(self._executions)
        for variable, (name, built), execution in zip(
            ("one", "other"), ends, self._executions, strict=True
        ):
            yield f"{variable} = {self._output(execution, name, built)}"
        yield f'print("{names[0]}:", one, sep="\\n")'
        yield f'print("{names[1]}:", other, sep="\\n")'
        if difference is not None and difference.index:
            at = ", ".join(map(str, difference.index))
            yield f'print("at [{at}]:", one[{at}], "against", other[{at}])'
        if difference is None or np.isfinite(
            _number(difference.reference) - _number(difference.candidate)
        ):
            yield 'print("greatest difference:", np.nanmax(np.abs(other.astype("float64") - one)))'

    def _output(self, execution: str, model: str, built: Built) -> str:
        several = len(built.model.outputs) > 1
        part = f"[{self.check.witness.output}]" if several else ""
        select = built.spec.select or ""
        return f"keras.ops.convert_to_numpy({execution}({model}){part}){select}"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float, np.number, np.bool_)) else 0.0


def heading(scenario: Scenario, report: PairReport) -> str:
    """Return the docstring of a script: the pair, its explanation, and the versions used."""
    lines = [
        one_line(f"`{report.candidate}` against `{report.reference}`: {scenario.title}"),
        "",
        *textwrap.wrap(report.explanation, 96),
        "",
        f"Measured with {_versions()}, {report.mode}; written by layerlens.",
    ]
    text = "\n".join(lines).replace("\\", "/").replace('"""', "'''")
    return f'"""{text}\n"""'


def _versions() -> str:
    found = [("Keras", version_of("keras")), ("TensorFlow", version_of("tensorflow"))]
    # TensorFlow has no version where its distribution has another name, as on some machines.
    return " on ".join(f"{name} {version}" for name, version in found if version is not None)
