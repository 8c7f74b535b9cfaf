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
from layerlens.run.cache.scenario_key import paths_of
from layerlens.run.pipeline import Listener, compare_paths, report_of
from layerlens.run.report import Report
from layerlens.run.workers.dispatch import Dispatcher
from layerlens.scenario.files import find_scenario_files
from layerlens.scenario.options import RunOptions

#: How often to look for changes that the system does not report (another disk or folder).
_LOOK_MS = 1000
#: How long to wait for further changes; editors write a file in several steps.
_TOGETHER_MS = 40
#: Folders without code of the user.
_NOT_CODE = ("site-packages", "node_modules", "__pycache__")
_MOST_CODE = 2000

#: The modification time in ns and the size of a file; None if there is none.
_Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one look: all reports, the files that were run, and the seconds it took."""

    report: Report
    changed: tuple[str, ...]
    seconds: float
    #: Why there is nothing to run; None if there is.
    nothing: str | None = None


class Watch:
    """Runs the scenarios that changed under some paths, at each `look`; `close` it when done."""

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
        """Run the scenarios that changed since the last look; return None if none did."""
        started = time.perf_counter()
        try:
            files, nothing = find_scenario_files(self._paths), None
        except UsageError as error:
            files, nothing = (), error.message
        first = not self._stamps and not self._reports
        removed = set(self._reports) - set(files)
        changed = [path for path in files if self._is_changed(path)]
        if not changed and not removed and not first:
            return None
        for path in removed:
            del self._reports[path], self._stamps[path]
        if changed:
            self._run(changed, progress)
        reports = tuple(one for path in files for one in self._reports.get(path, ()))
        names = tuple(str(path) for path in changed)
        return Look(report_of(reports), names, time.perf_counter() - started, nothing)

    def _is_changed(self, path: Path) -> bool:
        known = self._stamps.get(path)
        return known is None or any(_file_stamp(name) != before for name, before in known.items())

    def _run(self, paths: Sequence[Path], progress: Listener | None) -> None:
        # Before the run, so that the next look notices changes during it.
        allow_code = self._options.allow_code
        for path in paths:
            paths_to_watch = _depended_on(path, allow_code)
            self._stamps[path] = {name: _file_stamp(name) for name in paths_to_watch}
        report = compare_paths(
            paths, self._options, progress, cache=self._cache, dispatcher=self._dispatcher
        )
        for path in paths:
            self._reports[path] = tuple(one for one in report.scenarios if one.path == str(path))


def changes(paths: Sequence[str]) -> Iterator[None]:
    """Yield whenever a file may have changed under the paths, and once at the start."""
    from watchfiles import watch

    folders = [path if path.is_dir() else path.parent for path in map(Path, paths)]
    is_recursive = any(Path(path).is_dir() for path in paths)
    for _ in watch(
        *dict.fromkeys(folders),
        watch_filter=None,
        debounce=_TOGETHER_MS,
        step=_TOGETHER_MS // 2,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        recursive=is_recursive,
        ignore_permission_denied=True,
    ):
        yield


def warm_up() -> None:
    """Start Keras in a thread, so that the first change does not have to wait for it."""

    def start() -> None:
        with suppress(LayerlensError):  # the first scenario that needs Keras reports it
            start_backend()

    threading.Thread(target=start, name="layerlens-warm-up", daemon=True).start()


def _depended_on(path: Path, allow_code: bool) -> Iterator[str]:
    """Yield a scenario file and every file that the results of its scenarios depend on."""
    from layerlens.scenario.reading.scenarios import read_scenarios

    yield str(path)
    try:
        scenarios = read_scenarios(path)
    except LayerlensError:
        return
    paths_to_watch: set[str] = set()
    for scenario in scenarios:
        paths_to_watch.update(paths_of(scenario, allow_code=allow_code))
    yield from paths_to_watch
    # Only their modification times are read, so no permission to run code is needed.
    if any(model.form == "python" for scenario in scenarios for model in scenario.models):
        yield from dict.fromkeys([*_code_under(path.parent), *_code_under(Path.cwd())])


def _code_under(folder: Path) -> Iterator[str]:
    """Yield the user's Python files, all of them: their imports are not known without running."""
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


def _file_stamp(path: str) -> _Stamp:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
