"""The pytest fixture `layerlens`: assertions on models.

It also works without pytest: `Assertions().assert_equivalent(before, after)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerlens.render.failed_figures import Figure
from layerlens.report.run import ExpectationRow
from layerlens.run.expectations import check_expectations
from layerlens.run.pipeline import compare_scenarios, summarize_scenarios
from layerlens.run.record import record_model
from layerlens.run.recorded_file import RecordedFile
from layerlens.run.report import Report
from layerlens.scenario.from_python import (
    Inputs,
    checked_seed,
    checked_tolerance,
    input_specs,
    lacks_inputs,
)
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario
from layerlens.testing.asserted_figures import expectations_of, is_figure
from layerlens.testing.assertion_text import failed, figures_text, require_held, verdict_text
from layerlens.testing.subjects import (
    PairOptions,
    pair_scenarios,
    recording_scenario,
    single_scenarios,
)
from layerlens.vocabulary import Mode, TransferMethod, Verdict

#: A shape with the batch axis first; several of them where a model has several outputs.
Shape = Sequence[Any]


class Assertions:
    """Assertions on Keras models, layers, callables that return them, and files.

    A file is a saved model or a scenario: `gru.yaml` is its reference model, `gru.yaml::dense` the
    model of that name. A layer needs `inputs`, the shape of one sample. Models and layers are left
    unchanged. A failing assertion raises AssertionError with the report as its text.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        allow_code: bool = False,
        tolerance: tuple[float, float] | None = None,
        update: bool = False,
        strict: bool = False,
        on_recorded: Callable[[RecordedFile], None] | None = None,
    ) -> None:
        """Set the defaults of all assertions.

        Args:
            seed: the seed for all random weights and inputs.
            allow_code: let `python:` models, Lambda layers and unsafe saved models run.
            tolerance: (rtol, atol) for assertions and scenarios without their own.
            update: replace the recordings that models are compared with.
            strict: a `weak` pass is a failure.
            on_recorded: called with each recording that was written.
        """
        checked_tolerance(tolerance)
        self._update = update
        self._on_recorded = on_recorded
        self._tolerance = tolerance
        self._options = RunOptions(seed=checked_seed(seed), allow_code=allow_code, strict=strict)

    # --- two models -------------------------------------------------------------------------------

    def assert_equivalent(
        self,
        reference: Any,
        candidate: Any = None,
        *,
        inputs: Inputs = None,
        tolerance: tuple[float, float] | None = None,
        transfer: TransferMethod | Mapping[str, Any] = "auto",
        mode: Mode | Sequence[Mode] = "inference",
    ) -> Report:
        """Assert that two models compute the same function; `inconclusive` does not pass.

        Args:
            reference: a model, layer, callable or file.
            candidate: another, or the name of a model in the reference's scenario file; None is
                every candidate of that file.
            inputs: the shape of one sample, or as in a scenario's `input:`.
            tolerance: (rtol, atol) instead of the derived noise floor.
            transfer: how the reference's weights are copied to the candidate: a method, or a
                mapping as in a scenario's `transfer:`.
            mode: "inference", "training" or both.
        """
        __tracebackhide__ = True
        options = PairOptions(inputs, transfer, mode, tolerance)
        return self._assert_verdict("equivalent", pair_scenarios(reference, candidate, options))

    def assert_different(
        self,
        reference: Any,
        candidate: Any = None,
        *,
        inputs: Inputs = None,
        tolerance: tuple[float, float] | None = None,
        transfer: TransferMethod | Mapping[str, Any] = "auto",
        mode: Mode | Sequence[Mode] = "inference",
    ) -> Report:
        """Assert that two models really differ on some input.

        Models with other shapes or weights are not `different`: they cannot be compared. The
        arguments are those of `assert_equivalent`.
        """
        __tracebackhide__ = True
        options = PairOptions(inputs, transfer, mode, tolerance)
        return self._assert_verdict("different", pair_scenarios(reference, candidate, options))

    def assert_matches_recording(
        self,
        model: Any,
        path: str | Path,
        *,
        inputs: Inputs = None,
        tolerance: tuple[float, float] | None = None,
        transfer: TransferMethod | Mapping[str, Any] = "auto",
    ) -> Report:
        """Assert that a model still computes what was recorded; `inconclusive` does not pass.

        The model runs on the recorded inputs and weights. With `--layerlens-update` the recording
        is replaced first.

        Args:
            model: a model, layer, callable or file.
            path: the recording, an `.npz` file; relative paths begin at the current folder.
            inputs: as for `assert_equivalent`; without them, a layer gets the recorded inputs.
            tolerance: as for `assert_equivalent`.
            transfer: how the recorded weights are copied to the model; `none` keeps its own.
        """
        __tracebackhide__ = True
        from layerlens.models.external.recording_file import is_recording, read_recording

        place = str(path)
        if inputs is None and lacks_inputs(model) and is_recording(Path(place)):
            inputs = read_recording(place).inputs
        if self._update:
            self._record(model, place, inputs)
        elif not Path(place).exists():
            raise AssertionError(
                f"there is no recording {place} (searched in {Path.cwd()})\n"
                "to write it, run pytest with --layerlens-update, or `layerlens record MODEL -o "
                f"{place}`"
            )
        changes = PairOptions(None, transfer, "inference", tolerance).changes()
        scenario = self._with_tolerance(recording_scenario(model, place, inputs, changes))
        options = replace(self._options, expect="equivalent")
        report = compare_scenarios([scenario], options)
        if report.status != "pass":
            text = verdict_text(report)
            if report.status == "fail":
                text += f"\nif you intended this change, update {place} with --layerlens-update"
            raise failed(report, text)
        return report

    def _record(self, model: Any, path: str, inputs: Inputs) -> None:
        """Replace the recording of a model, and report it to the listener."""
        scenario = recording_scenario(model, path, inputs, {})
        (spec,) = scenario.candidates
        found = record_model(spec, scenario.inputs, path, self._options)
        if self._on_recorded is not None:
            self._on_recorded(found)

    def _assert_verdict(self, expected: Verdict, scenarios: Sequence[Scenario]) -> Report:
        __tracebackhide__ = True
        report = compare_scenarios(
            [self._with_tolerance(one) for one in scenarios],
            replace(self._options, expect=expected),
        )
        if report.status != "pass":
            raise failed(report, verdict_text(report))
        return report

    def _with_tolerance(self, scenario: Scenario) -> Scenario:
        if scenario.tolerance is not None or self._tolerance is None:
            return scenario
        return replace(scenario, tolerance=checked_tolerance(self._tolerance))

    def assert_same_weights_layout(
        self, reference: Any, candidate: Any = None, *, inputs: Inputs = None
    ) -> Report:
        """Assert that `candidate.set_weights(reference.get_weights())` transfers every weight.

        Both models have the same number of weights with the same shapes in the same order, and no
        two weights of one shape are swapped. Weights are identified by the names of their layers,
        and those of automatically named layers by their place in the graph.
        """
        __tracebackhide__ = True
        from layerlens.models.build.request import Built
        from layerlens.models.variants import ModelVariants
        from layerlens.testing.weights_layout import layout_rows

        scenarios = pair_scenarios(reference, candidate, PairOptions(inputs))
        report = summarize_scenarios(scenarios, self._options)
        rows = []
        for scenario, one in zip(scenarios, report.scenarios, strict=True):
            found: list[ExpectationRow] = []
            if one.status != "error":
                # `feeds_alike` would reorder the inputs of the candidate.
                models = {
                    name: model
                    for name, model in ModelVariants(scenario, self._options)
                    .build_all(allocate=False, feeds_alike=False)
                    .items()
                    if isinstance(model, Built)
                }
                for other in scenario.candidates:
                    if scenario.reference in models and other.name in models:
                        found += layout_rows(models[scenario.reference], models[other.name])
            rows.append(found)
        return require_held(report, rows)

    # --- one model --------------------------------------------------------------------------------

    def assert_shapes(
        self,
        model: Any,
        expected: Shape | Mapping[str, Shape] | Any = None,
        *,
        layers: Mapping[str, Shape] | None = None,
        inputs: Inputs = None,
    ) -> Report:
        """Assert output shapes, batch axis first: `(None, 64, 15)`.

        Args:
            model: a model, layer, callable or file.
            expected: the model's output shape; another model, whose output shape is expected; for
                a scenario file a mapping of model → shape, or None for the shapes in its
                `expect:`.
            layers: layer name → its output shape.
            inputs: as for `assert_equivalent`.
        """
        __tracebackhide__ = True
        return self._assert_figures("output_shape", model, expected, layers, inputs)

    def assert_params(
        self,
        model: Any,
        expected: int | Mapping[str, int] | Any = None,
        *,
        trainable: int | None = None,
        layers: Mapping[str, int] | None = None,
        inputs: Inputs = None,
    ) -> Report:
        """Assert the number of params.

        Args:
            model: a model, layer, callable or file.
            expected: the count; another model, whose count is expected; for a scenario file a
                mapping of model → count, or None for the counts in its `expect:`.
            trainable: the count of trainable params.
            layers: layer name → its count.
            inputs: as for `assert_equivalent`.
        """
        __tracebackhide__ = True
        return self._assert_figures(
            "params", model, expected, layers, inputs, trainable_params=trainable
        )

    def _assert_figures(
        self,
        figure: Figure,
        model: Any,
        expected: Any,
        layers: Mapping[str, Any] | None,
        inputs: Inputs,
        **more: Any,
    ) -> Report:
        __tracebackhide__ = True
        scenarios = single_scenarios(model, inputs)
        if expected is not None and not is_figure(expected) and not isinstance(expected, Mapping):
            expected = self._figure_of(figure, expected, inputs)
        wanted = [
            expectations_of(scenario, figure, expected, layers or {}, more)
            for scenario in scenarios
        ]
        report = summarize_scenarios(scenarios, self._options)
        rows = [
            check_expectations(replace(scenario, expect=expect), one.models, ())
            if one.status != "error"
            else ()
            for scenario, expect, one in zip(scenarios, wanted, report.scenarios, strict=True)
        ]
        return require_held(report, rows, figure)

    def _figure_of(self, figure: str, model: Any, inputs: Inputs) -> Any:
        """Return a figure of another model, which is built for it."""
        __tracebackhide__ = True
        report = summarize_scenarios(single_scenarios(model, inputs), self._options)
        (scenario, *_) = report.scenarios
        found = getattr(scenario.models[0], figure) if scenario.models else None
        if found is None:
            raise AssertionError(f"the expected model was not built\n{figures_text(report)}")
        return found

    # --- a library author's layers ----------------------------------------------------------------

    def assert_config_round_trip(self, layer: Any) -> None:
        """Assert that a layer recreated from its config, written as JSON, is the same."""
        __tracebackhide__ = True
        from layerlens.testing import layer_checks

        _assert_check(layer_checks.check_config(layer))

    def assert_saves_and_reloads(self, layer: Any, *, inputs: Inputs = None) -> None:
        """Assert that a layer or model saved as `.keras` and loaded computes the same."""
        __tracebackhide__ = True
        from layerlens.testing import layer_checks

        _assert_check(layer_checks.check_saving(layer, input_specs(inputs), self._options.seed))

    def assert_runs_in(self, layer: Any, dtype: str, *, inputs: Inputs = None) -> None:
        """Assert that a layer under a dtype policy returns that dtype, within its rounding error.

        `dtype` is a Keras policy: "float16", "bfloat16", "mixed_float16", ...
        """
        __tracebackhide__ = True
        from layerlens.testing import layer_checks

        _assert_check(
            layer_checks.check_dtype(layer, dtype, input_specs(inputs), self._options.seed)
        )

    def assert_announced_shape(self, layer: Any, *, inputs: Inputs = None) -> None:
        """Assert that `compute_output_shape` is right, at several batch sizes and lengths.

        An axis of `inputs` that is None is tried at several lengths.
        """
        __tracebackhide__ = True
        from layerlens.testing import layer_checks

        _assert_check(
            layer_checks.check_announced_shape(layer, input_specs(inputs), self._options.seed)
        )


def _assert_check(check: Any) -> None:
    __tracebackhide__ = True
    if not check.held:
        raise AssertionError(str(check))
