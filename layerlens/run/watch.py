"""Run scenarios again whenever a file changes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from layerlens.errors import LayerlensError, UsageError
from layerlens.models.backend.start import start_backend
from layerlens.report.run import ScenarioReport
from layerlens.run.cache.results import ResultCache
from layerlens.run.cache.scenario_key import named_by
from layerlens.run.pipeline import Listener, compare_paths, report_of
from layerlens.run.report import Report
from layerlens.run.workers.dispatch import Dispatcher
from layerlens.scenario.files import find_scenario_files
from layerlens.scenario.options import RunOptions

#: How often to look where the system tells of no change (another disk, a file of elsewhere).
_LOOK_MS = 1000
#: How long changes that come together are waited for; editors write a file in several steps.
_TOGETHER_MS = 40
#: Folders that hold no code of the user's.
_NOT_CODE = ("site-packages", "node_modules", "__pycache__")
_MOST_CODE = 2000

#: What a file's content can be told by: when it was changed, and its size.
_Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found: all reports, which files were run for it, and what it took."""

    report: Report
    changed: tuple[str, ...]
    seconds: float
    #: Why there is nothing to run, where there is not.
    nothing: str | None = None


class Watch:
    """Runs what changed under some paths, each time it is asked; `close` it in the end."""

    def __init__(
        self, paths: Sequence[str], options: RunOptions, cache: ResultCache | None = None
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._options = options
        self._cache = cache
        self._dispatcher = Dispatcher("compare", options)
        self._reports: dict[Path, tuple[ScenarioReport, ...]] = {}
        self._stamps: dict[Path, dict[str, _Stamp]] = {}

    def close(self) -> None:
        """End the worker processes."""
        self._dispatcher.close()

    def look(self, progress: Listener | None = None) -> Look | None:
        """Run what changed since the last look; return None where nothing did."""
        started = time.perf_counter()
        try:
            files, nothing = find_scenario_files(self._paths), None
        except UsageError as error:
            files, nothing = (), error.message
        first = not self._stamps and not self._reports
        gone = set(self._reports) - set(files)
        changed = [path for path in files if self._is_changed(path)]
        if not changed and not gone and not first:
            return None
        for path in gone:
            del self._reports[path], self._stamps[path]
        if changed:
            self._run(changed, progress)
        told = tuple(one for path in files for one in self._reports.get(path, ()))
        names = tuple(str(path) for path in changed)
        return Look(report_of(told), names, time.perf_counter() - started, nothing)

    def _is_changed(self, path: Path) -> bool:
        known = self._stamps.get(path)
        return known is None or any(_stamp(name) != was for name, was in known.items())

    def _run(self, paths: Sequence[Path], progress: Listener | None) -> None:
        # Before the run: what changes during it is seen by the next look.
        allow_code = self._options.allow_code
        for path in paths:
            named = _depended_on(path, allow_code)
            self._stamps[path] = {name: _stamp(name) for name in named}
        report = compare_paths(
            paths, self._options, progress, cache=self._cache, dispatcher=self._dispatcher
        )
        for path in paths:
            self._reports[path] = tuple(one for one in report.scenarios if one.path == str(path))


def changes(paths: Sequence[str]) -> Iterator[None]:
    """Yield whenever something may have changed under the paths; the first time once it looks."""
    from watchfiles import watch

    folders = [path if path.is_dir() else path.parent for path in map(Path, paths)]
    beneath = any(Path(path).is_dir() for path in paths)
    for _ in watch(
        *dict.fromkeys(folders),
        watch_filter=None,
        debounce=_TOGETHER_MS,
        step=_TOGETHER_MS // 2,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        recursive=beneath,
        ignore_permission_denied=True,
    ):
        yield


def warm_up() -> None:
    """Start Keras beside everything else, so that the first change is answered at once."""

    def start() -> None:
        with suppress(LayerlensError):  # told by the first scenario that needs it
            start_backend()

    threading.Thread(target=start, name="layerlens-warm-up", daemon=True).start()


def _depended_on(path: Path, allow_code: bool) -> Iterator[str]:
    """Yield a scenario file and every file that its scenarios follow from."""
    from layerlens.scenario.reading.scenarios import read_scenarios

    yield str(path)
    try:
        scenarios = read_scenarios(path)
    except LayerlensError:
        return
    named: set[str] = set()
    for scenario in scenarios:
        named.update(named_by(scenario, allow_code=allow_code))
    yield from named
    # Only when they were changed is looked at, so that takes no leave to run them.
    if any(model.form == "python" for scenario in scenarios for model in scenario.models):
        yield from dict.fromkeys([*_code_beneath(path.parent), *_code_beneath(Path.cwd())])


def _code_beneath(folder: Path) -> Iterator[str]:
    """Yield the user's Python files: what they import cannot be told without running them."""
    count = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name not in _NOT_CODE
        ]
        for name in names:
            if name.endswith(".py"):
                yield str(Path(parent, name))
                count += 1
                if count == _MOST_CODE:
                    return


def _stamp(path: str) -> _Stamp:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
