"""The guide on backends is run where JAX is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.test_docs import ROOT, assert_printed, run_pages

pytestmark = pytest.mark.runtimes


def test_the_guide_on_backends(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="the extra `jax` is not installed")
    page = ROOT / "docs" / "comparing_backends.md"
    assert_printed(page, run_pages([page], tmp_path / "pages")[page.stem])
