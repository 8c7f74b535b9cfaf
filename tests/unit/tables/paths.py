"""Where the project and what tests compare with stand."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
REPORTS = GOLDEN / "reports"
