"""Frozen results, as they go from whoever measures to whoever tells; each is loaded when asked for.

What a light command tells (the fault of a file, say) needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerlens.report.diffs import (
        ArgumentChange as ArgumentChange,
    )
    from layerlens.report.diffs import (
        LayerChange as LayerChange,
    )
    from layerlens.report.diffs import (
        ModelsDiff as ModelsDiff,
    )
    from layerlens.report.diffs import (
        ParamsGap as ParamsGap,
    )
    from layerlens.report.layers import (
        AxisMixing as AxisMixing,
    )
    from layerlens.report.layers import (
        CountTerm as CountTerm,
    )
    from layerlens.report.layers import (
        Factor as Factor,
    )
    from layerlens.report.layers import (
        LayerRow as LayerRow,
    )
    from layerlens.report.layers import (
        ModelError as ModelError,
    )
    from layerlens.report.layers import (
        ModelReport as ModelReport,
    )
    from layerlens.report.layers import (
        WeightRow as WeightRow,
    )
    from layerlens.report.pairs import (
        CertificateRow as CertificateRow,
    )
    from layerlens.report.pairs import (
        Counterexample as Counterexample,
    )
    from layerlens.report.pairs import (
        FirstDivergence as FirstDivergence,
    )
    from layerlens.report.pairs import (
        InputsRow as InputsRow,
    )
    from layerlens.report.pairs import (
        MaskedDifference as MaskedDifference,
    )
    from layerlens.report.pairs import (
        PairReport as PairReport,
    )
    from layerlens.report.pairs import (
        ProbeRow as ProbeRow,
    )
    from layerlens.report.pairs import (
        Rounding as Rounding,
    )
    from layerlens.report.pairs import (
        StepsDifference as StepsDifference,
    )
    from layerlens.report.pairs import (
        TransferRow as TransferRow,
    )
    from layerlens.report.run import (
        SCHEMA_VERSION as SCHEMA_VERSION,
    )
    from layerlens.report.run import (
        Environment as Environment,
    )
    from layerlens.report.run import (
        ErrorRow as ErrorRow,
    )
    from layerlens.report.run import (
        ExpectationRow as ExpectationRow,
    )
    from layerlens.report.run import (
        RunRecord as RunRecord,
    )
    from layerlens.report.run import (
        ScenarioReport as ScenarioReport,
    )
    from layerlens.report.run import (
        to_plain as to_plain,
    )
    from layerlens.report.training import (
        FitRow as FitRow,
    )
    from layerlens.vocabulary import (
        AlsoDiffers as AlsoDiffers,
    )
    from layerlens.vocabulary import (
        Aspect as Aspect,
    )
    from layerlens.vocabulary import (
        Beside as Beside,
    )
    from layerlens.vocabulary import (
        Change as Change,
    )
    from layerlens.vocabulary import (
        Execution as Execution,
    )
    from layerlens.vocabulary import (
        MaskUse as MaskUse,
    )
    from layerlens.vocabulary import (
        Mixes as Mixes,
    )
    from layerlens.vocabulary import (
        Status as Status,
    )
    from layerlens.vocabulary import (
        Strength as Strength,
    )

_NAMES = {
    "diffs": (
        "ArgumentChange",
        "LayerChange",
        "ModelsDiff",
        "ParamsGap",
    ),
    "layers": (
        "AxisMixing",
        "CountTerm",
        "Factor",
        "LayerRow",
        "ModelError",
        "ModelReport",
        "WeightRow",
    ),
    "pairs": (
        "CertificateRow",
        "Counterexample",
        "FirstDivergence",
        "InputsRow",
        "MaskedDifference",
        "PairReport",
        "ProbeRow",
        "Rounding",
        "StepsDifference",
        "TransferRow",
    ),
    "training": ("FitRow",),
    "whole": (
        "Environment",
        "ErrorRow",
        "ExpectationRow",
        "RunRecord",
        "SCHEMA_VERSION",
        "ScenarioReport",
        "to_plain",
    ),
    "words": (
        "AlsoDiffers",
        "Aspect",
        "Beside",
        "Change",
        "Execution",
        "MaskUse",
        "Mixes",
        "Status",
        "Strength",
    ),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


if not TYPE_CHECKING:  # to a type checker there is nothing but what is named above

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'layerlens.report' has no attribute {name!r}")
        return getattr(import_module(f"layerlens.report.{_HOMES[name]}"), name)


def row_types() -> dict[str, Any]:
    """Return every type that a field of a report may name, by its name."""
    modules = [import_module(f"layerlens.report.{home}") for home in _NAMES]
    return {name: value for module in modules for name, value in vars(module).items()}
