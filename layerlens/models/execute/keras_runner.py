"""Run a built model with given weights and inputs, in one of three ways."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from layerlens.errors import MemoryLimitError
from layerlens.models.backend.exhaustion import is_out_of_memory
from layerlens.models.build.request import Built, Refused
from layerlens.models.execute.graph_rewriting import runnable
from layerlens.models.execute.inner_rounding import RandomRounding
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.variables import (
    as_array,
    assign_array,
    seed_variables,
    stateful_layers,
    weight_variables,
)
from layerlens.models.keras_errors import explain_call_error
from layerlens.numerics.arrays import Array
from layerlens.numerics.weight_values import WeightSlot
from layerlens.report.layers import ModelError
from layerlens.vocabulary import Execution


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call gave: the outputs as arrays (batch axis first), or why the model refused."""

    outputs: tuple[Array, ...] = ()
    dtypes: tuple[str, ...] = ()
    error: ModelError | None = None

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(output.shape for output in self.outputs)


@dataclass(frozen=True, slots=True)
class Residue:
    """What of a float64 model is float32 all the same: rounded constants, and computations."""

    constants: frozenset[float]
    computed: bool


#: By the inputs, and by the weights.
Gradients = tuple[list[Array | None], list[Array | None]]


#: A call shorter than this is not worth a thread.
_QUICK_SECONDS = 0.002


