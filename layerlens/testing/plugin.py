"""The pytest plugin: hooks that import the heavy parts only when needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from layerlens.scenario.files import looks_like_scenario
from layerlens.testing.settings import SETTINGS, add_options, read_settings

if TYPE_CHECKING:
    from layerlens.run.recorded_file import RecordedFile
    from layerlens.testing.assertions import Assertions

#: The recordings that were written, and whether their content changed.
RECORDED = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "layerlens: an expectation of a layerlens scenario (added to all of them)."
    )
    settings = read_settings(config)
    config.stash[SETTINGS] = settings
    config.args.extend(settings.added)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not parent.config.stash[SETTINGS].covers(file_path):
        return None
    if not looks_like_scenario(file_path):
        return None
    from layerlens.testing.collect import ScenarioFile

    return cast(pytest.Collector, ScenarioFile.from_parent(parent, path=file_path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if call.excinfo is None:
        return report
    text = getattr(call.excinfo.value, "failure_text", None)
    texts = getattr(call.excinfo.value, "layerlens_summaries", ())
    if text is not None:
        report.longrepr = text
    elif texts and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        from layerlens.testing.summary_line import fitting, room_for
        from layerlens.testing.xdist import terminal_of

        crash.message = fitting(texts, room_for(item.nodeid, terminal_of(item.config).width))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.stash[SETTINGS].update:
        return
    from layerlens.testing.collect import UPDATED

    counts = config.stash.get(UPDATED, {})
    recorded = config.stash.get(RECORDED, {})
    if counts or not recorded:
        terminalreporter.section("layerlens: expectations updated")
        for path, count in counts.items():
            terminalreporter.line(f"{path}: {count}")
    if not counts and not recorded:
        terminalreporter.line("none: every expectation that ran holds or could not be updated")
    if recorded:
        terminalreporter.section("layerlens: recordings")
        for path, did in recorded.items():
            terminalreporter.line(f"{path}: {did}")


@pytest.fixture(name="layerlens")
def layerlens_assertions(request: pytest.FixtureRequest) -> Assertions:
    """Assertions on Keras models, layers and scenario files."""
    from layerlens.testing.assertions import Assertions

    settings = request.config.stash[SETTINGS]
    written = request.config.stash.setdefault(RECORDED, {})

    def note(found: RecordedFile) -> None:
        if not found.is_unchanged:
            written[found.path] = "written"
        written.setdefault(found.path, "unchanged")

    return Assertions(
        seed=settings.seed,
        allow_code=settings.allow_code,
        tolerance=settings.tolerance,
        update=settings.update,
        strict=settings.strict,
        on_recorded=note,
    )


# --- pytest-xdist: the terminal for the workers, and the failure texts of their reports -----------


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    from layerlens.testing.xdist import send_terminal

    send_terminal(node)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(report: object) -> Any:
    data = yield
    if data is not None and hasattr(getattr(report, "longrepr", None), "as_layerlens_data"):
        data["layerlens"] = report.longrepr.as_layerlens_data()  # type: ignore[attr-defined]
    return data


@pytest.hookimpl(wrapper=True)
def pytest_report_from_serializable(data: dict[str, Any]) -> Any:
    failure = data.pop("layerlens", None)
    report = yield
    if failure is not None:
        from layerlens.testing.failures import FailureText

        report.longrepr = FailureText.from_layerlens_data(failure)
    return report
