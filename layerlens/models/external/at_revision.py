"""Build a callable as it was at a git revision, in a process of its own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerlens.errors import RevisionError
from layerlens.git.changed_code import changed_code
from layerlens.git.revision import Revision, name_at
from layerlens.git.tree import write_tree
from layerlens.models.build.request import BuildRequest, Foreign, Refused, refused
from layerlens.models.external.adopt import RAISED
from layerlens.models.external.exported import open_model
from layerlens.models.external.start import about_process, start_process
from layerlens.models.runtimes.process import About, RuntimeAnswerError, RuntimeLostError
from layerlens.models.runtimes.remedies import refusal
from layerlens.plain.printable import one_line
from layerlens.report.from_json import decode_rows, read_model_report
from layerlens.report.layers import CodeChangeRow, ModelError, RevisionRow, RuntimeRow
from layerlens.report.run import to_plain
from layerlens.scenario.python_target import parse_target
from layerlens.scenario.spec import InputSpec, ModelSpec
from layerlens.vocabulary import Float64Form

_TRACKED = "only the files that git has at that revision are there"


def build_at_revision(request: BuildRequest, revision: Revision) -> Foreign | Refused:
    """Write the files of a revision to a folder, and build the callable from them.

    Raises:
        RevisionError: the files cannot be read, or there was no such callable.
        ModelFileError: the process cannot be started.
    """
    spec = request.spec
    former = _former_file(spec, revision)
    process = request.process or start_process(spec, request.max_memory)
    folder = process.folder
    assert folder is not None  # a process at a revision has one
    write_tree(revision, folder, spec.where)
    about = about_process(process, spec)
    head = {
        "op": "load",
        "name": spec.name,
        "python": _target(spec, revision, former, folder),
        "folder": str(folder),
        "working_tree": revision.working_tree,
        "inputs": to_plain(request.inputs),
        "other_inputs": to_plain(request.other_inputs),
        "seed": request.seed,
    }
    try:
        answer = _without_folder(process.ask(head)[0], f"{folder}{os.sep}")
    except RuntimeLostError as lost:
        found = _refused(request, about, revision, _lost(spec, revision, lost))
        return replace(found, is_final=True)
    except RuntimeAnswerError as error:
        if error.missing is not None:
            raise _fault(spec, revision, error.message) from error
        return _refused(request, about, revision, refusal(about, error))
    if "fault" in answer:
        raise _fault(spec, revision, answer["fault"]["message"], answer["fault"]["hint"])
    report = read_model_report(answer["report"])
    if report.error is not None:
        told = report.error
        if told.layer is None and told.hint is not None and RAISED in told.hint:
            told = replace(told, hint=f"{told.hint}; {_TRACKED}")  # it may look for a file
        return _refused(request, about, revision, told)
    model = open_model(process, about, answer)
    notes = report.notes
    if former is not None and former != _file_now(spec, revision):
        notes = (*notes, f"the file was {former}")
    runtime = _row(
        about, revision, answer["float64"], _changed(spec, revision, former, folder, answer)
    )
    inputs = decode_rows(tuple[InputSpec, ...], answer["specs"], "specs")
    return Foreign(spec, model, inputs, replace(report, runtime=runtime, notes=notes))


def _file_now(spec: ModelSpec, revision: Revision) -> str | None:
    """Return the file of a callable, from the root of the repository; None for a module."""
    target = parse_target(str(spec.python))
    if target is None or not target.is_file:
        return None
    return Path(target.source).resolve().relative_to(revision.working_tree).as_posix()


def _former_file(spec: ModelSpec, revision: Revision) -> str | None:
    """Return the path that the file of a callable had; None for a module.

    Raises:
        RevisionError: the file was not there.
    """
    now = _file_now(spec, revision)
    if now is None:
        return None
    former = name_at(revision, now)
    if former is None:
        raise RevisionError(
            f"{now} was not there at {revision}",
            spec.where,
            f"`git log --follow -- {now}` lists the commits that it is in; a file that was never "
            "committed has no earlier form",
        )
    return former


def _target(spec: ModelSpec, revision: Revision, former: str | None, folder: Path) -> str:
    """Return the callable as the process names it, relative to its current folder."""
    target = parse_target(str(spec.python))
    assert target is not None  # read from the command line
    if former is None:
        return str(target)
    here = Path.cwd().resolve()
    if not here.is_relative_to(revision.working_tree):
        return f"{folder / former}:{target.callable}"
    there = folder / here.relative_to(revision.working_tree)
    return f"{os.path.relpath(folder / former, there)}:{target.callable}"


def _without_folder(value: Any, folder: str) -> Any:
    """Return an answer with paths from the root of the repository in its texts."""
    if isinstance(value, str):
        return value.replace(folder, "")
    if isinstance(value, dict):
        return {key: _without_folder(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folder(item, folder) for item in value]
    return value


def _lost(spec: ModelSpec, revision: Revision, lost: RuntimeLostError) -> ModelError:
    return ModelError(
        None,
        f"the process in which `{spec.python}` ran at {revision} was lost: {lost}",
        "run the callable by itself at that revision: a crash of its code or of a package that it "
        "uses ends the process",
    )


def _changed(
    spec: ModelSpec, revision: Revision, former: str | None, folder: Path, answer: dict[str, Any]
) -> tuple[CodeChangeRow, ...]:
    """Return what has other code in the working tree, of the modules that the process imported."""
    files = {str(file): str(file) for file in answer["modules"]}
    if former is not None:
        files[former] = _file_now(spec, revision) or former
    found = changed_code(folder, Path(revision.working_tree), files)
    return tuple(CodeChangeRow(one.name, one.file, one.is_class) for one in found)


def _row(
    about: About,
    revision: Revision,
    float64: Float64Form,
    changed: tuple[CodeChangeRow, ...] = (),
) -> RuntimeRow:
    row = RevisionRow(revision.name, revision.commit, revision.subject, revision.is_dirty, changed)
    return RuntimeRow(about.name, about.version, about.python, "open", float64, row)


def _refused(request: BuildRequest, about: About, revision: Revision, error: ModelError) -> Refused:
    found = refused(request, error)
    return replace(found, report=replace(found.report, runtime=_row(about, revision, "none")))


def _fault(
    spec: ModelSpec, revision: Revision, message: str, hint: str | None = None
) -> RevisionError:
    return RevisionError(
        f"at {revision}, {one_line(message)}",
        spec.where,
        hint or f"name a later revision: {_TRACKED}",
    )