class Traced:
    """A traced function that remembers how long its last call took."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.is_quick = False
        #: What makes its operations round at random; None where they compute as they should.
        self.rounding: RandomRounding | None = None
        self._call = runnable(function)

    def __call__(self, *tensors: Any) -> Any:
        started = time.perf_counter()
        result = self._call(*tensors)
        self.is_quick = time.perf_counter() - started < _QUICK_SECONDS
        return result


@dataclass
class KerasRunner:
    """Runs one built model: eagerly, traced with known shapes, or traced with unknown ones.

    The model is a private copy, so its weights and states may be set at will; every call starts
    from the same random seeds and from cleared recurrent states.
    """

    #: Whether traced calls may compute in threads beside this one: not where all processors are at
    #: work on other scenarios, which a thread would only keep waiting.
    overlaps: ClassVar[bool] = True

    built: Built
    seed: int = 0
    #: The one batch size to call the model with: its own, or that of the model it is held against.
    batch_size: int | None = None
    _traced: dict[tuple[Any, ...], Traced] = field(init=False)
    #: A call that is still on its way: it has to end before weights or states may change.
    _under_way: Future[Any] | None = None

    def __post_init__(self) -> None:
        # Layers that are not Keras' own may bake in what they hold when they are traced.
        self._traced = {} if has_foreign_layers(self.built) else self.built.traced
        self.batch_size = self.batch_size or self.built.batch_size

    # --- weights and states ---------------------------------------------------------------

    @cached_property
    def variables(self) -> list[Any]:
        """The weights in the order of the layers, each once."""
        return weight_variables(self.built)

    @cached_property
    def _seeds(self) -> list[Any]:
        return seed_variables(self.built)

    @cached_property
    def _stateful(self) -> list[Any]:
        return stateful_layers(self.built)

    def slots(self) -> list[WeightSlot]:
        return [
            WeightSlot(str(v.path), tuple(int(n) for n in v.shape), str(v.dtype))
            for v in self.variables
        ]

    def values(self) -> list[Array]:
        self._settle()
        return [as_array(variable) for variable in self.variables]

    def assign(self, values: Sequence[Array]) -> None:
        self._settle()
        for variable, value in zip(self.variables, values, strict=True):
            assign_array(variable, value)

    def reset_states(self, seed: int | None = None) -> None:
        """Put random seeds and recurrent states where each run starts."""
        self._settle()
        base = self.seed if seed is None else seed
        for position, variable in enumerate(self._seeds):
            assign_array(variable, np.asarray([base % (2**31), position], dtype="uint32"))
        for layer in self._stateful:
            layer.reset_state()

    @property
    def is_random(self) -> bool:
        return bool(self._seeds)

    @property
    def _float_dtype(self) -> str:
        """The dtype that the model computes in, as far as it computes in float32 or wider."""
        return "float64" if self.built.precision == "float64" else "float32"

    # --- calls ----------------------------------------------------------------------------

    def run(
        self,
        inputs: Sequence[Array],
        execution: Execution,
        *,
        training: bool = False,
        seed: int | None = None,
        reset: bool = True,
    ) -> Outcome:
        """Call the model once; a refusal by Keras or TensorFlow is part of the outcome."""
        return self.start(inputs, execution, training=training, seed=seed, reset=reset)()

    def start(
        self,
        inputs: Sequence[Array],
        execution: Execution,
        *,
        training: bool = False,
        seed: int | None = None,
        reset: bool = True,
    ) -> Callable[[], Outcome]:
        """Set a call going and return what waits for its outcome.

        A traced call of Keras' own layers computes in a thread of its own while this one goes on,
        say to trace the next: TensorFlow optimises and runs graphs without Python's lock. A call
        that is over before a thread has taken it up is made at once.
        """
        self._settle()
        if reset:
            self.reset_states(seed)
        if self.batch_size is not None and len(inputs[0]) != self.batch_size:
            chunks = self._run_in_chunks(inputs, execution, training, seed)
            return lambda: chunks
        drawn_from = self.seed if seed is None else seed
        try:
            tensors = self._tensors(inputs)
            if execution == "eager":
                with _seeded(drawn_from):
                    return _done(_outcome(self._apply(tensors, training)))
            function = self._trace(tensors, execution, training, drawn_from)
            if has_foreign_layers(self.built):  # it may come back to Python, and draw there
                with _seeded(drawn_from):
                    return _done(_outcome(function(*tensors)))
        except Exception as error:  # whatever Keras, TensorFlow or a layer raises is a refusal
            return _done(self._refusal(error, execution))
        if function.is_quick or not self.overlaps:
            return _done(self._finish(partial(function, *tensors), execution))
        self._under_way = _calls().submit(function, *tensors)
        return partial(self._finish, self._under_way.result, execution)

    def _finish(self, call: Callable[[], Any], execution: Execution) -> Outcome:
        try:
            return _outcome(call())
        except Exception as error:  # the same, of the graph that was run
            return self._refusal(error, execution)

    def _settle(self) -> None:
        """Wait for the call that is on its way, however it ends: `_finish` tells of that."""
        if self._under_way is not None:
            wait([self._under_way])
            self._under_way = None

    def _refusal(self, error: Exception, execution: Execution) -> Outcome:
        if is_out_of_memory(error):
            raise MemoryLimitError(
                f"model `{self.built.spec.name}` needs more memory than there is when it is run "
                "on the probes",
                hint="make the input smaller, or use `layerlens summary`, which runs nothing",
            ) from error
        rows = self.built.report.layers
        return Outcome(error=explain_call_error(error, execution=execution, layers=rows))

    def _apply(self, tensors: Sequence[Any], training: bool) -> Any:
        given = tensors[0] if len(tensors) == 1 else list(tensors)
        return self.built.model(given, training=training)

    def in_two_parts(
        self, whole: Any, rest: Any, inputs: Sequence[Array]
    ) -> tuple[Outcome, Outcome] | None:
        """Call eagerly a model with more outputs than this one, and one that goes on from those.

        Returns the outcome of this model and of the other. None where one of them refuses: called
        by itself, it tells why.
        """
        tensors = self._tensors(inputs)
        count = len(_flatten(self.built.model.outputs))
        try:
            with _seeded(self.seed):
                given = tensors[0] if len(tensors) == 1 else list(tensors)
                outputs = _flatten(whole(given, training=False))
                cuts = outputs[count:]
                last = rest(cuts[0] if len(cuts) == 1 else cuts, training=False)
        except Exception:  # it is met again, and told, by whoever calls the models one by one
            return None
        return _outcome(outputs[:count]), _outcome(last)

    def _trace(
        self, tensors: Sequence[Any], execution: Execution, training: bool, seed: int
    ) -> Traced:
        signature = self._signature(tensors, execution)
        key = (execution, training, tuple(tuple(s.shape) for s in signature))
        if key not in self._traced:
            self._traced[key] = self._traced_anew(signature, training, seed)
        return self._traced[key]

    def _signature(self, tensors: Sequence[Any], execution: Execution) -> list[Any]:
        if execution == "traced":
            return [tf.TensorSpec(t.shape, t.dtype) for t in tensors]
        return [
            tf.TensorSpec([self.built.batch_size, *spec.shape], t.dtype)
            for spec, t in zip(self.built.inputs, tensors, strict=True)
        ]

    def _traced_anew(self, signature: Sequence[Any], training: bool, seed: int) -> Traced:
        function = tf.function(lambda *given: self._apply(given, training), autograph=False)
        with _seeded(seed):
            return Traced(function.get_concrete_function(*signature))

    def run_rounding_at_random(
        self, inputs: Sequence[Array], size: float, *, draws: int, training: bool = False
    ) -> list[Outcome]:
        """Run traced with unknown axes, every operation moving its results by up to `size`.

        Each draw rounds differently, two by two in opposite directions. None come back where the
        model cannot be traced so, or takes one batch size only.
        """
        if self.batch_size is not None and len(inputs[0]) != self.batch_size:
            return []
        key = ("rounding_at_random", size, training)
        try:
            tensors = self._tensors(inputs)
            if key not in self._traced:
                signature = self._signature(tensors, "traced_dynamic")
                rounding = RandomRounding(self._float_dtype, size, self.seed)
                with rounding.while_tracing():
                    anew = self._traced_anew(signature, training, self.seed)
                anew.rounding = rounding
                self._traced[key] = anew
            traced = self._traced[key]
            outcomes = []
            for draw in range(draws):
                self.reset_states()
                if traced.rounding is not None:
                    traced.rounding.start_draw(draw)
                with _seeded(self.seed):
                    outcomes.append(_outcome(traced(*tensors)))
            return outcomes
        except Exception as error:  # a layer may not be traced again, or not with more operations
            self._refusal(error, "traced_dynamic")  # raises where memory has run out
            return []

    def concrete(self, inputs: Sequence[Array], *, training: bool = False) -> Any:
        """Return the function traced with unknown batch and variable axes (for its graph)."""
        return self._trace(self._tensors(inputs), "traced_dynamic", training, self.seed).function

    def traced_for_inference(self) -> Any:
        """Return what was traced with unknown batch and variable axes so far; None if nothing."""
        return next(
            (
                traced.function
                for (execution, training, _), traced in self._traced.items()
                if execution == "traced_dynamic" and not training
            ),
            None,
        )

    def float32_residue(self, inputs: Sequence[Array], written: Collection[float]) -> Residue:
        """Return what in the float64 model's graph still computes in, or was rounded to, float32.

        Keras and TensorFlow take some constants (a slope, a scale) as float32 whatever the dtype
        policy: the op's attribute has no float64 form, or Python's number went through float32.
        A number that is just as `written` in the layers' descriptions was not rounded.
        """
        graph = self.concrete(inputs).graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        names = {node.name for node in nodes if node.op == "Const"}
        constants = {value for node in nodes for value in _rounded_constants(node, written)}
        computed = any(_computes_in_float32(node, names) for node in nodes)
        return Residue(frozenset(constants), computed)

    def _tensors(self, inputs: Sequence[Array]) -> list[Any]:
        return [
            tf.convert_to_tensor(_laid_out(array, tensor), dtype=_tensor_dtype(array, tensor))
            for array, tensor in zip(inputs, _model_inputs(self.built.model), strict=True)
        ]

    def _run_in_chunks(
        self,
        inputs: Sequence[Array],
        execution: Execution,
        training: bool,
        seed: int | None,
    ) -> Outcome:
        """Run a model that was built for one batch size; each chunk starts from clear states."""
        total = len(inputs[0])
        parts: list[Outcome] = []
        for few in self.parts(inputs):
            part = self.run(few, execution, training=training, seed=seed)
            if part.error is not None:
                return part
            parts.append(part)
        joined = tuple(
            np.concatenate([part.outputs[i] for part in parts])[:total]
            for i in range(len(parts[0].outputs))
        )
        return Outcome(joined, parts[0].dtypes)

    def parts(self, inputs: Sequence[Array]) -> Iterator[list[Array]]:
        """Yield inputs in batches that the model takes; the last is filled up with the first rows.

        All at once, unless there is one batch size.
        """
        total = len(inputs[0])
        size = self.batch_size or total
        for start in range(0, total, size):
            rows = np.arange(start, start + size) % total
            yield [array[rows] for array in inputs]

    def fitted(self, inputs: Sequence[Array], samples: int | None = None) -> list[Array]:
        """Return inputs of the one batch size, or of `samples`."""
        rows = np.arange(self.batch_size or samples or len(inputs[0])) % len(inputs[0])
        return [array[rows] for array in inputs]

    # --- what stands beside the output ------------------------------------------------------

    def masks(self, inputs: Sequence[Array], *, training: bool = False) -> list[Array | None]:
        """Return the mask that each output passes on, as an eager call leaves it."""
        self.reset_states()
        with _seeded(self.seed):
            outputs = self._apply(self._tensors(inputs), training)
        return [
            None if mask is None else np.asarray(mask)
            for mask in (getattr(output, "_keras_mask", None) for output in _flatten(outputs))
        ]

    def losses(self, inputs: Sequence[Array], *, training: bool = False) -> float:
        """Return the sum of all losses that layers add or regularise with, for one eager call."""
        self.reset_states()
        with _seeded(self.seed):
            self._apply(self._tensors(inputs), training)
        return float(sum(float(np.asarray(loss)) for loss in self.built.model.losses))

    def gradients(
        self,
        inputs: Sequence[Array],
        directions: Sequence[NDArray[np.float64]],
        *,
        training: bool = False,
        seed: int | None = None,
    ) -> Gradients | None:
        """Return d(sum of output × direction) by the inputs and by the weights.

        None stands where nothing flows, as TensorFlow tells it, and for all of it where TensorFlow
        has no gradient of an operation in this precision.
        """
        self.reset_states(seed)
        tensors = self._tensors(inputs)
        watched = [t for t in tensors if t.dtype.is_floating]
        weights = [v.value for v in self.variables]
        with _seeded(self.seed if seed is None else seed), tf.GradientTape() as tape:
            for tensor in watched:
                tape.watch(tensor)
            outputs = [o for o in _flatten(self._apply(tensors, training)) if o.dtype.is_floating]
            total = tf.add_n(
                [
                    tf.reduce_sum(tf.cast(output, "float64") * tf.constant(direction))
                    for output, direction in zip(outputs, directions, strict=True)
                ]
            )
        try:
            by_inputs, by_weights = tape.gradient(total, (watched, weights))
        except (LookupError, tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return None
        return [_dense(g) for g in by_inputs], [_dense(g) for g in by_weights]


@cache
def _calls() -> ThreadPoolExecutor:
    """Return the threads in which traced calls compute."""
    return ThreadPoolExecutor(2, thread_name_prefix="traced-call")


def _done(outcome: Outcome) -> Callable[[], Outcome]:
    return lambda: outcome


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's and NumPy's generators, from which some layers draw, and put them back."""
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


