"""Weights and layers that no probe covers are listed, and covered ones are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerlens
from layerlens.comparison.coverage import unseen, unseen_far
from layerlens.comparison.nudges import Nudges
from layerlens.comparison.removals import _evaluated, _Removals
from layerlens.models.execute.input_domains import fixed_domains
from layerlens.models.execute.weight_sets import moderate_sets
from layerlens.numerics.probes import draw_probes, join
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.doublings import doubled
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

VECTOR = input_of(4)
STEPS = input_of(6, 4)
DENSE = layer("Dense", units=3)


@pytest.fixture(autouse=True, params=["each alone", "slopes first"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Examine few weights and layers as well in the way for many."""
    if request.param == "slopes first":
        monkeypatch.setattr("layerlens.comparison.nudges.FEW_WEIGHTS", 0)
        monkeypatch.setattr("layerlens.comparison.removals.FEW_LAYERS", 0)
    return str(request.param)


def unseen_in(model: ModelSpec, given: InputSpec = VECTOR, *, training: bool = False) -> list[str]:
    work = prepared(model, model, given, training=training)
    values = [weights.reference for weights in moderate_sets(work.sets)]
    probes = join(draw_probes(work.domains, 0))
    return list(unseen([Nudges(work.reference, one, probes.inputs, 0) for one in values]))


def of(*layers: LayerSpec, **more: Any) -> ModelSpec:
    return chain("m", *layers, **more)


# --- far steps ------------------------------------------------------------------------------------


def far_unseen_in(length: int, *layers: LayerSpec) -> list[str]:
    given = input_of(None, 1)
    work = prepared(of(*layers), of(*layers), given)
    domains = fixed_domains((work.reference.built,), length)
    probes = join(draw_probes(domains, 0))
    values = [moderate_sets(work.sets)[0].reference]
    nudges = [Nudges(work.reference, one, probes.inputs, 0) for one in values]
    return list(unseen_far(nudges, {1: length}, 11))


def test_a_tap_that_only_meets_zeros_is_not_seen() -> None:
    far = layer("Conv1D", filters=1, kernel_size=3, padding="causal", dilation_rate=40)
    assert far_unseen_in(83, far) == []
    assert far_unseen_in(60, far) == ["conv1d/kernel"]
    near = layer("Conv1D", filters=1, kernel_size=3, padding="causal")
    assert far_unseen_in(7, near) == []


def test_a_pool_that_was_never_full_is_not_seen() -> None:
    pool = layer("AveragePooling1D", pool_size=60, strides=1, padding="same")
    assert far_unseen_in(62, pool) == []
    assert far_unseen_in(30, pool) == ["average_pooling1d"]


# --- weights --------------------------------------------------------------------------------------


def test_every_live_weight_is_seen() -> None:
    assert unseen_in(of(DENSE, layer("PReLU"))) == []
    assert unseen_in(of(layer("LSTM", units=2)), STEPS) == []
    assert unseen_in(of(layer("BatchNormalization"))) == []


def test_weights_behind_a_layer_that_zeroes_are_not() -> None:
    zeroed = of(DENSE, layer("Rescaling", scale=0.0), layer("Dense", units=2))
    found = unseen_in(zeroed)
    assert [path for path in found if "/" in path] == [
        "dense/kernel",
        "dense/bias",
        "dense_1/kernel",
    ]


def test_a_slope_that_no_input_reaches_is_not() -> None:
    assert unseen_in(of(layer("ReLU"), layer("PReLU"))) == ["p_re_lu/alpha"]
    assert "p_re_lu/alpha" not in unseen_in(of(layer("PReLU")))


def test_a_bias_that_the_next_layer_takes_away_is_not() -> None:
    centred = layer("LayerNormalization", axis=-2, scale=False, center=False)
    assert unseen_in(of(DENSE, centred), STEPS) == ["dense/bias"]
    kept = layer("LayerNormalization", axis=-1, scale=False, center=False)
    assert unseen_in(of(DENSE, kept), STEPS) == []


