"""The part of the cache's key that describes versions, code, machine and settings."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import layerlens
from layerlens.models.runtimes.kinds import KINDS
from layerlens.plain.processors import count_processors
from layerlens.versions import version_of

#: Distributions whose code computes the reported values.
_COMPUTING = (
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "numpy",
    "scipy",
    "ml-dtypes",
    "h5py",
    "jax",
    "jaxlib",
    "torch",
    *(name for kind in KINDS for name in kind.packages),
)
_PACKAGES = (
    "keras",
    "tensorflow",
    "numpy",
    "jax",
    "torch",
    "onnxruntime",
    "onnx",
    "ai_edge_litert",
)
#: Prefixes of environment variables that choose kernels, devices, threads and arithmetic.
_VARIABLES = (
    "TF_",
    "KERAS_",
    "XLA_",
    "ONEDNN_",
    "DNNL_",
    "MKL_",
    "OMP_",
    "KMP_",
    "OPENBLAS_",
    "CUDA_",
    "CUDNN_",
    "NVIDIA_",
    "HIP_",
    "MIOPEN_",
    "NPY_",
    "AUTOGRAPH_",
    "BLIS_",
    "GOMP_",
    "VECLIB_",
    "JAX_",
    "TORCH_",
    "PYTORCH_",
    "ORT_",
    "TFLITE_",
)
#: Prefixes of variables without effect on results: of logging, and those layerlens sets itself.
_WITHOUT_EFFECT = ("TF_CPP_", "KERAS_BACKEND")
#: The settings that Keras writes to its configuration file if there is none.
_KERAS_DEFAULTS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


@cache
def result_environment() -> dict[str, Any]:
    """Return versions, code, machine and settings that results depend on, as plain data.

    Call it before Keras starts: Keras and TensorFlow set environment variables.
    """
    return {
        "layerlens": [version_of("layerlens"), code_digest()],
        "versions": {name: version_of(name) for name in _COMPUTING},
        "packages": {name: _origin(name) for name in _PACKAGES},
        "python": [platform.python_implementation(), platform.python_version(), sys.maxsize],
        "platform": [platform.system(), platform.release(), platform.machine()],
        "processor": _processor(),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(_VARIABLES) and not name.startswith(_WITHOUT_EFFECT)
        },
        "keras.json": keras_configuration(),
    }


@cache
def code_digest() -> str:
    """Return a digest of layerlens' source, which may change without a new version."""
    root = os.path.dirname(os.path.abspath(layerlens.__file__))  # noqa: PTH100, PTH120
    sources = [
        os.path.join(folder, name)  # noqa: PTH118 - twice as fast as pathlib, at every start
        for folder, _, names in os.walk(root)
        for name in names
        if name.endswith(".py")
    ]
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(sources):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            content = file.read()
        digest.update(f"{path[len(root) :]}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def _origin(package: str) -> list[Any] | None:
    """Return the file that a package is imported from, with its size and modification time.

    They differ for a package installed elsewhere or again under the same version.
    """
    module = sys.modules.get(package)
    spec = module.__spec__ if module is not None else find_spec(package)
    if spec is None or spec.origin is None:
        return None
    try:
        status = Path(spec.origin).stat()
    except OSError:
        return [spec.origin]
    return [spec.origin, status.st_size, status.st_mtime_ns]


def _processor() -> list[Any]:
    """Return what kernels are chosen by: the number of processors, their model and features."""
    count = count_processors()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            fields = ("vendor_id", "model name", "flags", "Features", "CPU part")
            details = []
            for line in file:
                if not line.strip():
                    break  # the other processors are the same
                if line.startswith(fields):
                    details.append(" ".join(line.split()))
    except OSError:
        details = [platform.processor()]
    accelerated = [name for name in ("/dev/nvidiactl", "/dev/kfd") if Path(name).exists()]
    return [count, *details, *accelerated]


def keras_configuration() -> Any:
    """Return the settings in Keras' configuration file, or its defaults, without the backend."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        base = os.path.expanduser("~")  # noqa: PTH111 - as Keras does, without an error
        home = str(Path(base if os.access(base, os.W_OK) else "/tmp", ".keras"))
    try:
        settings = json.loads(Path(home, "keras.json").expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: the home folder is unknown
        settings = {}
    if not isinstance(settings, dict):
        return repr(settings)
    return {**_KERAS_DEFAULTS, **{k: v for k, v in settings.items() if k != "backend"}}