# --- the model's parts ---------------------------------------------------------------------------


def _model_inputs(model: Any) -> list[Any]:
    return list(model.inputs)


def _flatten(outputs: Any) -> list[Any]:
    return list(keras.tree.flatten(outputs))


def _outcome(outputs: Any) -> Outcome:
    tensors = _flatten(outputs)
    return Outcome(
        tuple(as_array(tensor) for tensor in tensors),
        tuple(_dtype_name(tensor) for tensor in tensors),
    )


def _dtype_name(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _rounded_constants(node: Any, written: Collection[float]) -> Iterator[float]:
    """Yield the numbers in a graph node of a float64 model that look rounded to float32.

    A number that float32 holds as it was written (1.0, 0.5) is not rounded by going through it.
    """
    values: list[float] = []
    if node.op == "LeakyRelu":  # its slope is a float32 attribute
        values = [float(node.attr["alpha"].f)]
    floats = {*_narrow(), tf.float64.as_datatype_enum}
    if node.op == "Const" and node.attr["dtype"].type in floats:
        array = np.atleast_1d(tf.make_ndarray(node.attr["value"].tensor)).ravel()[:16]
        values = [float(value) for value in array]
    yield from (value for value in values if _is_rounded(value, written))


def _computes_in_float32(node: Any, constants: Collection[str]) -> bool:
    """Tell whether a graph node of a float64 model works in a narrower floating dtype."""
    if node.op in ("LeakyRelu", "Const"):
        return False
    if node.op == "Cast":
        source = node.input[0].split(":")[0]
        return node.attr["SrcT"].type in _narrow() and source not in constants
    return any(node.attr[key].type in _narrow() for key in ("T", "dtype") if key in node.attr)


def _narrow() -> set[int]:
    dtypes = (tf.float32, tf.float16, tf.bfloat16)
    return {dtype.as_datatype_enum for dtype in dtypes}


def _is_rounded(value: float, written: Collection[float]) -> bool:
    """Tell whether a number looks like one with few digits that went through float32."""
    return bool(
        np.isfinite(value)
        and value not in written
        and value == np.float32(value)
        and float(f"{value:.7g}") != value
    )


def _laid_out(array: Array, tensor: Any) -> Array:
    """Return an input in the layout that the model declares: it may have an `input` of its own."""
    shape = tuple(tensor.shape[1:])
    if None in shape or len(shape) == array.ndim - 1:
        return np.asarray(array)
    return np.asarray(array).reshape(len(array), *shape)


def _dense(gradient: Any) -> Array | None:
    if gradient is None:
        return None
    return as_array(tf.convert_to_tensor(gradient))


def _tensor_dtype(array: Array, tensor: Any) -> Any:
    dtype = str(tensor.dtype)
    return tf.as_dtype(dtype)


@contextmanager
def restoring_weights(*models: Built | Refused) -> Iterator[None]:
    """Context manager that restores weights, seeds and recurrent states of models afterwards."""
    runners = [KerasRunner(one) for one in models if isinstance(one, Built) and one.allocated]
    own = [runner.values() for runner in runners]
    try:
        yield
    finally:
        for runner, values in zip(runners, own, strict=True):
            runner.assign(values)
            runner.reset_states()
