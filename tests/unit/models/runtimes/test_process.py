"""A runtime runs in a process of its own, which ends when its parent ends."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from layerlens.models.runtimes import process as process_module
from layerlens.models.runtimes.process import (
    RuntimeAnswerError,
    RuntimeLostError,
    RuntimeProcess,
)
from tests.unit.models.runtimes import onnx_files

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")

#: Starts a runtime, tells its process, and waits.
_PARENT = """\
import sys, time
from layerlens.models.runtimes.process import RuntimeProcess
runtime = RuntimeProcess("onnx_runtime")
runtime.about()
print(runtime._process.pid, flush=True)
time.sleep(60)
"""

#: Calls a file, which does not return.
_CALL = """\
import numpy
runtime.ask({{"op": "load", "path": {!r}}})
print("loaded", flush=True)
runtime.ask({{"op": "run", "precision": "working"}}, [numpy.ones((1, 3), "f4")])
"""


def loaded(path: Path) -> tuple[RuntimeProcess, dict[str, Any]]:
    runtime = RuntimeProcess("onnx_runtime")
    return runtime, runtime.ask({"op": "load", "path": str(path)})[0]


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    kernel, bias = np.eye(3, dtype="f4"), np.zeros(3, "f4")
    return onnx_files.dense_file(tmp_path / "m.onnx", kernel, bias)


def has_ended(pid: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_file_is_loaded_and_called(dense: Path) -> None:
    runtime, head = loaded(dense)
    assert (head["float64"], head["batch"], head["quantized"]) == ("widened", None, None)
    assert head["inputs"] == [{"name": "x", "dtype": "float32", "shape": [None, 3]}]
    given = np.float32([[1, -2, 3]])
    (single,) = runtime.ask({"op": "run", "precision": "working"}, [given])[1]
    (double,) = runtime.ask({"op": "run", "precision": "float64"}, [given.astype("f8")])[1]
    assert single.tolist() == double.tolist() == [[1, 0, 3]]
    assert (single.dtype, double.dtype) == ("float32", "float64")
    runtime.close()


def test_an_error_leaves_the_process_running(dense: Path) -> None:
    runtime, _ = loaded(dense)
    with pytest.raises(RuntimeAnswerError, match="Got invalid dimensions"):
        runtime.ask({"op": "run", "precision": "working"}, [np.zeros((1, 4), "f4")])
    with pytest.raises(RuntimeAnswerError, match="of the dtype str"):
        runtime.ask({"op": "run", "precision": "working"}, [np.array(["a"])])
    assert runtime.ask({"op": "run", "precision": "working"}, [np.zeros((1, 3), "f4")])[1]
    runtime.close()


def test_a_process_that_dies_is_told(dense: Path) -> None:
    runtime, _ = loaded(dense)
    os.kill(runtime._process.pid, signal.SIGSEGV)
    for _ in range(2):  # a further question raises the same error
        with pytest.raises(RuntimeLostError, match=r"it crashed \(SIGSEGV\)"):
            runtime.ask({"op": "run", "precision": "working"}, [np.zeros((1, 3), "f4")])


def test_memory_is_limited(dense: Path) -> None:
    runtime = RuntimeProcess("onnx_runtime", most_bytes=1024**2)
    with pytest.raises(RuntimeLostError, match=r"of memory; the limit is 1\.0 MB"):
        runtime.ask({"op": "load", "path": str(dense)})
    assert runtime._process.poll() is not None


def test_time_is_limited(dense: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, _ = loaded(dense)
    monkeypatch.setattr(process_module, "CALL_SECONDS", 0.2)
    os.kill(runtime._process.pid, signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(RuntimeLostError, match="took too long"):
            runtime.ask({"op": "run", "precision": "working"}, [np.zeros((1, 3), "f4")])
    assert runtime._process.poll() is not None


def test_it_ends_when_nobody_holds_it() -> None:
    runtime = RuntimeProcess("onnx_runtime")
    runtime.about()
    pid = runtime._process.pid
    del runtime
    gc.collect()
    assert has_ended(pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.send_signal(number)
    parent.wait()
    parent.stdout.close()
    assert has_ended(pid)


def assert_it_ends_while_busy(parent: subprocess.Popen[str], pid: int) -> None:
    time.sleep(0.5)
    assert psutil.Process(pid).status() == psutil.STATUS_RUNNING
    parent.kill()
    parent.wait()
    assert parent.stdout is not None
    parent.stdout.close()
    assert has_ended(pid)


def test_it_ends_with_its_parent_in_the_middle_of_a_call(tmp_path: Path) -> None:
    path = onnx_files.endless_file(tmp_path / "m.onnx")
    code = _PARENT.replace("time.sleep(60)", _CALL.format(str(path)))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert parent.stdout.readline() == "loaded\n"
    assert_it_ends_while_busy(parent, pid)


def test_it_ends_with_its_parent_where_it_lets_no_thread_run(tmp_path: Path) -> None:
    told = tmp_path / "told"
    stuck = f"import re; open({str(told)!r}, 'w').close(); re.match('(a+)+$', 'a' * 60 + 'b')"
    (tmp_path / "stuck.py").write_text(stuck)
    code = _PARENT.replace("runtime.about()\n", "").replace(
        '"onnx_runtime"',
        f'"keras_runtime", "stuck", environment={{"PYTHONPATH": {str(tmp_path)!r}}}',
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    for _ in range(200):
        if told.exists():
            break
        time.sleep(0.05)
    assert_it_ends_while_busy(parent, pid)


def test_a_stopped_process_is_killed() -> None:
    runtime = RuntimeProcess("onnx_runtime")
    runtime.about()
    pid = runtime._process.pid
    psutil.Process(pid).suspend()
    runtime.close()
    assert has_ended(pid)


def test_a_module_in_the_current_folder_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxruntime", "numpy", "frames", "layerlens_worker"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from here')")
    monkeypatch.chdir(tmp_path)
    runtime = RuntimeProcess("onnx_runtime")
    assert runtime.about().name == "ONNX Runtime"
    runtime.close()
