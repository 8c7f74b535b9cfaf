"""Turn the errors of a runtime into a reason and a remedy."""

from __future__ import annotations

import re

from layerlens.models.runtimes.kinds import ONNX
from layerlens.models.runtimes.process import About, RuntimeAnswerError, RuntimeLostError
from layerlens.plain.printable import one_line
from layerlens.report.layers import ModelError

#: How a runtime names an operator that it does not have.
_MISSING_OPERATOR = (
    re.compile(r"No Op registered for (\w+)"),
    re.compile(r"(\w+)\(-?\d+\) is not a registered function/op"),
    re.compile(r"Could not find an implementation for (\w+)"),
    re.compile(r"unresolved custom op: ?([\w.]+)"),
    re.compile(r"Node number \d+ \((Flex\w+)\)"),
    re.compile(r"Op type not registered '(\w+)'"),
    re.compile(r"\((?!TfLite)(\w+)\) failed to prepare"),
)
_IR_VERSION = re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)")
_OPSET = re.compile(r"Opset (\d+) is under development.*is till opset (\d+)", re.DOTALL)
#: How TensorFlow says that a function of Python is not in a folder.
_PYTHON = "Could not find callback with key="
#: What TensorFlow puts around the reason of an error in a graph.
_AROUND = re.compile(
    r"^Graph execution error:\s+Detected at node (\S+) defined at .*?<stack traces unavailable>\s+"
    r"(.*?)\s*(?:\[\[\{\{node.*)?$",
    re.DOTALL,
)
_LONGEST = 300

#: Operator → what to do about it.
_REMEDIES = {
    "Erfc": "Keras' exporter leaves `Erfc`, which is not an ONNX operator, for layers with `gelu`: "
    "export the model with the activation written as `0.5 * x * (1 + erf(x / sqrt(2)))`, or with "
    "`gelu(approximate=True)`, which is another function",
}
_FLEX = (
    "the file needs TensorFlow's own operators (the Flex delegate), which LiteRT does not have: "
    "export recurrent layers with `unroll=True`, a fixed length and a fixed batch of 1"
)
#: What a worker says of a file → what to do about it.
_HINTS = {
    "the folder has no signature": "export the model with `model.export(folder)`, or name the "
    "function that is to be compared: "
    '`tf.saved_model.save(model, folder, signatures={"serving_default": function})`',
    "has no outputs": "return the outputs from the function that is exported",
    "outside the folder of the file": "keep the data next to the file: "
    '`onnx.save(model, path, save_as_external_data=True, location="model.data")`',
    "exceeds available data": "the data is cut off: copy it again, or export the model again",
    "which is missing": "copy the data along with the file, or export the model again",
}
_ANOTHER_OPSET = "export the model without it, or with another opset (`opset_version=`)"


def refusal(about: About, error: RuntimeAnswerError) -> ModelError:
    """Return why a runtime refuses a file or an input, and what would fix it."""
    runtime = f"{about.name} {about.version}"
    for pattern in _MISSING_OPERATOR:
        if (found := pattern.search(error.message)) is not None:
            operator = found[1]
            message = f"{runtime} cannot run the operator `{operator}`"
            return ModelError(None, message, _remedy(about, operator))
    if (version := _IR_VERSION.search(error.message)) is not None:
        return ModelError(
            None,
            f"{runtime} reads ONNX files up to IR version {version[2]}; this one has {version[1]}",
            "install a newer onnxruntime, or export with an older opset",
        )
    if (opset := _OPSET.search(error.message)) is not None:
        return ModelError(
            None,
            f"{runtime} reads ONNX files up to opset {opset[2]}; this one has {opset[1]}",
            "install a newer onnxruntime, or export with an older opset (`opset_version=`)",
        )
    if _PYTHON in error.message:
        return ModelError(
            None,
            f"{runtime} cannot run a function of Python (`tf.numpy_function` or "
            "`tf.py_function`): a SavedModel does not hold its code",
            "write it with operations of TensorFlow, and export the model again",
        )
    hint = next((hint for text, hint in _HINTS.items() if text in error.message), None)
    return ModelError(None, f"{runtime}: {_shortened(_reason(error.message))}", hint)


def loss(about: About, error: RuntimeLostError, doing: str) -> ModelError:
    """Return the error of a runtime whose process died or was stopped."""
    is_stopped = str(error).startswith("it was stopped")
    cause = (
        "the file may compute more than it should, or wait for something"
        if is_stopped
        else "a damaged file can crash a runtime"
    )
    return ModelError(
        None,
        f"{about.name} {about.version} was lost while {doing}: {error}",
        f"{cause}: export the model again; it ran in its own process, so nothing else was affected",
    )


def _remedy(about: About, operator: str) -> str:
    if operator.startswith("Flex"):
        return _FLEX
    if operator in _REMEDIES:
        return _REMEDIES[operator]
    return _ANOTHER_OPSET if about.name == ONNX.name else "export the model without it"


def _reason(message: str) -> str:
    """Return the reason of an error, with the node of the graph where TensorFlow names it."""
    found = _AROUND.search(message)
    return message if found is None else f"at node `{found[1]}`: {found[2]}"


def _shortened(message: str) -> str:
    text = one_line(message)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
