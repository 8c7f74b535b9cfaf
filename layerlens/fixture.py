"""Models enter, nothing leaves if they are what was asserted: the fixture `layerlens` of pytest.

It works without pytest as well: `Assertions().assert_equivalent(before, after)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from layerlens.arguments import Inputs, checked_seed, checked_tolerance, input_specs
from layerlens.expecting import check_expectations
from layerlens.options import RunOptions
from layerlens.report import ExpectationRow, LayerRow, ModelReport, Report, WeightRow
from layerlens.running import compare_scenarios, summarize_scenarios
from layerlens.scenario import (
    Expectations,
    LayerExpectation,
    Mode,
    ModelExpectation,
    Scenario,
    TransferMethod,
    Verdict,
)
from layerlens.subjects import pair_scenarios, single_scenarios

#: A shape with the batch axis first; several of them where a model has several outputs.
Shape = Sequence[Any]

_WIDTH = 80


class Assertions:
    """Assertions on Keras models, layers, callables that return them, and files.

    A file is a saved model, or a scenario: `gru.yaml` stands for its reference, `gru.yaml::dense`
    for the model of that name. A layer needs `inputs`, the shape of one sample. What is given is
    not changed. What does not hold raises AssertionError with the report that shows it.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        allow_code: bool = False,
        tolerance: tuple[float, float] | None = None,
    ) -> None:
        """Take the choices that hold where an assertion makes none of its own."""
        checked_tolerance(tolerance)
        self._tolerance = tolerance
        self._options = RunOptions(seed=checked_seed(seed), allow_code=allow_code)

    # --- two models -------------------------------------------------------------------------------

    def assert_equivalent(
        self,
        reference: Any,
        candidate: Any = None,
        *,
        inputs: Inputs = None,
        tolerance: tuple[float, float] | None = None,
        transfer: TransferMethod = "auto",
        mode: Mode | Sequence[Mode] = "inference",
    ) -> Report:
        """Assert that both compute the same function; `inconclusive` does not pass.

        Args:
            reference: a model, layer, callable or file.
            candidate: another; or the name of a model in the reference's scenario file, all of
                whose candidates are meant if there is none.
            inputs: the shape of one sample, or as in a scenario's `input:`.
            tolerance: (rtol, atol) instead of the derived noise floor.
            transfer: how the reference's weights reach the candidate.
            mode: "inference", "training" or both.
        """
        __tracebackhide__ = True
        return self._assert_verdict(
            "equivalent", reference, candidate, inputs, tolerance, transfer, mode
        )

    def assert_different(
        self,
        reference: Any,
        candidate: Any = None,
        *,
        inputs: Inputs = None,
        tolerance: tuple[float, float] | None = None,
        transfer: TransferMethod = "auto",
        mode: Mode | Sequence[Mode] = "inference",
    ) -> Report:
        """Assert that an input exists on which they really differ; arguments as above.

        Models of other shapes or weights are not `different` but cannot be compared.
        """
        __tracebackhide__ = True
        return self._assert_verdict(
            "different", reference, candidate, inputs, tolerance, transfer, mode
        )

    def _assert_verdict(
        self,
        expected: Verdict,
        reference: Any,
        candidate: Any,
        inputs: Inputs,
        tolerance: tuple[float, float] | None,
        transfer: TransferMethod,
        mode: Mode | Sequence[Mode],
    ) -> Report:
        __tracebackhide__ = True
        scenarios = pair_scenarios(
            reference,
            candidate,
            inputs=inputs,
            transfer=transfer,
            mode=mode,
            tolerance=tolerance,
        )
        report = compare_scenarios(
            [self._with_tolerance(one) for one in scenarios],
            replace(self._options, expect=expected),
        )
        if report.status != "pass":
            raise AssertionError(_verdict_text(report))
        return report

    def _with_tolerance(self, scenario: Scenario) -> Scenario:
        if scenario.tolerance is not None or self._tolerance is None:
            return scenario
        return replace(scenario, tolerance=checked_tolerance(self._tolerance))

    def assert_same_weights_layout(
        self, reference: Any, candidate: Any = None, *, inputs: Inputs = None
    ) -> Report:
        """Assert that `candidate.set_weights(reference.get_weights())` puts each in its place.

        That is: as many weights, of the same shapes, in the same order; and no two of one shape
        swapped, as their names tell.
        """
        __tracebackhide__ = True
        scenarios = pair_scenarios(reference, candidate, inputs=inputs)
        report = summarize_scenarios(scenarios, self._options)
        rows = []
        for scenario, one in zip(scenarios, report.scenarios, strict=True):
            models = {model.name: model for model in one.models}
            rows.append(
                [
                    row
                    for other in scenario.candidates
                    if scenario.reference in models and other.name in models
                    for row in _layout_rows(models[scenario.reference], models[other.name])
                ]
            )
        return _held(report, rows)

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
                a scenario file a mapping of model → shape, or nothing for the shapes in its
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
        """Assert how many params a model has.

        Args:
            model: a model, layer, callable or file.
            expected: the count; another model, whose count is expected; for a scenario file a
                mapping of model → count, or nothing for the counts in its `expect:`.
            trainable: how many of them are trainable.
            layers: layer name → its count.
            inputs: as for `assert_equivalent`.
        """
        __tracebackhide__ = True
        return self._assert_figures(
            "params", model, expected, layers, inputs, trainable_params=trainable
        )

    def _assert_figures(
        self,
        figure: str,
        model: Any,
        expected: Any,
        layers: Mapping[str, Any] | None,
        inputs: Inputs,
        **more: Any,
    ) -> Report:
        __tracebackhide__ = True
        scenarios = single_scenarios(model, inputs)
        if expected is not None and not _is_figure(expected) and not isinstance(expected, Mapping):
            expected = self._figure_of(figure, expected, inputs)
        wanted = [
            _expectations(scenario, figure, expected, layers or {}, more) for scenario in scenarios
        ]
        report = summarize_scenarios(scenarios, self._options)
        rows = [
            check_expectations(replace(scenario, expect=expect), one.models, ())
            if one.status != "error"
            else ()
            for scenario, expect, one in zip(scenarios, wanted, report.scenarios, strict=True)
        ]
        return _held(report, rows)

    def _figure_of(self, figure: str, model: Any, inputs: Inputs) -> Any:
        """Return what another model has of a figure, which it has to be built for."""
        __tracebackhide__ = True
        report = summarize_scenarios(single_scenarios(model, inputs), self._options)
        (scenario, *_) = report.scenarios
        found = getattr(scenario.models[0], figure) if scenario.models else None
        if found is None:
            raise AssertionError(f"the model expected was not built\n{_text(report)}")
        return found

    # --- a library author's layers ----------------------------------------------------------------

    def assert_config_round_trip(self, layer: Any) -> None:
        """Assert that a layer made anew from its config, written as JSON, is the same."""
        __tracebackhide__ = True
        from layerlens.custom import check_config

        _assert_check(check_config(layer))

    def assert_saves_and_reloads(self, layer: Any, *, inputs: Inputs = None) -> None:
        """Assert that a layer or model saved as `.keras` and loaded computes the same."""
        __tracebackhide__ = True
        from layerlens.custom import check_saving

        _assert_check(check_saving(layer, input_specs(inputs), self._options.seed))

    def assert_runs_in(self, layer: Any, dtype: str, *, inputs: Inputs = None) -> None:
        """Assert that a layer under a dtype policy returns that dtype, and what rounding explains.

        `dtype` is a policy of Keras: "float16", "bfloat16", "mixed_float16", ...
        """
        __tracebackhide__ = True
        from layerlens.custom import check_dtype

        _assert_check(check_dtype(layer, dtype, input_specs(inputs), self._options.seed))

    def assert_announced_shape(self, layer: Any, *, inputs: Inputs = None) -> None:
        """Assert that `compute_output_shape` says what comes out, at several batches and lengths.

        An axis of `inputs` that is None is tried at several lengths.
        """
        __tracebackhide__ = True
        from layerlens.custom import check_announced_shape

        _assert_check(check_announced_shape(layer, input_specs(inputs), self._options.seed))


