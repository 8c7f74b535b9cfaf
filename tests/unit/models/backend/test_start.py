"""TensorFlow is started once, quietly, and what keeps it from starting is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.tables.paths import ROOT


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TF_CPP")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def test_nothing_of_the_start_reaches_the_user() -> None:
    done = run(
        "import random; random.seed(3); before = random.getstate()\n"
        "from layerlens.models.backend.start import start_backend\n"
        "start_backend(); start_backend()\n"
        "import sys, keras, tensorflow as tf\n"
        "assert random.getstate() == before\n"
        "tf.constant(1.0) + 1\n"
        "print(keras.config.backend()); print('still heard', file=sys.stderr)",
        KERAS_BACKEND="jax",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("tensorflow\n", "still heard\n", 0)


def test_another_running_backend_is_an_error() -> None:
    done = run(
        "import sys, types\n"
        "keras = types.ModuleType('keras')\n"
        "keras.config = types.SimpleNamespace(backend=lambda: 'jax')\n"
        "sys.modules['keras'] = keras\n"
        "from layerlens.models.backend.start import start_backend\n"
        "from layerlens.errors import UsageError\n"
        "try: start_backend()\n"
        "except UsageError as error: print(error)"
    )
    assert "Keras is already running on 'jax' in this process" in done.stdout
    assert "hint: set the environment variable KERAS_BACKEND=tensorflow" in done.stdout


def test_a_failing_import_says_what_it_printed(tmp_path: Path) -> None:
    broken = "import os\nos.write(2, b'no such library: libcuda')\nraise ImportError('cannot load')"
    (tmp_path / "tensorflow.py").write_text(broken)
    done = run(
        "from layerlens.models.backend.start import start_backend\n"
        "from layerlens.errors import LayerlensError\n"
        "try: start_backend()\n"
        "except LayerlensError as error: print(error)",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
    )
    assert "tensorflow could not be imported: ImportError: cannot load" in done.stdout
    assert "it printed:\n  no such library: libcuda" in done.stdout
    assert "hint: check that `python -c 'import tensorflow'` works" in done.stdout
    assert done.stderr == ""


def test_the_environment_is_described_without_starting_anything() -> None:
    done = run(
        "import sys\n"
        "from layerlens.models.backend.start import describe_environment\n"
        "known = describe_environment()\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
        "print(known.backend, known.keras, known.backend_version)"
    )
    import keras
    import tensorflow

    assert done.stdout == f"tensorflow {keras.__version__} {tensorflow.__version__}\n"
