"""Checks for custom layers: config, saving, dtype and output shape.

They cover what Keras' own private test case checks for its layers.
"""

from __future__ import annotations

from layerlens.testing.layer_checks.check import Check
from layerlens.testing.layer_checks.dtype import check_dtype
from layerlens.testing.layer_checks.output_shape import check_announced_shape
from layerlens.testing.layer_checks.saving import check_config, check_saving

__all__ = ["Check", "check_announced_shape", "check_config", "check_dtype", "check_saving"]
