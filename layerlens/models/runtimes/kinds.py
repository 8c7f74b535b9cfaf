"""The runtimes that run exported files: their suffixes, packages and extras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from layerlens.scenario.files import is_exported
from layerlens.versions import version_of


@dataclass(frozen=True, slots=True)
class RuntimeKind:
    """One runtime of exported files."""

    #: The module of the worker that runs it.
    module: str
    name: str
    #: The suffix of its files; None for folders.
    suffix: str | None
    #: The distributions that it needs, the one whose version counts first.
    packages: tuple[str, ...]
    #: The extra of layerlens that installs them; None for what layerlens needs itself.
    extra: str | None
    #: Whether and of which files its results are computed in float64.
    float64: str
    #: Whether what it loads may do more than compute.
    runs_code: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """The distributions that are not installed."""
        if self.extra is None:
            return ()  # layerlens does not start without them
        return tuple(name for name in self.packages if version_of(name) is None)

    @property
    def version(self) -> str | None:
        """The installed version; None where something is missing."""
        if self.missing:
            return None
        return next((found for name in self.packages if (found := version_of(name))), None)


ONNX = RuntimeKind(
    "onnx_runtime",
    "ONNX Runtime",
    ".onnx",
    ("onnxruntime", "onnx"),
    "onnx",
    "where all operators of a file have it",
)
LITERT = RuntimeKind("litert", "LiteRT", ".tflite", ("ai-edge-litert",), "litert", "no")

SAVED_MODEL = RuntimeKind(
    "saved_model",
    "TensorFlow SavedModel",
    None,
    ("tensorflow", "tensorflow-cpu"),
    None,
    "no",
    runs_code=True,
)

KINDS = (ONNX, LITERT, SAVED_MODEL)


def kind_of(file: str | None) -> RuntimeKind | None:
    """Return the runtime that runs a file or folder; None if Keras reads it itself."""
    if file is None or not is_exported(file):
        return None
    suffix = Path(file).suffix.lower()
    return next((kind for kind in KINDS if kind.suffix == suffix), SAVED_MODEL)
