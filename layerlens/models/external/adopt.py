"""Build a model from a saved file, a Python callable or a Keras object."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

import layerlens
from layerlens.errors import Fault, LayerlensError, ModelFileError, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.models.build.call_forms import apply_by_name
from layerlens.models.build.custom_objects import custom_code, has_same_code, objects_of
from layerlens.models.build.graph import LayerRefusal, flat_outputs
from layerlens.models.build.inputs import InputsRefusal, has_graph
from layerlens.models.build.python_callable import call_python, importable, scenario_folders
from layerlens.models.build.request import (
    BuildRequest,
    Built,
    Model,
    Refused,
    built,
    refused,
    refused_at,
)
from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import functional, input_tensors, set_policy
from layerlens.models.build.weights import assign_weights
from layerlens.models.external.chain_input import build_with_input
from layerlens.models.external.clone import (
    copy_layer,
    copy_model,
    has_replaced_methods,
    has_state,
    is_precise,
    same_outputs,
)
from layerlens.models.external.damaged_file import damaged
from layerlens.models.external.deserialize import Source, draft_model
from layerlens.models.external.exported import take_exported
from layerlens.models.external.exported_file import is_exported_spec
from layerlens.models.external.older.missing_input import lacks_input
from layerlens.models.external.older.record import MalformedError
from layerlens.models.external.older.translate import Translation, is_older, translate
from layerlens.models.external.older.weights import Age
from layerlens.models.external.rebuild import RebuildError, build_from, inputs_for, wrapped
from layerlens.models.external.recorded import take_recording
from layerlens.models.external.recording_file import is_recording_spec
from layerlens.models.external.refusals import refuse_callable
from layerlens.models.external.same_attributes import carry_attributes, has_same_attributes
from layerlens.models.external.saved_file import SavedModel, read_saved, refuse_code
from layerlens.models.inspect.nested_layers import layers_told_to_train
from layerlens.models.keras_errors import clean_reason
from layerlens.report.layers import ModelError

_OWN_FOLDER = Path(layerlens.__file__).parent
#: How a hint says that a callable raised an error.
RAISED = "raised"
_MOST_LISTED = 5
_SAVE_AGAIN = (
    "load it with `keras.saving.load_model` and save it again with this version of Keras, or build "
    "it in a function and name that under `python:`"
)
_INPUT_UNKNOWN = (
    "the file does not say what input the model takes: give the shape that it was trained on, such "
    "as `input: {shape: [28, 28, 1]}`"
)
_OLDER = (
    "load it with the version of Keras that saved it (`tf_keras` reads most files of Keras 2), and "
    "build the same model in a function that you name under `python:`"
)


def adopt_model(request: BuildRequest) -> Model:
    """Build a model given as `file`, `python` or an object, or take a recording or exported file.

    Raises:
        ModelFileError: the file is missing, damaged, or cannot be loaded as a model.
        UnsafeCodeError: the model needs code that is not allowed.
        MemoryLimitError: the weights need more memory than there is.
        ScenarioError: the callable is missing, or returns no Keras model or layer.
    """
    if is_recording_spec(request.spec):
        return take_recording(request)
    if is_exported_spec(request.spec):
        return take_exported(request)
    if request.spec.form == "file":
        return _adopt_file(request)
    refuse_callable(request.spec, allow_code=request.allow_code)
    try:
        given = _given_object(request)
    except LayerlensError:
        raise
    except Exception as error:  # the user's code, or Keras within it, may raise anything
        return _refused_by_code(request, error)
    return _adopt_object(request, given)


# --- files ----------------------------------------------------------------------------------------


def _adopt_file(request: BuildRequest) -> Built | Refused:
    spec = request.spec
    assert spec.file is not None  # that is what the form says
    saved = read_saved(spec.file, spec.where)
    translation = _translated(saved, spec.where)
    described = translation.config
    refuse_code(saved, request.allow_code, spec.where, described, translation.functions)
    older = is_older(saved.config, saved.keras_version)
    has_older_weights = older and saved.kind == "h5"
    with contextlib.ExitStack() as stack:
        if request.allow_code:
            folders = (*scenario_folders(spec.where), *spec.code_folders)
            stack.enter_context(importable(folders))
        source = Source(
            saved,
            {
                **objects_of(described, may_import=request.allow_code),
                **translation.functions,
            },
            trusted=request.allow_code,
            described=described,
            notes=translation.notes,
            unrestored=translation.unrestored,
            age=Age(saved.keras_version, saved.backend, translation.composed)
            if has_older_weights
            else None,
        )
        try:
            result = build_with_input(request, source)
        except RebuildError as failure:
            raise ModelFileError(
                f"{saved.path.name} cannot be loaded as a model{_written_by(saved)}: "
                f"{clean_reason(failure.__cause__ or failure)}",
                spec.where,
                hint=_hint(source, is_older=older),
            ) from failure
    _check_shapes(result, translation, saved, spec.where)
    return result


def _hint(source: Source, *, is_older: bool) -> str:
    """Return what to do about a file that Keras cannot load."""
    if not is_older:
        return _SAVE_AGAIN
    return _INPUT_UNKNOWN if source.age is not None and lacks_input(source.config) else _OLDER


def _written_by(saved: SavedModel) -> str:
    return f" (saved by Keras {saved.keras_version})" if saved.keras_version else ""


def _translated(saved: SavedModel, where: Where | None) -> Translation:
    """Return the description in the form of Keras 3.

    Raises:
        ModelFileError: no Keras wrote such a description, or Keras 3 does not express it.
    """
    try:
        translation = translate(
            saved.config, saved.keras_version, saved.backend, with_weights=saved.kind == "h5"
        )
    except MalformedError as error:
        what = (
            f"describes a model in a form that no version of Keras writes{_written_by(saved)}: "
            f"{error}"
        )
        raise damaged(saved.path, what, where) from error
    if not translation.faults:
        return translation
    told = [str(fault) for fault in translation.faults[:_MOST_LISTED]]
    if len(translation.faults) > _MOST_LISTED:
        told.append(f"and {len(translation.faults) - _MOST_LISTED} more")
    instead = dict.fromkeys(fault.instead for fault in translation.faults[:_MOST_LISTED])
    raise ModelFileError(
        f"{saved.path.name}{_written_by(saved)} has parts without an equivalent in Keras 3: "
        + "; ".join(told),
        where,
        hint=f"{'; '.join(instead)}; name a function that builds the model under `python:`",
    )


def _check_shapes(
    result: Built | Refused, translation: Translation, saved: SavedModel, where: Where | None
) -> None:
    """Refuse a model with a layer whose output has another shape than the file says."""
    for row in result.report.layers:
        said = translation.shapes.get(row.name)
        shape = row.output_shape
        if said is None or not isinstance(shape, tuple) or len(shape) != len(said) + 1:
            continue
        pairs = zip(said, shape[1:], strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ModelFileError(
                f"{saved.path.name}{_written_by(saved)} says that the output of layer `{row.name}` "
                f"has the shape {list(said)}; in Keras 3 it is {list(shape[1:])}",
                where,
                hint=_OLDER,
            )


# --- objects --------------------------------------------------------------------------------------


def _given_object(request: BuildRequest) -> Any:
    """Return the Keras model or layer of the request, or the one that its callable returns."""
    spec = request.spec
    given = spec.given
    origin = f"model `{spec.name}`"
    if spec.form == "python":
        assert spec.python is not None  # that is what the form says
        target = spec.python
        origin = f"`{target}` returned what"
        given = _in_policy(request, lambda: call_python(target, spec.args, spec.where))
    elif callable(given) and not isinstance(given, keras.layers.Layer):
        function = given
        given = _in_policy(request, lambda: function(**spec.args))
    if isinstance(given, keras.layers.Layer):
        return given
    raise ScenarioError(
        (
            Fault(
                Code.NOT_A_MODEL,
                f"{origin} is of type {type(given).__name__}; a Keras model or layer is needed",
                spec.where,
                hint="return a `keras.Model` or a `keras.layers.Layer`",
            ),
        )
    )


def _in_policy(request: BuildRequest, work: Callable[[], Any]) -> Any:
    def run() -> Any:
        set_policy(request.spec, "working")
        try:
            return work()
        except SystemExit as error:
            raise RuntimeError(f"it ended the program with exit status {error.code}") from error

    return in_fresh_session(run, request.seed)


def _refused_by_code(request: BuildRequest, error: Exception) -> Refused:
    what = f"`{request.spec.python}`" if request.spec.form == "python" else "the given function"
    frame = error.__traceback__
    place = None
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if "site-packages" not in name and not Path(name).is_relative_to(_OWN_FOLDER):
            place = f"{Path(name).name}:{frame.tb_lineno}"
        frame = frame.tb_next
    hint = f"{what} {RAISED} {type(error).__name__}" + (f" at {place}" if place else "")
    return refused(request, ModelError(None, clean_reason(error), hint))


def _adopt_object(request: BuildRequest, given: Any) -> Built | Refused:
    """Build a copy of an object; one that cannot be copied is used itself (`is_original`)."""
    if has_replaced_methods(given):
        return _use_itself(request, given)
    with tempfile.TemporaryDirectory(prefix="layerlens-") as folder:
        try:
            source = _copied(request, given, Path(folder))
            result = build_from(request, source)
            if not _is_alike(request, given, result, source):
                return _use_itself(request, given)
        except RebuildError:
            return _use_itself(request, given)
    return result


def _copied(request: BuildRequest, given: Any, folder: Path) -> Source:
    def save() -> Source:
        if not has_state(given):
            return copy_layer(given)
        if isinstance(given, keras.Model):
            return copy_model(given, folder)  # keeps its class and inputs
        with _inside_model(request, given) as model:
            return copy_model(model, folder)

    try:
        return in_fresh_session(save, request.seed)
    except Exception as error:  # Keras may fail to save an object for any reason
        raise RebuildError from error


@contextlib.contextmanager
def _inside_model(request: BuildRequest, layer: Any) -> Iterator[Any]:
    """Context manager that wraps a layer in a model, and afterwards removes the call."""
    if has_graph(layer):
        yield wrapped(request, layer, inputs_for(request, layer))
        return
    fitted = inputs_for(request, layer)
    tensors = input_tensors(fitted.inputs, "working", taken=frozenset({layer.name}))
    named = dict(zip((spec.name for spec in fitted.inputs), tensors, strict=True))
    nodes = len(layer._inbound_nodes)
    try:
        outputs = flat_outputs(apply_by_name(layer, type(layer).__name__, named), layer.name)
        yield functional(tensors, outputs, request.spec.name)
    finally:
        del layer._inbound_nodes[nodes:]


def _is_alike(request: BuildRequest, given: Any, result: Model, source: Source) -> bool:
    """Return whether a copy consists of what the original does, and gives its outputs.

    A configuration may leave out an argument of the user's own class, or an attribute that was set
    later, and a name may mean another class. Such a copy is judged in working precision and without
    changed numbers, since small differences count. What half precision makes zero or infinite is no
    fault of the copy either.

    Raises:
        RebuildError: Keras cannot make the model in working precision.
    """
    copies = [result]
    has_own_code = any(True for _ in custom_code(given))
    is_as_given = request.precision == "working" and request.numbers is None
    if not is_as_given and (has_own_code or not is_precise(given)):
        as_given = replace(request, precision="working", allocate=True, numbers=None)
        copies.append(build_from(as_given, source))
    built = [copy for copy in copies if isinstance(copy, Built)]
    if len(built) < len(copies):
        return True
    return in_fresh_session(lambda: _is_like(request, given, built, source), request.seed)


def _is_like(request: BuildRequest, given: Any, copies: list[Built], source: Source) -> bool:
    compared = copies[-1]
    if has_state(given):
        # Arguments that are lost may be numbers that were to be changed.
        if given.built and request.numbers is None:
            for copy in copies:
                carry_attributes(given, copy.model)
        consists_of = compared.model
    else:
        consists_of = draft_model(source, source.config)
    if not has_same_code(given, consists_of):
        return False
    is_changed = request.numbers is not None and len(copies) == 1
    if not is_changed and not has_same_attributes(given, consists_of):
        return False
    if not compared.allocated or not given.built or any(layers_told_to_train(given)):
        return True
    in_float64 = compared.precision == "float64"
    with _inside_model(request, given) as model:
        return same_outputs(model, compared.model, compared.inputs, in_float64=in_float64)


def _use_itself(request: BuildRequest, given: Any) -> Built | Refused:
    def use() -> Built | Refused:
        original = replace(request, precision="working", allocate=True)
        try:
            fitted = inputs_for(original, given)
            model = wrapped(original, given, fitted)
        except InputsRefusal as refusal:
            return refused(request, refusal.error)
        except LayerRefusal as refusal:
            return refused_at(request, refusal)
        assign_weights(model, request.spec.weights, request.spec.name, request.spec.where)
        shared = request.spec.form == "object" and given is request.spec.given
        return built(original, fitted, model, is_original=shared)

    return in_fresh_session(use, request.seed)
