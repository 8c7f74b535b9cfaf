"""Run a built model with given weights and inputs, in one of three ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from layerlens.errors import MemoryLimitError
from layerlens.models.backend.exhaustion import is_out_of_memory
from layerlens.models.build.request import Built
from layerlens.models.execute.gradients import Gradients, gradients_of
from layerlens.models.execute.inner_rounding import RandomRounding, RandomSteps
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.input_tensors import tensors_for
from layerlens.models.execute.lengths import MOST_EAGER, goes_by_steps
from layerlens.models.execute.outcome import Outcome, flat_tensors, outcome_of
from layerlens.models.execute.seeded_generators import seeded_generators
from layerlens.models.execute.traced_function import TracedFunction
from layerlens.models.execute.tracing import trace_call
from layerlens.models.execute.variables import (
    LARGE,
    as_array,
    assign_array,
    assign_blocks,
    assign_reshaped,
    depthwise_kernels,
    memory_of,
    seed_variables,
    stateful_layers,
    weight_variables,
)
from layerlens.models.inspect.nested_layers import flat_layers, layers_told_to_train
from layerlens.models.keras_errors import explain_call_error
from layerlens.numerics.arrays import Array
from layerlens.numerics.weight_values import WeightSlot
from layerlens.vocabulary import Execution


@dataclass
class KerasRunner:
    """Runs one built model: eagerly, traced with known shapes, or traced with unknown ones.

    The model is a private copy whose weights and states may be set. Every call starts from the
    same random seeds and from cleared recurrent states.
    """

    #: Whether traced calls may compute in other threads. Not where all processors work on other
    #: scenarios, which a thread would only slow down.
    overlaps: ClassVar[bool] = True

    built: Built
    seed: int = 0
    #: The only batch size to call the model with: its own, or that of the other model of a pair.
    batch_size: int | None = None
    _traced: dict[tuple[Any, ...], TracedFunction] = field(init=False)
    #: The traces of user code that proofs may rest on, by mode and by shapes (None: unknown).
    guarded: dict[Any, Any] = field(default_factory=dict, repr=False)
    #: The call that still runs in a thread; it has to end before weights or states change.
    _running_call: Future[Any] | None = None

    def __post_init__(self) -> None:
        # A trace of layers that Keras does not define may hold the state at the time of tracing.
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
        depthwise = depthwise_kernels(self.layers)
        return [
            WeightSlot(
                str(v.path), tuple(int(n) for n in v.shape), str(v.dtype), id(v) in depthwise
            )
            for v in self.variables
        ]

    def values(self) -> list[Array]:
        self._wait()
        return [as_array(variable) for variable in self.variables]

    def assign(self, values: Sequence[Array]) -> None:
        self._wait()
        for variable, value in zip(self.variables, values, strict=True):
            assign_array(variable, value)

    def assign_blocks(self, values: Iterable[Iterable[Array]]) -> None:
        """Set the weights to values that come in blocks."""
        self._wait()
        for variable, blocks in zip(self.variables, values, strict=True):
            assign_blocks(variable, blocks)

    def assign_changed(
        self,
        before: Sequence[Array] | None,
        values: Sequence[Array],
        held: Mapping[Any, Any] = MappingProxyType({}),
    ) -> None:
        """Set the weights where they are other arrays than those assigned before.

        `held` has variables of another model by the memory of the values that they hold. Their
        memory is shared until either variable changes.
        """
        self._wait()
        for position, (variable, new) in enumerate(zip(self.variables, values, strict=True)):
            if before is not None and new is before[position]:
                continue
            same = held.get(memory_of(new)) if new.size > LARGE else None
            if same is not None and same.dtype == variable.dtype:
                assign_reshaped(variable, same)
            else:
                assign_array(variable, new)

    def reset_states(self, seed: int | None = None) -> None:
        """Set random seeds and recurrent states to those at the start of every run."""
        self._wait()
        base = self.seed if seed is None else seed
        for position, variable in enumerate(self._seeds):
            assign_array(variable, np.asarray([base % (2**31), position], dtype="uint32"))
        for layer in self._stateful:
            layer.reset_state()

    @property
    def keras(self) -> KerasRunner:
        return self

    @cached_property
    def layers(self) -> tuple[Any, ...]:
        """The layers of the model, nested ones too."""
        return tuple(flat_layers(self.built.model))

    @property
    def is_random(self) -> bool:
        return bool(self._seeds)

    @property
    def _float_dtype(self) -> str:
        """The widest dtype that the model computes in."""
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
        """Call the model once; an error of Keras or TensorFlow is part of the outcome.

        Raises:
            MemoryLimitError: memory ran out.
        """
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
        """Start a call and return a function that waits for its outcome.

        A traced call of Keras' own layers runs in another thread while this one continues, for
        example with tracing: TensorFlow optimizes and runs graphs without Python's lock. A call
        that takes less time than starting a thread is made at once.
        """
        self._wait()
        if reset:
            self.reset_states(seed)
        if self.batch_size is not None and len(inputs[0]) != self.batch_size:
            joined = self._run_in_batches(inputs, execution, training, seed)
            return lambda: joined
        drawn_from = self.seed if seed is None else seed
        try:
            tensors = self._tensors(inputs)
            if execution == "eager":
                with seeded_generators(drawn_from):
                    mode = None if self._keeps_own_mode and not training else training
                    return _done(outcome_of(self._apply(tensors, mode)))
            function = self._trace(tensors, execution, training, drawn_from)
            if has_foreign_layers(self.built):  # they may call Python, and draw numbers there
                with seeded_generators(drawn_from):
                    return _done(outcome_of(function(*tensors)))
        except Exception as error:  # Keras, TensorFlow or a layer may raise anything
            return _done(self._refusal(error, execution))
        if function.is_quick or not self.overlaps:
            return _done(self._finish(partial(function, *tensors), execution))
        self._running_call = _calls().submit(function, *tensors)
        return partial(self._finish, self._running_call.result, execution)

    def _finish(self, call: Callable[[], Any], execution: Execution) -> Outcome:
        try:
            return outcome_of(call())
        except Exception as error:  # the same, raised while the graph runs
            return self._refusal(error, execution)

    def _wait(self) -> None:
        """Wait until the running call ends; `_finish` reports how."""
        if self._running_call is not None:
            wait([self._running_call])
            self._running_call = None

    def _refusal(self, error: Exception, execution: Execution) -> Outcome:
        if is_out_of_memory(error):
            raise MemoryLimitError(
                f"model `{self.built.spec.name}` needs more memory than is available to "
                f"run on the probes",
                hint="make the input smaller, or use `layerlens summary`, which runs nothing",
            ) from error
        rows = self.built.report.layers
        return Outcome(error=explain_call_error(error, execution=execution, layers=rows))

    def _apply(self, tensors: Sequence[Any], training: bool | None) -> Any:
        """Call the model; None stands for `model(x)`, which says nothing about training.

        `predict` says False, which overrules the `training` that a layer was called with.
        """
        given = tensors[0] if len(tensors) == 1 else list(tensors)
        arguments = {} if training is None else {"training": training}
        return self.built.model(given, **arguments)

    @cached_property
    def _keeps_own_mode(self) -> bool:
        """Whether a layer is called in training mode when the model is called without a mode."""
        return any(layers_told_to_train(self.built.model))

    def in_two_parts(
        self, whole: Any, rest: Any, inputs: Sequence[Array]
    ) -> tuple[Outcome, Outcome] | None:
        """Call `whole` eagerly, then `rest` on those of its outputs that this model does not have.

        Returns the outcomes of this model and of `rest`; None where either call raises.
        """
        tensors = self._tensors(inputs)
        count = len(flat_tensors(self.built.model.outputs))
        try:
            with seeded_generators(self.seed):
                given = tensors[0] if len(tensors) == 1 else list(tensors)
                outputs = flat_tensors(whole(given, training=False))
                cuts = outputs[count:]
                last = rest(cuts[0] if len(cuts) == 1 else cuts, training=False)
        except Exception:  # raised again, and reported, when the models are called one by one
            return None
        return outcome_of(outputs[:count]), outcome_of(last)

    def _trace(
        self, tensors: Sequence[Any], execution: Execution, training: bool, seed: int
    ) -> TracedFunction:
        signature = self._signature(tensors, execution)
        key = (execution, training, tuple(tuple(s.shape) for s in signature))
        if key not in self._traced:
            self._traced[key] = self._newly_traced(signature, training, seed)
        return self._traced[key]

    def _signature(self, tensors: Sequence[Any], execution: Execution) -> list[Any]:
        if execution == "traced":
            return [tf.TensorSpec(t.shape, t.dtype) for t in tensors]
        return [
            tf.TensorSpec([self.built.batch_size, *spec.shape], t.dtype)
            for spec, t in zip(self.built.inputs, tensors, strict=True)
        ]

    def _newly_traced(self, signature: Sequence[Any], training: bool, seed: int) -> TracedFunction:
        with seeded_generators(seed):
            return TracedFunction(
                trace_call(lambda *given: self._apply(given, training), signature)
            )

    def run_rounding_at_random(
        self, inputs: Sequence[Array], size: float, *, draws: int, training: bool = False
    ) -> list[Outcome]:
        """Run a trace in which every operation changes its results by up to a relative `size`.

        Each draw rounds differently, in pairs of opposite directions. Returns an empty list where
        the model cannot be traced this way, or takes another batch size.
        """
        rounding = RandomRounding(self._float_dtype, size, self.seed)
        key = ("rounding_at_random", size, training)
        return self._run_changed(inputs, rounding, key, draws, training)

    def run_quantized_at_random(
        self, inputs: Sequence[Array], steps: Mapping[tuple[int, ...], float], *, draws: int
    ) -> list[Outcome]:
        """Run a trace in which every operation changes its results by half a step.

        `steps` has the steps by shape per sample. Returns an empty list like the function above.
        """
        changes = RandomSteps(self._float_dtype, steps, self.seed)
        key = ("quantized_at_random", tuple(sorted(steps.items())))
        return self._run_changed(inputs, changes, key, draws, training=False)

    def _run_changed(
        self,
        inputs: Sequence[Array],
        rounding: RandomRounding,
        key: tuple[Any, ...],
        draws: int,
        training: bool,
    ) -> list[Outcome]:
        if self.batch_size is not None and len(inputs[0]) != self.batch_size:
            return []
        try:
            tensors = self._tensors(inputs)
            if key not in self._traced:
                signature = self._signature(tensors, "traced_dynamic")
                with rounding.while_tracing():
                    anew = self._newly_traced(signature, training, self.seed)
                anew.rounding = rounding
                self._traced[key] = anew
            traced = self._traced[key]
            outcomes = []
            for draw in range(draws):
                self.reset_states()
                if traced.rounding is not None:
                    traced.rounding.start_draw(draw)
                with seeded_generators(self.seed):
                    outcomes.append(outcome_of(traced(*tensors)))
            return outcomes
        except Exception as error:  # a layer may fail when traced again, or with more operations
            self._refusal(error, "traced_dynamic")  # raises if memory ran out
            return []

    def concrete(
        self,
        inputs: Sequence[Array],
        *,
        training: bool = False,
        known_shapes: bool = False,
        known_lengths: bool = False,
    ) -> Any:
        """Return the traced function, for its graph.

        Batch and variable axes are unknown in it, unless it is traced for `known_shapes`, those of
        the inputs, or for `known_lengths`, all of them but the batch.
        """
        tensors = self._tensors(inputs)
        if not known_lengths:
            execution: Execution = "traced" if known_shapes else "traced_dynamic"
            return self._trace(tensors, execution, training, self.seed).function
        signature = [tf.TensorSpec([self.built.batch_size, *t.shape[1:]], t.dtype) for t in tensors]
        key = ("known_lengths", training, tuple(tuple(s.shape) for s in signature))
        if key not in self._traced:
            self._traced[key] = self._newly_traced(signature, training, self.seed)
        return self._traced[key].function

    def traced_anew(self, inputs: Sequence[Array], *, training: bool, known_shapes: bool) -> Any:
        """Return the function traced as `concrete` does, but not one that was traced before.

        Generators of Python and NumPy go on from where they are.
        """
        self._wait()
        execution: Execution = "traced" if known_shapes else "traced_dynamic"
        signature = self._signature(self._tensors(inputs), execution)
        return trace_call(lambda *given: self._apply(given, training), signature)

    def already_traced(self, *, training: bool = False) -> Any:
        """Return the function already traced with unknown batch and variable axes; None without."""
        return next(
            (
                traced.function
                for (execution, mode, _), traced in self._traced.items()
                if execution == "traced_dynamic" and mode == training
            ),
            None,
        )

    def _tensors(self, inputs: Sequence[Array]) -> list[Any]:
        return tensors_for(self.built.model, inputs)

    def _run_in_batches(
        self,
        inputs: Sequence[Array],
        execution: Execution,
        training: bool,
        seed: int | None,
    ) -> Outcome:
        """Run a model of a fixed batch size in batches, each from cleared states."""
        total = len(inputs[0])
        parts: list[Outcome] = []
        for few in self.batches(inputs):
            part = self.run(few, execution, training=training, seed=seed)
            if part.error is not None:
                return part
            parts.append(part)
        joined = tuple(
            np.concatenate([part.outputs[i] for part in parts])[:total]
            for i in range(len(parts[0].outputs))
        )
        return Outcome(joined, parts[0].dtypes)

    def batches(self, inputs: Sequence[Array]) -> Iterator[list[Array]]:
        """Yield the inputs in batches of the fixed size, or all in one batch without such a size.

        The last batch is filled up with the first rows.
        """
        total = len(inputs[0])
        size = self.batch_size or total
        for start in range(0, total, size):
            rows = np.arange(start, start + size) % total
            yield [array[rows] for array in inputs]

    def fitted(self, inputs: Sequence[Array], samples: int | None = None) -> list[Array]:
        """Return rows of the inputs, repeated to the fixed batch size, or else to `samples`."""
        rows = np.arange(self.batch_size or samples or len(inputs[0])) % len(inputs[0])
        return [array[rows] for array in inputs]

    # --- masks, losses, gradients -----------------------------------------------------------

    def masks(
        self, inputs: Sequence[Array], *, training: bool = False
    ) -> list[Array | None] | None:
        """Return the mask of each output of an eager call; None where it has none."""
        self.reset_states()
        with seeded_generators(self.seed):
            outputs = self._apply(self._tensors(inputs), training)
        return [
            None if mask is None else np.asarray(mask)
            for mask in (getattr(output, "_keras_mask", None) for output in flat_tensors(outputs))
        ]

    def losses(self, inputs: Sequence[Array], *, training: bool = False) -> float:
        """Return the sum of all losses that the layers add in one eager call."""
        self.reset_states()
        with seeded_generators(self.seed):
            self._apply(self._tensors(inputs), training)
        return float(sum(float(np.asarray(loss)) for loss in self.built.model.losses))

    def gradients(
        self,
        inputs: Sequence[Array],
        directions: Sequence[NDArray[np.float64]],
        *,
        training: bool = False,
        seed: int | None = None,
        frozen: bool = False,
    ) -> Gradients | None:
        """Return the gradients of sum(output × direction) by the inputs and by the weights.

        With `frozen` also by weights that are not trainable, such as moving statistics.
        A gradient is None where no output depends on the input or weight. The result is None where
        TensorFlow has no gradient of an operation in this precision.
        """
        self.reset_states(seed)
        weights = [variable.value for variable in self.variables]
        tensors = self._tensors(inputs)
        steps = max((array.shape[1] for array in inputs if array.ndim > 1), default=0)
        call: Callable[[Sequence[Any]], Any] = partial(self._apply, training=training)
        if steps > MOST_EAGER and any(map(goes_by_steps, self.layers)):
            call = tf.function(call, autograph=False)
        with seeded_generators(self.seed if seed is None else seed):
            return gradients_of(
                call,
                tensors,
                weights,
                directions,
                frozen=frozen,
            )


@cache
def _calls() -> ThreadPoolExecutor:
    """Return the threads in which traced calls compute."""
    return ThreadPoolExecutor(2, thread_name_prefix="traced-call")


def _done(outcome: Outcome) -> Callable[[], Outcome]:
    return lambda: outcome
