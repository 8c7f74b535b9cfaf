"""Store reports of scenarios in the cache and read them back.

There are two kinds of entries. A *result* has what was measured: models, pairs and training; its
key is the scenario's meaning. A *page* describes a scenario file: the titles, cells and
expectations of its scenarios and the keys of their results; its key is the text of the file. An
unchanged file is reported from its page without being parsed. A file that is only written
differently is parsed, and the results are found by their meaning.
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
from layerlens.report.run import status_of
from layerlens.run.cache.environment_key import result_environment
from layerlens.run.cache.scenario_key import NotKeyableError, digest_of, files_of, meaning_of
from layerlens.run.cache.store import Store, Tell
from layerlens.run.expectations import check_expectations
from layerlens.scenario.files import read_text
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from layerlens.report.run import ScenarioReport
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import Scenario


#: The largest entry, decompressed; a result of a thousand layers takes a tenth of this.
_LARGEST_BYTES = 64 * 1024**2

#: The fields of a report that depend on the text of the file, not on the scenario's meaning.
_FROM_FILE = ("title", "question", "answer", "cell", "status", "expectations")
#: The fields of a report that are set in each run.
_PER_RUN = ("path", "errors", "cached")
#: Words in the messages of Keras and TensorFlow about exhausted memory.
_EXHAUSTED = ("ResourceExhausted", "OOM", "MemoryError", "Unable to allocate", "bad_alloc")


class ResultCache:
    """The cache of one run; `close` it when done."""

    def __init__(self, folder: Path, options: RunOptions, kind: Command, tell: Tell) -> None:
        self._store = Store(folder, tell)
        self._options = options
        self._kind = kind
        self._fixed = [kind, options.with_effect(), result_environment()]

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _option_key(self) -> bytes | None:
        """Return what results depend on besides the scenario; None if no key can describe it.

        It is computed for each key, because the user's code may change Keras' settings.
        """
        if has_custom_objects():
            return None
        return json.dumps([*self._fixed, chosen_settings()]).encode()

    def recall_file(self, path: Path, key: bytes | None) -> tuple[ScenarioReport, ...] | None:
        """Return the reports of a file by its page; None if unknown or a named file has changed."""
        page = self._get(key) if key is not None else None
        if page is None or key is None:
            return None
        if not _is_page(page):
            self._store.drop(key, "it is not the report of a scenario file")
            return None
        if not _are_unchanged(page["files"]):
            return None
        found = []
        for row in page["scenarios"]:
            result_key = bytes.fromhex(row["result"])
            result = self._get(result_key)
            if result is None:
                return None
            from_file = {name: row[name] for name in _FROM_FILE}
            report = self._decoded(result_key, result, from_file | {"path": str(path)}, page=key)
            if report is None:
                return None
            found.append(report)
        return tuple(found)

    def key_of(self, scenario: Scenario) -> bytes | None:
        """Return the key of a scenario's result; None if no key can describe the scenario."""
        option_key = self._option_key()
        if option_key is None:
            return None
        try:
            meaning = meaning_of(scenario, allow_code=self._options.allow_code)
        except NotKeyableError:
            return None
        return _key(b"result", option_key, meaning)

    def recall(self, scenario: Scenario, key: bytes | None) -> ScenarioReport | None:
        """Return the report of a scenario by the key of its result; None if unknown."""
        result = self._get(key) if key is not None else None
        if result is None or key is None:
            return None
        from_file = {
            "path": scenario.path,
            "title": scenario.title,
            "question": scenario.question,
            "answer": scenario.answer,
            "cell": dict(scenario.cell) if scenario.cell is not None else None,
            "status": "unchecked",
        }
        report = self._decoded(key, result, from_file)
        if report is None or self._kind == "summary":
            return report
        if not _answers(report, scenario):
            self._store.drop(key, "it is the result of another scenario")
            return None
        rows = check_expectations(
            scenario,
            report.models,
            report.pairs,
            report.fit,
            self._options.expect,
            strict=self._options.strict,
        )
        return replace(report, expectations=rows, status=status_of(rows))

    def keep(self, scenario: Scenario, key: bytes | None, report: ScenarioReport) -> None:
        """Store a result under the key that the scenario had before it was run.

        Errors are not stored, and neither is a result if a file it depends on changed meanwhile.
        """
        if key is None or not _is_result(report) or report.cached or key != self.key_of(scenario):
            return
        data = report.to_dict()
        left_out = {*_FROM_FILE, *_PER_RUN}
        self._put(key, {name: value for name, value in data.items() if name not in left_out})

    def keep_file(
        self,
        path: Path,
        page: bytes | None,
        found: Sequence[tuple[Scenario, bytes | None, ScenarioReport]],
    ) -> None:
        """Store a file's page under the key it had before it was read.

        `found` are its scenarios, their keys and their reports. If one of them is not a stored
        result, nothing is stored.
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
            rows.append({name: data[name] for name in _FROM_FILE} | {"result": key.hex()})
        self._put(page, {"files": files, "scenarios": rows})

    def page_of(self, path: Path) -> bytes | None:
        """Return the key of a scenario file as it is now; None if it cannot be read."""
        option_key = self._option_key()
        if option_key is None:
            return None
        try:
            text = read_text(path)
        except LayerlensError:
            return None  # reading its scenarios reports the fault
        # Relative names of files depend on the folder of the file and on the current folder.
        judged = [self._options.expect, self._options.strict]
        place = json.dumps([str(path.absolute()), str(Path.cwd()), *judged])
        return _key(
            b"page",
            option_key,
            place.encode("utf-8", "surrogatepass"),
            text.encode("utf-8", "surrogatepass"),
        )

    def _get(self, key: bytes) -> dict[str, Any] | None:
        """Return an entry; None if there is none, or it was malformed and is now removed."""
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

    def _decoded(
        self,
        key: bytes,
        result: Mapping[str, Any],
        from_file: Mapping[str, Any],
        page: bytes | None = None,
    ) -> ScenarioReport | None:
        """Return the report of a result; None if it was malformed; it and its page are removed."""
        try:
            return replace(scenario_from_dict({**result, **from_file}), cached=True)
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
    """Return whether a report is about the scenario, not about the state of the machine."""
    if report.status == "error" or report.errors:
        return False
    refusals = [model.error for model in report.models] + [row.error for row in report.fit]
    return not any(word in one.message for one in refusals if one for word in _EXHAUSTED)


def _are_unchanged(files: Mapping[str, str | None]) -> bool:
    try:
        return all(digest_of(name) == before for name, before in files.items())
    except NotKeyableError:
        return False


def _answers(report: ScenarioReport, scenario: Scenario) -> bool:
    """Return whether a report has every pair and model that the scenario has expectations on."""
    pairs = {(pair.candidate, pair.mode) for pair in report.pairs}
    expected_pairs = {
        (model.name, mode) for model in scenario.candidates for mode in scenario.modes
    }
    models = {model.name for model in report.models}
    expected_models = set(scenario.expect.models) if scenario.expect is not None else set()
    return expected_pairs <= pairs and expected_models <= models


def _is_page(page: Mapping[str, Any]) -> bool:
    """Return whether an entry has the form of a page; its rows are checked when they are read."""
    files, rows = page.get("files"), page.get("scenarios")
    if not isinstance(files, dict) or not isinstance(rows, list) or not rows:
        return False
    if any(not isinstance(digest, str | None) for digest in files.values()):
        return False
    return all(
        isinstance(row, dict)
        and {*_FROM_FILE, "result"} <= set(row)
        and isinstance(row["result"], str)
        and re.fullmatch("[0-9a-f]{64}", row["result"]) is not None
        for row in rows
    )


def _unpacked(payload: bytes) -> bytes:
    """Decompress a payload.

    Raises:
        ValueError: it is incomplete, or larger than any entry.
        zlib.error: it is not compressed data.
    """
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(payload, _LARGEST_BYTES)
    if not unpacking.eof:
        raise ValueError("it is incomplete, or unpacks to more than any result")
    return text
