"""Store reports of scenarios in the cache and read them back.

An entry is one of two things. A *result* is what a scenario's meaning led to: models, pairs and
training. A *page* is a scenario file as it was read: its scenarios' titles, cells and expectations,
and the keys of their results. A file that has not changed is told from its page, without being
parsed; one that is spelt anew is read, and its results are found by their meaning.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerlens.errors import LayerlensError, UsageError
from layerlens.models.backend.global_settings import chosen_settings, has_custom_objects
from layerlens.report.from_json import scenario_from_dict
from layerlens.run.cache.environment_key import surroundings
from layerlens.run.cache.scenario_key import NotKeyableError, digest_of, files_of, meaning_of
from layerlens.run.cache.store import Store, Tell
from layerlens.run.expectations import check_expectations
from layerlens.scenario.files import read_text
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import Scenario
    from layerlens.vocabulary import Status


#: No more than this is unpacked of an entry; a result of a thousand layers has a tenth of it.
_LARGEST_BYTES = 64 * 1024**2

#: What of a report follows from how the scenario is written; all else from its meaning.
_WRITING = ("title", "question", "cell", "status", "expectations")
#: What is known anew each time.
_OF_THE_RUN = ("path", "errors", "cached")
#: In what Keras and TensorFlow say where memory runs out.
_OF_THE_MACHINE = ("ResourceExhausted", "OOM", "MemoryError", "Unable to allocate", "bad_alloc")


class ResultCache:
    """The cache of one run; `close` it in the end."""

    def __init__(self, folder: Path, options: RunOptions, kind: Command, tell: Tell) -> None:
        self._store = Store(folder, tell)
        self._options = options
        self._kind = kind
        self._always = [kind, options.with_effect(), surroundings()]

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _choices(self) -> bytes | None:
        """Return all that results depend on beside their scenario; None where no key can hold it.

        Asked anew for each key: code of the user's may set Keras anew at any time.
        """
        if has_custom_objects():
            return None
        return json.dumps([*self._always, chosen_settings()]).encode()

    def recall_file(self, path: Path, key: bytes | None) -> tuple[ScenarioReport, ...] | None:
        """Return the reports of a file whose page that is, where all it names is as it was."""
        page = self._get(key) if key is not None else None
        if page is None or key is None:
            return None
        if not _is_page(page):
            self._store.drop(key, "it is no page of a scenario file")
            return None
        if not _are_as_they_were(page["files"]):
            return None
        found = []
        for row in page["scenarios"]:
            result_key = bytes.fromhex(row["result"])
            result = self._get(result_key)
            if result is None:
                return None
            writing = {name: row[name] for name in _WRITING}
            report = self._revived(result_key, result, writing | {"path": str(path)}, page=key)
            if report is None:
                return None
            found.append(report)
        return tuple(found)

    def key_of(self, scenario: Scenario) -> bytes | None:
        """Return the key of a scenario's result; None where it depends on what no key can hold."""
        choices = self._choices()
        if choices is None:
            return None
        try:
            meaning = meaning_of(scenario, allow_code=self._options.allow_code)
        except NotKeyableError:
            return None
        return _key(b"result", choices, meaning)

    def recall(self, scenario: Scenario, key: bytes | None) -> ScenarioReport | None:
        """Return what the same scenario, however it was written, led to; None where not known."""
        result = self._get(key) if key is not None else None
        if result is None or key is None:
            return None
        writing = {
            "path": scenario.path,
            "title": scenario.title,
            "question": scenario.question,
            "cell": dict(scenario.cell) if scenario.cell is not None else None,
            "status": "pass",
        }
        report = self._revived(key, result, writing)
        if report is None or self._kind == "summary":
            return report
        if not _answers(report, scenario):
            self._store.drop(key, "it is the result of another scenario")
            return None
        rows = check_expectations(
            scenario, report.models, report.pairs, report.fit, self._options.expect
        )
        status: Status = "pass" if all(row.held for row in rows) else "fail"
        return replace(report, expectations=rows, status=status)

    def keep(self, scenario: Scenario, key: bytes | None, report: ScenarioReport) -> None:
        """Keep a result under the key that the scenario had before it was run.

        Errors are none, and a file that was changed meanwhile leaves unclear what was run.
        """
        if key is None or not _is_result(report) or report.cached or key != self.key_of(scenario):
            return
        data = report.to_dict()
        left_out = {*_WRITING, *_OF_THE_RUN}
        self._put(key, {name: value for name, value in data.items() if name not in left_out})

    def keep_file(
        self,
        path: Path,
        page: bytes | None,
        found: Sequence[tuple[Scenario, bytes | None, ScenarioReport]],
    ) -> None:
        """Keep a file's page under the key it had before it was read.

        `found` are its scenarios, with their keys and their reports. Nothing is kept where one of
        them has no result that is.
        """
        if page is None or page != self.page_of(path):
            return
        files: dict[str, str | None] = {}
        rows = []
        for scenario, key, report in found:
            if key is None or not _is_result(report) or key != self.key_of(scenario):
                return
            files |= files_of(scenario, allow_code=self._options.allow_code)
            data = report.to_dict()
            rows.append({name: data[name] for name in _WRITING} | {"result": key.hex()})
        self._put(page, {"files": files, "scenarios": rows})

    def page_of(self, path: Path) -> bytes | None:
        """Return the key of a scenario file as it is now; None where it cannot be read."""
        choices = self._choices()
        if choices is None:
            return None
        try:
            text = read_text(path)
        except LayerlensError:
            return None  # it is told by whoever reads it for what is in it
        # Where it stands, and from where it is run, decide which files its names lead to.
        place = json.dumps([str(path.absolute()), str(Path.cwd()), self._options.expect])
        return _key(
            b"page",
            choices,
            place.encode("utf-8", "surrogatepass"),
            text.encode("utf-8", "surrogatepass"),
        )

    def _get(self, key: bytes) -> dict[str, Any] | None:
        """Return an entry; what is none is thrown away, as if it had not been there."""
        payload = self._store.get(key)
        if payload is None:
            return None
        try:
            found = json.loads(_unpacked(payload))
        except (ValueError, RecursionError, zlib.error) as error:
            self._store.drop(key, f"it cannot be read ({type(error).__name__})")
            return None
        if not isinstance(found, dict):
            self._store.drop(key, f"it holds a {type(found).__name__}, not a mapping")
            return None
        return found

    def _revived(
        self,
        key: bytes,
        result: Mapping[str, Any],
        writing: Mapping[str, Any],
        page: bytes | None = None,
    ) -> ScenarioReport | None:
        """Return the report of a result; what is none is thrown away, with the page it is on."""
        try:
            return replace(scenario_from_dict({**result, **writing}), cached=True)
        except UsageError as error:
            self._store.drop(key, error.message)
            if page is not None:
                self._store.drop(page, "it leads to that entry")
            return None

    def _put(self, key: bytes, entry: Mapping[str, Any]) -> None:
        text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
        data = text.encode("utf-8", "surrogatepass")
        if len(data) <= _LARGEST_BYTES:
            self._store.put(key, zlib.compress(data, level=1))