def test_statistics_that_training_only_writes_need_not_be_seen() -> None:
    model = of(layer("BatchNormalization"))
    assert unseen_in(model, training=True) == []


def test_weights_are_perturbed_alike_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerlens.numerics.arrays.BLOCK", 5)
    zeroed = (layer("Rescaling", scale=0.0), DENSE)
    assert "dense_2/bias" not in unseen_in(of(DENSE, *zeroed, DENSE))
    assert {"dense/kernel", "dense/bias"} <= set(unseen_in(of(DENSE, *zeroed)))


def test_many_weights_take_few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    changes = Nudges.changes
    monkeypatch.setattr(
        Nudges, "changes", lambda self, *given: (runs.append(1), changes(self, *given))[1]
    )
    dead = (layer("ReLU"), layer("PReLU"))
    found = unseen_in(of(*[layer("Dense", units=4, activation="tanh")] * 15, *dead))
    assert found == ["p_re_lu/alpha"]
    assert len(runs) <= 3 * 3  # one weight, in at most three sets of weights


def test_weights_beyond_the_limit_are_found_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nudges, "_shown_by_slopes", lambda self, positions: set())
    zeroed = (layer("Rescaling", scale=0.0), DENSE)
    model = of(*[DENSE] * 6, *zeroed)
    monkeypatch.setattr(Nudges.__init__, "__defaults__", (6,))
    found = [path for path in unseen_in(model) if "/" in path]
    # What comes before the zeros, of which no half changes anything.
    assert found == [
        f"dense{end}/{name}"
        for end in ("", "_1", "_2", "_3", "_4", "_5")
        for name in ("kernel", "bias")
    ] + ["dense_6/kernel"]


def test_what_is_not_examined_within_the_limit_is_not_called_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Nudges, "_shown_by_slopes", lambda self, positions: set())
    monkeypatch.setattr(Nudges.__init__, "__defaults__", (0,))
    assert unseen_in(of(DENSE)) == ["dense/kernel", "dense/bias"]
    monkeypatch.setattr(_Removals.__init__, "__defaults__", (0,))
    monkeypatch.setattr(
        _Removals,
        "_clearly_matter",
        lambda self, given, _: (_evaluated(self.graph, given, False), set()),
    )
    assert "re_lu" in unseen_in(of(DENSE, layer("ReLU")))


# --- layers without weights -----------------------------------------------------------------------


def test_a_layer_that_changes_nothing_more_is_not_seen() -> None:
    # Each of the two could be left out.
    assert unseen_in(of(DENSE, layer("ReLU"), layer("ReLU"))) == ["re_lu", "re_lu_1"]


def test_a_layer_that_matters_is_seen() -> None:
    assert unseen_in(of(DENSE, layer("ReLU"))) == []
    assert unseen_in(of(layer("Activation", activation="tanh"), DENSE)) == []


@pytest.mark.parametrize(
    "idle",
    [
        layer("Activation", activation="linear"),
        layer("Dropout", rate=0.5),
        layer("Identity"),
        layer("Rescaling", scale=1.0),
        layer("Reshape", target_shape=(4,)),
    ],
    ids=lambda one: one.type,
)
def test_what_passes_everything_on_need_not_be_seen(idle: LayerSpec) -> None:
    assert unseen_in(of(idle, DENSE)) == []


def test_a_padding_of_an_open_axis_is_seen() -> None:
    padded = of(layer("ZeroPadding1D", padding=1), layer("GlobalAveragePooling1D"))
    assert unseen_in(padded, input_of(None, 2)) == []


def test_dropout_in_training_is_no_identity() -> None:
    assert unseen_in(of(DENSE, layer("Dropout", rate=0.5)), training=True) == []


def test_words_in_the_place_of_numbers_are_seen() -> None:
    lookup = layer("StringLookup", vocabulary=["a", "b"], invert=True)
    assert unseen_in(of(lookup), input_of(3, dtype="int64", low=0, high=3)) == []