# --- what is expected -----------------------------------------------------------------------------


def _is_figure(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(item is None or _is_figure(item) for item in value)
    return isinstance(value, int) and not isinstance(value, bool)


def _expectations(
    scenario: Scenario, figure: str, expected: Any, layers: Mapping[str, Any], more: dict[str, Any]
) -> Expectations:
    """Return what is asserted of a scenario's models, or of that what its own file expects."""
    asked = expected is not None or bool(layers) or any(item is not None for item in more.values())
    names = [model.name for model in scenario.models]
    if not asked:
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


def _layout_rows(reference: ModelReport, candidate: ModelReport) -> Iterator[ExpectationRow]:
    ours, theirs = (_weights(model.layers) for model in (reference, candidate))
    names = [[row.path.rsplit("/", 1)[-1] for row in side] for side in (ours, theirs)]
    swapped = names[0] != names[1] and sorted(names[0]) == sorted(names[1])
    subject = f"{candidate.name}.weights"
    yield ExpectationRow(subject, len(ours), len(theirs), len(ours) == len(theirs))
    for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        same = one.shape == other.shape and not (swapped and names[0][place] != names[1][place])
        yield ExpectationRow(f"{subject}[{place}]", _told(one), _told(other), same)


def _weights(layers: Sequence[LayerRow]) -> list[WeightRow]:
    return [weight for layer in layers for weight in layer.weights]


def _told(weight: WeightRow) -> str:
    return f"{weight.path} {list(weight.shape)}"


# --- what did not hold ----------------------------------------------------------------------------


def _held(report: Report, rows: Sequence[Sequence[ExpectationRow]]) -> Report:
    """Return the report with its expectations where all hold, and there are any."""
    __tracebackhide__ = True
    scenarios = tuple(
        replace(
            scenario,
            expectations=tuple(found),
            status=scenario.status
            if scenario.status != "pass"
            else "pass"
            if all(row.held for row in found)
            else "fail",
        )
        for scenario, found in zip(report.scenarios, rows, strict=True)
    )
    status = next((one.status for one in scenarios if one.status != "pass"), report.status)
    report = replace(report, scenarios=scenarios, status=status)
    if status != "pass":
        raise AssertionError(_text(report))
    if not any(rows):
        raise AssertionError("nothing was checked: nothing was expected\n" + _text(report))
    return report


def _text(report: Report) -> str:
    """Say what does not hold, and show the layers side by side."""
    from layerlens.render import RenderOptions, render
    from layerlens.render.wording import expectation_line

    told = [
        expectation_line(row)
        for one in report.scenarios
        for row in one.expectations
        if not row.held
    ]
    told += [error.message for one in report.scenarios for error in one.errors]
    several = len(report.scenarios) > 1
    page = render(report, "rich", width=_WIDTH, options=RenderOptions(quiet=several))
    return "\n".join([*told[:1], *([page] if told else [])])


def _verdict_text(report: Report) -> str:
    """Show every pair whose verdict was not the expected one, with what makes it so."""
    from layerlens.render import RenderOptions
    from layerlens.render.expectation import render_errors, render_expectation

    parts = []
    for scenario in report.scenarios:
        notes = (
            []
            if scenario.path == "<python>"
            else [f"to see it again: layerlens compare {scenario.path}"]
        )
        page: dict[str, Any] = {"width": _WIDTH, "colour": False, "options": RenderOptions()}
        if scenario.errors:
            parts.append(render_errors(scenario, **page, notes=notes))
        parts += [
            render_expectation(scenario, row, **page, notes=notes)
            for row in scenario.expectations
            if not row.held
        ]
    return "\n".join(part.rstrip() + "\n" for part in parts).rstrip()


def _assert_check(check: Any) -> None:
    __tracebackhide__ = True
    if not check.held:
        raise AssertionError(str(check))
