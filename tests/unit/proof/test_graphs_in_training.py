"""Training mode: statistics of the batch are part of the expressions."""

from __future__ import annotations

import pytest

from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof.graphs import Unproved, prove_graphs
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import LayerSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides

pytestmark = needs_backend

Layers = list[LayerSpec]
Shape = tuple[int | None, ...]

DENSE, TANH = layer("Dense", units=4), layer("Activation", activation="tanh")
BATCH, RENORM = layer("BatchNormalization"), layer("BatchNormalization", renorm=True)
FROZEN = layer("BatchNormalization", trainable=False)


def proved(
    reference: Layers, candidate: Layers, *shape: int | None, seed: int = 0
) -> CertificateRow | Unproved:
    models = chain("reference", *reference), chain("candidate", *candidate)
    one, other = sides(*models, input_of(*shape), training=True)
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built), "auto")
    assert transfer.complete, transfer.problem
    return prove_graphs(one, other, transfer, seed=seed)


SAME: dict[str, tuple[Layers, Layers, Shape]] = {
    "statistics of a batch": (
        [DENSE, BATCH, TANH],
        [DENSE, BATCH, layer("Dropout", rate=0.0), TANH],
        (3,),
    ),
    "a shift is lost in the mean": (
        [BATCH, TANH],
        [layer("Rescaling", scale=1.0, offset=5.0), BATCH, TANH],
        (4,),
    ),
    "the momentum is of the state": (
        [BATCH, TANH],
        [layer("BatchNormalization", momentum=0.5), TANH],
        (4,),
    ),
    "statistics of steps": (
        [BATCH, layer("TimeDistributed", layer=DENSE)],
        [BATCH, DENSE],
        (5, 3),
    ),
    "renormalized": ([RENORM, TANH], [RENORM, layer("Dropout", rate=0.0), TANH], (4,)),
    "frozen": ([FROZEN, TANH], [FROZEN, layer("Dropout", rate=0.0), TANH], (4,)),
}

DIFFERENT: dict[str, tuple[Layers, Layers, Shape]] = {
    "another epsilon": ([BATCH], [layer("BatchNormalization", epsilon=0.00101)], (4,)),
    "frozen or not": ([BATCH], [FROZEN], (4,)),
    "renormalized or not": (
        [layer("BatchNormalization", renorm=True, center=False, scale=False), TANH],
        [layer("BatchNormalization", renorm=True, center=False, scale=False, epsilon=0.1), TANH],
        (4,),
    ),
    "statistics of each step": (
        [layer("TimeDistributed", layer=BATCH), TANH],
        [BATCH, TANH],
        (3, 4),
    ),
    "a factor is not lost": (
        [BATCH, TANH],
        [layer("Rescaling", scale=2.0), BATCH, TANH],
        (4,),
    ),
    "of unit vectors": ([BATCH], [layer("UnitNormalization"), BATCH], (4,)),
}


@pytest.mark.parametrize("name", SAME)
def test_models_that_compute_the_same_are_proved(name: str) -> None:
    reference, candidate, shape = SAME[name]
    row = proved(reference, candidate, *shape)
    assert isinstance(row, CertificateRow), row
    assert "in batches of 1 to 3" in row.segment


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", DIFFERENT)
def test_models_that_differ_are_never_proved(name: str, seed: int) -> None:
    reference, candidate, shape = DIFFERENT[name]
    assert isinstance(proved(reference, candidate, *shape, seed=seed), Unproved)


def test_moving_variances_are_named_where_they_are_read() -> None:
    held = proved(*SAME["statistics of a batch"][:2], 3)
    frozen = proved(*SAME["frozen"][:2], 4)
    assert isinstance(held, CertificateRow)
    assert isinstance(frozen, CertificateRow)
    assert held.assumptions == ()
    assert frozen.assumptions == ("Moving variances are not negative.",)


@pytest.mark.parametrize("kind", ["Dropout", "GaussianNoise", "SpatialDropout1D"])
def test_what_draws_is_refused(kind: str) -> None:
    noisy = layer(kind, **({"stddev": 0.1} if kind == "GaussianNoise" else {"rate": 0.1}))
    row = proved([DENSE, noisy, TANH], [DENSE, noisy, TANH], 4, 3)
    assert row == Unproved("an output depends on random numbers")


def test_a_kernel_that_the_call_itself_normalizes_is_refused() -> None:
    spectral = layer("SpectralNormalization", layer=DENSE)
    row = proved([spectral, TANH], [spectral, layer("Dropout", rate=0.0), TANH], 3)
    assert isinstance(row, Unproved)


def test_one_sample_is_its_own_mean() -> None:
    """Both return the offset where there is one sample, and differ where there are two."""
    row = proved([BATCH], [layer("BatchNormalization", axis=1)], 4, 4)
    assert row == Unproved("their expressions differ")


@pytest.mark.filterwarnings("ignore::UserWarning")  # `Flatten` loses the mask
def test_masks_have_no_cases_where_samples_share_statistics() -> None:
    flat = layer("Flatten")
    masked = proved([flat, BATCH], [layer("Masking"), flat, BATCH], 3, 2)
    assert masked == Unproved("masks have cases, and samples are not independent")
    alone = proved([flat, TANH], [layer("Masking"), flat, TANH], 3, 2)
    assert isinstance(alone, CertificateRow), alone