# --- graphs ---------------------------------------------------------------------------------------


def branching(*branch: LayerSpec) -> ModelSpec:
    """Return a graph that adds its input to what a branch makes of it."""
    names = ["input", *(f"b{n}" for n in range(len(branch)))]
    steps = zip(names[1:], branch, names[:-1], strict=True)
    nodes = (
        *(NodeSpec(name, held, (given,)) for name, held, given in steps),
        NodeSpec("sum", layer("Add"), (names[-1], "input")),
    )
    return ModelSpec("m", "graph", nodes=nodes, outputs=("sum",))


def test_a_layer_of_a_branch_is_taken_out_too() -> None:
    assert unseen_in(branching(layer("ReLU"))) == []
    assert unseen_in(branching(layer("ReLU"), layer("ReLU"))) == ["b0", "b1"]
    assert unseen_in(branching(layer("ReLU"), layer("Identity"))) == []


def test_a_layer_that_a_branch_makes_nothing_of_is_not_seen() -> None:
    tanh = layer("Activation", activation="tanh")
    assert unseen_in(branching(tanh, layer("Rescaling", scale=0.0))) == ["b0", "sum"]


def merged(kind: str, *branch: LayerSpec) -> ModelSpec:
    """Return a graph that merges its input with what a branch makes of it."""
    graph = branching(*branch)
    nodes = (*graph.nodes[:-1], NodeSpec("end", layer(kind), graph.nodes[-1].inputs))
    return ModelSpec("m", "graph", nodes=nodes, outputs=("end",))


@pytest.mark.parametrize(
    ("kind", "branch", "found"),
    [
        ("Add", (layer("ReLU"),), []),
        ("Average", (layer("ReLU"),), []),
        ("Average", (), []),  # the mean of x and x is x
        ("Multiply", (), []),
        ("Multiply", (layer("Activation", activation="tanh"),), []),
        ("Maximum", (layer("Rescaling", scale=0.5),), []),
        ("Maximum", (layer("ReLU"),), ["end"]),  # always the branch's
        ("Minimum", (layer("ReLU"),), ["b0", "end"]),  # always the input
    ],
)
def test_a_layer_that_merges_could_not_as_well_be_one_of_its_inputs(
    kind: str, branch: tuple[LayerSpec, ...], found: list[str]
) -> None:
    assert unseen_in(merged(kind, *branch)) == found


def test_powers_that_are_zero_or_infinite_at_every_input_are_not_seen() -> None:
    """Thirty squarings: only next to 1 does one more or less of them show."""
    spec = doubled("m", "Multiply", 30)
    assert unseen_in(spec) == []
    work = prepared(spec, spec, VECTOR)
    values = [weights.reference for weights in moderate_sets(work.sets)]
    wide = np.array([[0.5, -3.0, 1.0, 0.99], [2.0, 0.0, -1.0, 1.01]], "float32")
    assert list(unseen([Nudges(work.reference, one, [wide], 0) for one in values])) == [
        f"m{n}" for n in range(30)
    ]


def test_a_weight_that_cannot_influence_an_output_does_not_make_a_pass_weak() -> None:
    attention = {"MultiHeadAttention": {"num_heads": 1, "key_dim": 2}, "from": ["input", "input"]}
    idle = {"LeakyReLU": {"negative_slope": 1.0}, "from": "attended"}
    model = {"graph": {"attended": attention}, "outputs": "attended"}
    other = {"graph": {"attended": attention, "idle": idle}, "outputs": "idle"}
    scenario = {
        "input": {"shape": [3, 2]},
        "models": {"one": model, "other": other},
        "tolerance": {"rtol": 1e-3, "atol": 1e-3},  # so that nothing is proved of the pair
    }
    (pair,) = layerlens.compare(scenario).scenarios[0].pairs
    assert (pair.verdict, pair.strength, pair.unseen) == ("equivalent", "tested", ())
    assert pair.without_influence == ("attended/key/bias",)
    assert "attended/query/bias" not in pair.without_influence
