"""The command `runtimes`: which runtimes are installed."""

from __future__ import annotations

from layerlens.cli.messages import PASSED, write_stdout
from layerlens.models.runtimes.kinds import KINDS, SAVED_MODEL
from layerlens.versions import version_of

_HEADS = ("runtime", "runs", "version", "float64")


def runtimes() -> int:
    """List the runtimes: those installed, and their precision."""
    tensorflow = SAVED_MODEL.version or "(not installed)"
    keras = f"{version_of('keras') or '(not installed)'} on TensorFlow {tensorflow}"
    rows = [_HEADS, ("Keras", ".keras, .h5, .json", keras, "yes")]
    for kind in KINDS:
        version = kind.version or f"not installed: pip install 'layerlens[{kind.extra}]'"
        rows.append((kind.name, kind.suffix or "folders", version, kind.float64))
    for backend, name in (("jax", "JAX"), ("torch", "torch")):
        version = version_of(backend) or f"not installed: pip install 'layerlens[{backend}]'"
        rows.append((f"Keras on {name}", f"runtime: {{backend: {backend}}}", version, "yes"))
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write_stdout("  ".join(cells).rstrip())
    return PASSED
