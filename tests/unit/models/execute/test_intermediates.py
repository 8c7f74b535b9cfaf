"""Every tensor inside a model is computed on one input, in order and by number."""

from __future__ import annotations

import numpy as np
import pytest

from layerlens.models.execute.intermediates import InstrumentedSide
from layerlens.models.execute.side import Side
from layerlens.scenario.spec import ModelSpec, NodeSpec
from tests.unit.models.execute.runners import runner
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")

X = np.asarray([[1.0, -2.0, 3.0]], "float32")


def side(model: ModelSpec, shape: tuple[int, ...] = (3,)) -> Side:
    working, double = (
        runner(model, input_of(*shape), precision=precision) for precision in ("working", "float64")
    )
    return Side(model.name, working, double)


def test_each_call_has_its_values_and_sources() -> None:
    nodes = (
        NodeSpec("positive", layer("ReLU"), ("input",)),
        NodeSpec("scaled", layer("Rescaling", scale=2.0), ("input",)),
        NodeSpec("sum", layer("Add"), ("positive", "scaled")),
    )
    inside = InstrumentedSide.of(side(ModelSpec("m", "graph", nodes=nodes, outputs=("sum",))))
    assert inside is not None
    found = inside.look((), [X])
    assert found is not None
    by_name = {call.layer: call for call in found.layers}
    assert set(by_name) == {"positive", "scaled", "sum"}
    assert [call.place for call in found.layers] == [0, 1, 2]
    assert by_name["positive"].sources == (-1,)
    assert set(by_name["sum"].sources) == {
        *by_name["positive"].gives,
        *by_name["scaled"].gives,
    }
    (total,) = by_name["sum"].values
    np.testing.assert_array_equal(total.double, [[3.0, -4.0, 9.0]])
    assert (total.double.dtype, total.working.dtype) == (np.float64, np.float32)
    assert by_name["sum"].shape == (1, 3)
    (number,) = by_name["sum"].gives
    assert found.values[number] is total
    assert found.makers[number].layer == "sum"


def test_a_mask_is_no_source() -> None:
    masked = chain("m", layer("Masking", name="masking"), layer("SimpleRNN", units=2, name="rnn"))
    subject = side(masked, (4, 3))
    inside = InstrumentedSide.of(subject)
    assert inside is not None
    values = tuple(subject.working.values())
    found = inside.look(values, [np.ones((1, 4, 3), "float32")])
    assert found is not None
    rnn = next(call for call in found.layers if call.layer == "rnn")
    assert len(rnn.sources) == 1
    assert found.makers[rnn.sources[0]].layer == "masking"
