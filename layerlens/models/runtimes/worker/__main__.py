"""Run this folder as a program: `python .../worker onnx`.

The folder is made a package of its own, because layerlens may not be installed in the interpreter
that runs it, and is taken off the path, so that its modules hide no others.
"""

import importlib
import os
import sys
import types

if __name__ == "__main__":
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - no import here
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]  # noqa: PTH100
    package = types.ModuleType("layerlens_worker")
    package.__path__ = [folder]
    sys.modules["layerlens_worker"] = package
    importlib.import_module("layerlens_worker.serve").main(sys.argv[1:])
