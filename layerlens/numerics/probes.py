"""Draw probes: the inputs that both models are run on."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Float
from layerlens.scenario.spec import InputSpec

#: Greatest number of scalars one probe batch may hold, so that wide inputs stay affordable.
BATCH_BUDGET = 2_000_000
#: The greatest number of samples of a probe that goes through all values of a kind.
MAX_SAMPLES = 64
#: Greater constants get a probe of their own: next to them nothing smaller would show.
LARGE_CONSTANT = 1e6
#: Smaller constants get a probe of their own too: they would not show next to anything larger.
SMALL_CONSTANT = 1e-6
FLOAT32_MAX = float(np.finfo("f4").max)
#: The greatest number in float16.
FLOAT16_MAX = float(np.finfo("f2").max)
#: Probes at constants near the ends of a dtype's range.
MINUTE_PROBE = "minute_constants"
EXTREME = ("far_constants", MINUTE_PROBE)
#: Factors of an extreme constant for samples near it.
EXTREME_FACTORS = (1.0, 0.5, 2.0, 0.8, 1.25, 1e-3)


@dataclass(frozen=True, slots=True)
class Probe:
    """One kind of input: an array for every input of the model, the batch axis first."""

    name: str
    inputs: tuple[Array, ...]

    @property
    def samples(self) -> int:
        return int(self.inputs[0].shape[0])


@dataclass(frozen=True, slots=True)
class ProbeBatch:
    """Several probes of one shape joined along the batch axis, with the slice of each."""

    names: tuple[str, ...]
    slices: tuple[slice, ...]
    inputs: tuple[Array, ...]

    def name_of(self, sample: int) -> str:
        for name, where in zip(self.names, self.slices, strict=True):
            if where.start <= sample < where.stop:
                return name
        raise IndexError(sample)


def generator(seed: int, *labels: object) -> np.random.Generator:
    """Return a random generator that depends on the run's seed and on the labels alone."""
    key = zlib.crc32(repr(labels).encode())
    return np.random.default_rng([seed, key])


def join(probes: Sequence[Probe]) -> ProbeBatch:
    """Join probes of one per-sample shape into a batch."""
    ends = np.cumsum([probe.samples for probe in probes]).tolist()
    slices = tuple(slice(end - probe.samples, end) for probe, end in zip(probes, ends, strict=True))
    inputs = tuple(
        np.concatenate([probe.inputs[i] for probe in probes]) for i in range(len(probes[0].inputs))
    )
    return ProbeBatch(tuple(probe.name for probe in probes), slices, inputs)


# --- floating inputs -------------------------------------------------------------------------

DrawFunction = Callable[[np.random.Generator, tuple[int, ...]], Float]


def _signed_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    return rng.standard_normal(shape)


def _scaled(factor: float) -> DrawFunction:
    return lambda rng, shape: factor * rng.standard_normal(shape)


