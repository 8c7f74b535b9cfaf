"""Layers with unequal strides, which TensorFlow runs in float32 and refuses in float64.

Its oneDNN kernels take unequal strides, and its plain kernels do not.
"""

from __future__ import annotations

import pytest

SCENARIO = """\
title: Unequal strides
input: {{shape: [8, 9, 2]}}
# With a tolerance nothing is proved, so that both models run in float64 too.
tolerance: {{rtol: 1.0e-4, atol: 1.0e-4}}
models:
  inside: [{{{layer}: {{{arguments}, activation: tanh}}}}]
  outside: [{{{layer}: {{{arguments}}}}}, {{Activation: tanh}}, {{LeakyReLU: 1.0}}]
"""
LAYERS = {
    "DepthwiseConv2D": "kernel_size: 3, strides: [1, 2]",
    "SeparableConv2D": "filters: 3, kernel_size: 3, strides: [3, 2], padding: same",
}


def test_unequal_strides_are_compared_where_keras_runs_them(run, tmp_path):
    for layer, arguments in LAYERS.items():
        text = SCENARIO.format(layer=layer, arguments=arguments)
        (tmp_path / f"{layer}.yaml").write_text(text)
    outcome = run(
        "compare", tmp_path, "--no-cache", "--format", "json", env={"TF_ENABLE_ONEDNN_OPTS": "1"}
    )
    scenarios = outcome.json()["scenarios"]
    assert len(scenarios) == len(LAYERS)
    for scenario in scenarios:
        (pair,) = scenario["pairs"]
        if "equal length strides" in pair["explanation"]:
            pytest.skip("TensorFlow has no oneDNN kernels on this machine")
        assert (pair["verdict"], pair["strength"]) == ("equivalent", "tested"), pair["explanation"]
        assert pair["rounding"]["float64_max_abs"] is not None