def _key(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _is_result(report: ScenarioReport) -> bool:
    """Tell whether a report says something of the scenario, and not of the machine's state."""
    if report.status == "error" or report.errors:
        return False
    refusals = [model.error for model in report.models] + [row.error for row in report.fit]
    return not any(word in one.message for one in refusals if one for word in _OF_THE_MACHINE)


def _are_as_they_were(files: Mapping[str, str | None]) -> bool:
    try:
        return all(digest_of(name) == was for name, was in files.items())
    except NotKeyableError:
        return False


def _answers(report: ScenarioReport, scenario: Scenario) -> bool:
    """Tell whether a report holds all that the scenario expects something of."""
    pairs = {(pair.candidate, pair.mode) for pair in report.pairs}
    wanted = {(model.name, mode) for model in scenario.candidates for mode in scenario.modes}
    models = {model.name for model in report.models}
    expected = set(scenario.expect.models) if scenario.expect is not None else set()
    return wanted <= pairs and expected <= models


def _is_page(page: Mapping[str, Any]) -> bool:
    """Tell whether an entry has the form of a page; what its rows hold is looked at with them."""
    files, rows = page.get("files"), page.get("scenarios")
    if not isinstance(files, dict) or not isinstance(rows, list) or not rows:
        return False
    if any(not isinstance(digest, str | None) for digest in files.values()):
        return False
    return all(
        isinstance(row, dict)
        and {*_WRITING, "result"} <= set(row)
        and isinstance(row["result"], str)
        and re.fullmatch("[0-9a-f]{64}", row["result"]) is not None
        for row in rows
    )


def _unpacked(payload: bytes) -> bytes:
    """Return what a payload was packed from; no more than a result may have is ever unpacked.

    Raises ValueError where there is more, zlib.error where it was not packed.
    """
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(payload, _LARGEST_BYTES)
    if not unpacking.eof:
        raise ValueError("it is cut off, or unpacks to more than any result")
    return text