def _minute(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Samples of a size near 1e-8 and near 1e-14, each below an epsilon that layers use."""
    scales = np.where(np.arange(shape[0]) % 2, 1e-14, 1e-8)
    return scales.reshape(-1, *(1 for _ in shape[1:])) * rng.standard_normal(shape)


def _log_spread(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Magnitudes from 1e-6 to 1e3 side by side: small values next to large ones."""
    return np.sign(rng.standard_normal(shape)) * 10.0 ** rng.uniform(-6, 3, shape)


def _one_sided(sign: float) -> DrawFunction:
    """Magnitudes from 0.1 to 100 side by side, all of one sign.

    A function that falls before it rises (silu, gelu) depends on the order of such values only
    where all have one sign, which rarely happens by chance among several steps.
    """
    return lambda rng, shape: sign * 10.0 ** rng.uniform(-1.0, 2.0, shape)


def _near_one(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Values at a distance of one float32 unit to 2^-8 from 1 and -1.

    A high power (30 squarings in a row) is 0, 1 or infinite anywhere else.
    """
    away = np.exp2(rng.integers(-23, -7, shape)) * rng.choice([-1.0, 1.0], shape)
    sides: Float = rng.choice([-1.0, 1.0], shape) * (1.0 + away)
    return sides


def _ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Few distinct small integers and halves: equal neighbours, and thresholds met exactly."""
    return rng.integers(-8, 9, shape) / 2.0


def _one_hot(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    out = np.zeros(shape)
    if shape[1:]:
        np.put_along_axis(out, rng.integers(0, shape[-1], (*shape[:-1], 1)), 1.0, axis=-1)
    return out


def _impulse(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    out = np.zeros(shape)
    flat = out.reshape(shape[0], -1)
    positions = rng.integers(0, flat.shape[1], shape[0])
    flat[np.arange(shape[0]), positions] = rng.choice([-3.0, 3.0], shape[0])
    return out


def _constant_rows(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Every sample constant over its last axis, so that variances along it vanish."""
    return np.broadcast_to(rng.standard_normal((*shape[:-1], 1)), shape).copy()


def _nearly_constant(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Constant up to 1e-4, where the epsilon of a normalization matters."""
    base = rng.standard_normal((shape[0], *(1 for _ in shape[1:])))
    return base + 1e-4 * rng.standard_normal(shape)


def _zero_steps(where: str) -> DrawFunction:
    """Whole time steps (axis 1) zeroed at the end, the front, in the middle, or in holes."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
        out = rng.standard_normal(shape)
        if len(shape) < 2:
            return out
        steps = shape[1]
        for sample in out:
            cut = int(rng.integers(1, max(2, steps)))
            if where == "end":
                sample[steps - cut :] = 0.0
            elif where == "front":
                sample[:cut] = 0.0
            elif where == "middle":
                first = int(rng.integers(0, steps))
                sample[first : first + max(1, steps // 3)] = 0.0
            else:
                sample[rng.random(steps) < 0.5] = 0.0
        return out

    return draw


def _zero_samples(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    out = rng.standard_normal(shape)
    out[::2] = 0.0
    return out


FLOAT_PROBES: tuple[tuple[str, DrawFunction], ...] = (
    ("normal", _signed_normal),
    ("uniform", lambda rng, shape: rng.random(shape)),
    ("negative", lambda rng, shape: -rng.random(shape) - 0.01),
    ("zeros", lambda rng, shape: np.zeros(shape)),
    ("ones", lambda rng, shape: np.ones(shape)),
    ("tiny", _scaled(1e-5)),
    ("minute", _minute),
    ("saturating", lambda rng, shape: rng.uniform(-8.0, 8.0, shape)),
    ("wide", _scaled(30.0)),
    ("large", _scaled(1e3)),
    ("log_spread", _log_spread),
    ("negative_spread", _one_sided(-1.0)),
    ("positive_spread", _one_sided(1.0)),
    ("beside_one", _near_one),
    ("ties", _ties),
    ("one_hot", _one_hot),
    ("impulse", _impulse),
    ("constant_rows", _constant_rows),
    ("nearly_constant", _nearly_constant),
    ("padded_end", _zero_steps("end")),
    ("padded_front", _zero_steps("front")),
    ("padded_middle", _zero_steps("middle")),
    ("padded_holes", _zero_steps("holes")),
    ("zero_samples", _zero_samples),
)


# --- integer inputs --------------------------------------------------------------------------


def _integer_probe(
    name: str, rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int
) -> NDArray[np.int64]:
    drawn = rng.integers(low, high, shape)
    if name == "token_low":
        return np.full(shape, low)
    if name == "token_high":
        return np.full(shape, high - 1)
    if name == "repeats":
        return np.broadcast_to(
            drawn.reshape(shape[0], -1)[:, :1].reshape(shape[0], *(1 for _ in shape[1:])), shape
        ).copy()
    if name in ("zero_end", "zero_front") and len(shape) > 1 and low <= 0 < high:
        for sample in drawn:
            cut = int(rng.integers(1, max(2, shape[1])))
            sample[shape[1] - cut :] = 0 if name == "zero_end" else sample[shape[1] - cut :]
            if name == "zero_front":
                sample[:cut] = 0
        return drawn
    if name == "zero_holes" and low <= 0 < high:
        drawn[rng.random(shape) < 0.4] = 0
        return drawn
    if name == "no_zero" and low <= 0 < high - 1:
        return rng.integers(max(low, 1), high, shape)
    if name == "every_value":
        count = int(np.prod(shape))
        return (low + np.arange(count) % (high - low)).reshape(shape)
    return drawn


INTEGER_PROBES: tuple[str, ...] = (
    "random",
    "every_value",
    "token_low",
    "token_high",
    "repeats",
    "zero_end",
    "zero_front",
    "zero_holes",
    "no_zero",
    "random_2",
)


@dataclass(frozen=True, slots=True)
class Domain:
    """One input with a fixed per-sample shape and the values it may take."""

    spec: InputSpec
    shape: tuple[int, ...]
    low: int = 0
    high: int = 2
    words: tuple[str, ...] = ()
    #: Whether a floating input holds integers, because a layer looks them up.
    tokens: bool = False
    #: The least and the greatest (exclusive) integer to try near a constant.
    widest: tuple[int, int] = (0, 0)

    @property
    def kind(self) -> str:
        if self.spec.is_integer or self.tokens:
            return "integer"
        return self.spec.dtype if self.spec.dtype in ("bool", "string") else "float"


#: The kinds of probes that come first.
_GENERIC = (FLOAT_PROBES[0][0], INTEGER_PROBES[0])


def draw_probes(
    domains: Sequence[Domain],
    seed: int,
    *,
    samples: int = 2,
    constants: Sequence[float] = (),
    kinds: Collection[str] | None = None,
) -> tuple[Probe, ...]:
    """Draw every kind of probe, or those named by `kinds`, for inputs of fixed shapes.

    `constants` are the numbers in the layers' configurations (slopes, thresholds, epsilons, bin
    edges): inputs are also drawn at and near these, where a layer's behaviour changes. Values are
    representable in float32, so that both precisions get the same input.
    """
    per_sample = max(1, sum(int(np.prod(domain.shape)) for domain in domains))
    samples = max(1, min(samples, BATCH_BUDGET // (per_sample * 32)))
    max_samples = max(samples, BATCH_BUDGET // (per_sample * 32))
    names = [name for name, _ in FLOAT_PROBES] if _has_kind(domains, "float") else []
    near = [value for value in constants if SMALL_CONSTANT <= abs(value) <= LARGE_CONSTANT]
    far = [value for value in constants if abs(value) > LARGE_CONSTANT]
    minute = [value for value in constants if 0 < abs(value) < SMALL_CONSTANT]
    minute += [float(np.sqrt(abs(value))) for value in minute]  # for which a variance is `value`
    extreme = {"far_constants": far, MINUTE_PROBE: minute}
    if near and names:
        names = [*names, "config_constants", "constant_constants", "beyond_constants"]
    names += [name for name in EXTREME if names and extreme[name]]
    if not _has_kind(domains, "float"):
        names = [*INTEGER_PROBES, *(["config_constants"] if near else [])]
    probes = []
    for name in names:
        if kinds is not None and name not in kinds:
            continue
        at = extreme.get(name, near)
        rows = min(_samples_needed(name, domains, samples, at), max_samples)
        arrays = tuple(
            _draw_one(name, position, domain, seed, rows, at)
            for position, domain in enumerate(domains)
        )
        probes.append(Probe(name, arrays))
    return tuple(probes)


def draw_generic(domains: Sequence[Domain], seed: int, *, samples: int = 2) -> Probe:
    """Draw the first kind of probe alone: normal values, or any whole numbers."""
    return draw_probes(domains, seed, samples=samples, kinds=_GENERIC)[0]


def _samples_needed(
    name: str, domains: Sequence[Domain], samples: int, constants: Sequence[float]
) -> int:
    """Return the number of samples that covers every value of a range, or every constant."""
    needed = samples
    for domain in domains:
        size = max(1, int(np.prod(domain.shape)))
        if name == "config_constants" and domain.kind == "float":
            needed = max(needed, min(-(-len(_near_constants(constants)) // size), MAX_SAMPLES))
        if name == "constant_constants" and domain.kind == "float":
            needed = max(needed, min(2 * len(constants), MAX_SAMPLES))
        if name in EXTREME and domain.kind == "float":
            each = -(-len(_near_extreme(1.0)) // size)
            needed = max(needed, min(each * len(constants), MAX_SAMPLES))
        if domain.kind == "integer" and _integer_kind(name) == "every_value":
            needed = max(needed, min(-(-(domain.high - domain.low) // size), 4 * MAX_SAMPLES))
        if domain.kind == "integer" and name == "config_constants":
            count = len(_whole_numbers(constants, domain.widest))
            needed = max(needed, min(-(-count // size), MAX_SAMPLES))
        if domain.kind == "string" and name == "every_value":
            needed = max(needed, min(-(-len(domain.words) // size), MAX_SAMPLES))
    return needed


#: The greatest number of samples, and of scalars, of a probe of all integers in a range.
ALL_VALUES_SAMPLES = 4096
ALL_VALUES_SCALARS = 60_000


def all_values_probe(domains: Sequence[Domain]) -> Probe | None:
    """Return a probe in which every position of an integer input takes every value in its range.

    None where there is no integer input, or where that would take too many samples.
    """
    ranges = [domain.high - domain.low for domain in domains if domain.kind == "integer"]
    if not ranges or max(ranges) > ALL_VALUES_SAMPLES:
        return None
    samples = max(ranges)
    if samples * max(int(np.prod(domain.shape)) for domain in domains) > ALL_VALUES_SCALARS:
        return None
    arrays: list[Array] = []
    for position, domain in enumerate(domains):
        shape = (samples, *domain.shape)
        if domain.kind != "integer":
            arrays.append(_draw_one("normal", position, domain, 0, samples, ()))
            continue
        places = np.arange(int(np.prod(domain.shape))).reshape(domain.shape)
        steps = np.arange(samples).reshape(samples, *(1 for _ in domain.shape))
        values = domain.low + (steps + places) % (domain.high - domain.low)
        arrays.append(np.broadcast_to(values, shape).astype(domain.spec.dtype))
    return Probe("all_values", tuple(arrays))


def user_probe(domains: Sequence[Domain]) -> Probe | None:
    """Return the user's own data as a probe; inputs without values are filled with zeros."""
    given = [domain for domain in domains if domain.spec.values is not None]
    if not given:
        return None
    batch = len(given[0].spec.values)
    arrays = []
    for domain in domains:
        if domain.spec.values is not None:
            arrays.append(np.asarray(domain.spec.values, dtype=_numpy_dtype(domain)))
        else:
            arrays.append(_zeros(domain, (batch, *domain.shape)))
    return Probe("values", tuple(arrays))


def _zeros(domain: Domain, shape: tuple[int, ...]) -> Array:
    if domain.kind == "string":
        return np.full(shape, "", dtype=object)
    least = max(domain.low, 0) if domain.kind == "integer" else 0
    return np.full(shape, least, dtype=_numpy_dtype(domain))


def _has_kind(domains: Sequence[Domain], kind: str) -> bool:
    return any(domain.kind == kind for domain in domains)


def _numpy_dtype(domain: Domain) -> np.dtype[np.generic]:
    if domain.kind == "string":
        return np.dtype(object)
    if domain.kind == "float":
        return np.dtype("float32")
    return np.dtype(domain.spec.dtype)


def _draw_one(
    name: str,
    position: int,
    domain: Domain,
    seed: int,
    samples: int,
    constants: Sequence[float],
) -> Array:
    rng = generator(seed, "probe", name, position, domain.shape)
    shape = (samples, *domain.shape)
    if 0 in domain.shape:  # an axis of length 0
        return np.empty(shape, dtype=_numpy_dtype(domain))
    if domain.kind == "string":
        words = np.asarray(domain.words or ("",), dtype=object)
        if name == "every_value":
            return np.resize(words, shape)
        return rng.choice(words, shape)
    if domain.kind == "bool":
        return _draw_bool(name, rng, shape)
    if domain.kind == "integer":
        near = _whole_numbers(constants, domain.widest)
        if name == "config_constants" and near.size:
            return np.resize(rng.permutation(near), shape).astype(domain.spec.dtype)
        drawn = _integer_probe(_integer_kind(name), rng, shape, domain.low, domain.high)
        return drawn.astype(domain.spec.dtype)
    values = _draw_floats(name, rng, shape, constants).astype("float32")
    return np.clip(values, -6e4, 6e4) if domain.spec.dtype == "float16" else values


def _draw_floats(
    name: str, rng: np.random.Generator, shape: tuple[int, ...], constants: Sequence[float]
) -> Float:
    if name == "config_constants":
        return np.resize(rng.permutation(_near_constants(constants)), shape)
    if name == "constant_constants":
        signed = np.concatenate([constants, np.negative(constants)])
        rows = np.resize(rng.permutation(signed), shape[0])
        return np.broadcast_to(rows.reshape(-1, *(1 for _ in shape[1:])), shape).copy()
    if name == "beyond_constants":
        reach = 4.0 * max(1.0, max(abs(value) for value in constants))
        return rng.uniform(-reach, reach, shape)
    if name in EXTREME:
        return _extreme_samples(rng, shape, constants)
    return dict(FLOAT_PROBES)[name](rng, shape)


def _integer_kind(name: str) -> str:
    kinds = dict(zip((n for n, _ in FLOAT_PROBES), _cycle(INTEGER_PROBES), strict=False))
    return kinds.get(name, name)


def _cycle(names: Sequence[str]) -> list[str]:
    return [names[i % len(names)] for i in range(len(FLOAT_PROBES))]


def _draw_bool(name: str, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    if name in ("zeros", "token_low"):
        return np.zeros(shape, dtype=bool)
    if name in ("ones", "token_high"):
        return np.ones(shape, dtype=bool)
    return rng.random(shape) < 0.5


def _near_constants(constants: Sequence[float]) -> Float:
    """Return the constants with both signs, their float32 neighbours, and the midpoints."""
    signed = np.unique(np.asarray([*constants, *np.negative(constants)], dtype=np.float32))
    above = np.nextafter(signed, np.float32(np.inf))
    below = np.nextafter(signed, np.float32(-np.inf))
    between = (signed[1:] + signed[:-1]) / 2
    # Near the end of half precision its numbers are far apart: add points up to the greatest one.
    last = signed[(np.abs(signed) >= FLOAT16_MAX / 2) & (np.abs(signed) < FLOAT16_MAX)]
    to_the_end = (last + np.copysign(np.float32(FLOAT16_MAX), last)) / 2
    return np.concatenate([signed, above, below, between, to_the_end]).astype(np.float64)


def _extreme_samples(
    rng: np.random.Generator, shape: tuple[int, ...], constants: Sequence[float]
) -> Float:
    """Return samples near one constant each, so that none hides another."""
    rows = np.zeros((shape[0], int(np.prod(shape[1:]))))
    for position in range(shape[0]):
        values = _near_extreme(constants[position % len(constants)])
        turn = (position // len(constants)) * rows.shape[1]
        picked = (turn + np.arange(rows.shape[1])) % len(values)
        rows[position] = rng.permutation(values[picked])
    return rows.reshape(shape)


def _near_extreme(constant: float) -> Float:
    """Return a constant's float32 neighbours and its multiples, with both signs."""
    held = np.float32(constant)
    sides = [np.nextafter(held, np.float32(side)) for side in (np.inf, -np.inf)]
    near = np.asarray(
        [*sides, *(constant * factor for factor in EXTREME_FACTORS)], dtype=np.float64
    )
    return np.asarray(np.clip([*near, *-near], -FLOAT32_MAX, FLOAT32_MAX))


def _whole_numbers(constants: Sequence[float], widest: tuple[int, int]) -> NDArray[np.int64]:
    """Return the integers at and near the constants, with both signs, within a range."""
    near = np.asarray([*constants, *np.negative(constants)], dtype=np.float64)
    found = np.unique(np.concatenate([np.floor(near) - 1, np.floor(near), np.ceil(near) + 1]))
    return found[(found >= widest[0]) & (found < widest[1])].astype(np.int64)
