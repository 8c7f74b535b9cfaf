"""A report as tidy pandas frames."""

from __future__ import annotations

import pandas as pd

from layerlens.report.rows import COLUMNS, TableName, tidy_rows
from layerlens.report.run import RunRecord

#: Integers that may be missing; a float column would round counts above 2**53.
_COUNTS = frozenset(
    {
        "mismatched",
        "compared",
        "reference_params",
        "candidate_params",
        "params",
        "trainable_params",
        "position",
        "depth",
    }
)
_MEASURED = frozenset({"max_abs", "max_rel", "max_ulp", "rounding_expected", "float64_max_abs"})
_FLAGS = frozenset({"held", "only_at_initialization", "mask_in", "mask_out"})


def frame(report: RunRecord, kind: TableName = "pairs") -> pd.DataFrame:
    """Return one of the tables of `layerlens.report.rows`.

    Counts are `Int64` and flags `boolean`, with NA for a missing value; differences are `float64`,
    with NaN for one that was not measured. Shapes are tuples.
    """
    table = pd.DataFrame(tidy_rows(report, kind), columns=list(COLUMNS[kind]), dtype=object)
    for column in table.columns:
        if column in _COUNTS:
            table[column] = table[column].astype("Int64")
        elif column in _MEASURED:
            table[column] = table[column].astype("float64")
        elif column in _FLAGS:
            table[column] = table[column].astype("boolean")
    return table


def pairs_frame(report: RunRecord) -> pd.DataFrame:
    """Return one row per scenario, candidate and mode."""
    return frame(report, "pairs")


def layers_frame(report: RunRecord) -> pd.DataFrame:
    """Return one row per layer; layers inside a wrapper follow it with a greater `depth`."""
    return frame(report, "layers")


def probes_frame(report: RunRecord) -> pd.DataFrame:
    """Return one row per probe and execution."""
    return frame(report, "probes")
