"""Run a TensorFlow graph in the algebra of a proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.movement import MOVEMENTS, Movement
from layerlens.proof.field.operations import HANDLERS, constant_result
from layerlens.proof.field.program import Operation, operations_of
from layerlens.proof.field.samples import SampleCheck
from layerlens.proof.field.value import CannotProveError, Value, constant, greatest, least

#: Graphs that run more operations at one size take longer to prove than to probe.
MOST_OPERATIONS = 20_000
#: Operations whose outputs are their inputs in a forward pass.
_SAME = frozenset(
    {
        "CheckNumerics",
        "EnsureShape",
        "Identity",
        "IdentityN",
        "PreventGradient",
        "Snapshot",
        "StopGradient",
    }
)
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
#: Operations on computed integers that are exact unless they overflow.
_WHOLE_ARITHMETIC = frozenset({"Add", "AddV2", "Mul", "Neg", "Square", "Sub"})
#: Operations on integers that return some of them.
_CHOOSING = frozenset(
    {
        "Bucketize",
        "Cast",
        "GatherV2",
        "Max",
        "Maximum",
        "Min",
        "Minimum",
        "OneHot",
        "Relu",
        "Select",
        "SelectV2",
    }
)
#: Exact on constants as well; of other functions of constants TensorFlow's own result is taken.
_EXACT_ON_CONSTANTS = frozenset({"Add", "AddV2", "Cast", "Mul", "Neg", "RealDiv", "Square", "Sub"})

#: Why the places of sorted elements are not known.
_PLACES = "it computes with positions in an order that depends on data"

#: How loops count; NumPy's own functions, on arrays of the same dtypes.
_COUNTING: dict[str, Any] = {
    "Add": np.add,
    "AddV2": np.add,
    "Greater": np.greater,
    "Less": np.less,
    "LogicalAnd": np.logical_and,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mul": np.multiply,
    "Sub": np.subtract,
}

#: A list of tensors, as loops fill it; None: not set yet.
TensorList: TypeAlias = "list[Value | None]"
#: Why a tensor has no value, such as a variable that is not a weight.
Reason: TypeAlias = str


@dataclass
class Variable:
    """A variable while a graph runs, which may assign it."""

    value: Value | Reason
    #: What is taken for granted of its first value.
    assumption: str | None = None


Slot: TypeAlias = "Value | TensorList | Variable | Reason"


class Interpreter:
    """Runs graphs in an algebra."""

    def __init__(self, algebra: Algebra) -> None:
        self.algebra = algebra
        self._movement = Movement(algebra)
        self._operations = 0
        #: Refuses what may depend on the number of samples; None where that is not looked at.
        self.samples: SampleCheck | None = None
        #: The sizes of axes at which an addition may be traced otherwise for a known batch size.
        self.doubtful_sizes: set[int] = set()

    def run(self, graph: Any, arguments: Sequence[Slot]) -> list[Slot]:
        """Return the outputs of a graph.

        Raises:
            CannotProveError: an operation is not supported, or depends on data as it may not.
        """
        slots: dict[str, Slot] = {
            tensor.name: slot for tensor, slot in zip(graph.inputs, arguments, strict=True)
        }
        for operation in operations_of(graph):
            self._count()
            outputs = self._outputs(operation, [slots[name] for name in operation.input_names])
            slots.update(zip(operation.output_names, outputs, strict=True))
        return [slots[tensor.name] for tensor in graph.outputs]

    def _count(self) -> None:
        self._operations += 1
        if self._operations > MOST_OPERATIONS:
            raise CannotProveError(f"the graphs run more than {MOST_OPERATIONS:,} operations")

    def _outputs(self, operation: Operation, inputs: Sequence[Slot]) -> Sequence[Slot]:
        kind = operation.type
        if kind in ("While", "StatelessWhile"):
            return self._loop(operation, inputs)
        if kind in _CALLS:
            return self.run(operation.function("f"), inputs)
        if kind in ("If", "StatelessIf"):
            chosen = _value(inputs[0]).array("a branch")
            branch = "then_branch" if bool(chosen) else "else_branch"
            return self.run(operation.function(branch), inputs[1:])
        if kind in _SAME:
            return inputs
        if any(isinstance(slot, Variable) for slot in inputs):
            return self._with_variable(operation, inputs)
        if kind.startswith("TensorList"):
            if self.samples is not None and kind == "TensorListFromTensor":
                self.samples.note(operation, [_value(slot) for slot in inputs], [])
            return [_list_operation(self.algebra, kind, inputs)]
        return self._computed(operation, [_value(slot) for slot in inputs])

    def _with_variable(self, operation: Operation, inputs: Sequence[Slot]) -> Sequence[Slot]:
        """Read a variable, or assign it."""
        variable, *given = inputs
        if not isinstance(variable, Variable):
            raise CannotProveError(f"the operation `{operation.type}` is not supported")
        match operation.type, given:
            case "ReadVariableOp", []:
                return [self._read(variable)]
            case "AssignVariableOp", [value]:
                variable.value, variable.assumption = _value(value), None
                return []
            case ("AssignAddVariableOp" | "AssignSubVariableOp") as kind, [value]:
                before, change = _value(self._read(variable)), _value(value)
                is_defined = before.needs is None and change.needs is None
                if before.kind == change.kind == "float" and is_defined:
                    join = self.algebra.add if "Add" in kind else self.algebra.subtract
                    variable.value, variable.assumption = join(before, change), None
                    return []
        raise CannotProveError(f"the operation `{operation.type}` is not supported")

    def _read(self, variable: Variable) -> Value | Reason:
        if variable.assumption is not None:
            self.algebra.assumptions.add(variable.assumption)
        return variable.value

    def _loop(self, operation: Operation, inputs: Sequence[Slot]) -> Sequence[Slot]:
        condition, body = (operation.function(name) for name in ("cond", "body"))
        state = list(inputs)
        while True:
            (goes_on,) = self.run(condition, state)
            if not bool(_value(goes_on).array("the length of a loop")):
                return state
            state = self.run(body, state)

    def _computed(self, operation: Operation, inputs: Sequence[Value]) -> Sequence[Slot]:
        """Return the outputs of an operation on tensors.

        Raises:
            CannotProveError: it is not supported, or not for these shapes and attributes.
        """
        try:
            outputs = self._understood(operation, inputs)
            if self.samples is not None:
                self.samples.note(operation, inputs, outputs)
            moved = partial(self._movement.places, operation, inputs)
            is_moved = _moves(operation, inputs)
            self.algebra.definedness.follow(operation, inputs, outputs, moved if is_moved else None)
            # The second output of a sort has no value here, but may not be needed.
            return [*outputs, *[_PLACES] * (len(operation.outputs) - len(outputs))]
        except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
            reason = f"`{operation.type}` is not supported here ({type(error).__name__})"
            raise CannotProveError(reason) from error

    def _understood(self, operation: Operation, inputs: Sequence[Value]) -> list[Value]:
        kind = operation.type
        if kind == "Const":
            return [constant(operation.constant)]
        if kind in ("Shape", "ShapeN", "Size", "Rank"):
            return [_shape_of(operation, value) for value in inputs]
        if kind in ("ZerosLike", "OnesLike"):
            dtype = operation.outputs[0].dtype.as_numpy_dtype
            return [constant(np.full(inputs[0].shape, kind == "OnesLike", dtype))]
        if operation.is_stateful:
            raise CannotProveError(f"`{kind}` may return a different result each time")
        if all(value.constant is not None for value in inputs):
            _refuse_counting(operation, inputs)
            return self._of_constants(operation, inputs)
        self._note_doubtful(operation)
        if _moves(operation, inputs):
            return self._movement.apply(operation, inputs)
        return [self._handled(operation, inputs)]

    def _of_constants(self, operation: Operation, inputs: Sequence[Value]) -> list[Value]:
        """Return constants; those that simple arithmetic makes of others keep their exact value."""
        if (counted := _of_whole_numbers(operation, inputs)) is not None:
            return [counted]
        found = constant_result(operation, inputs)
        are_floats = all(value.kind == "float" for value in (*inputs, *found))
        if operation.type in _EXACT_ON_CONSTANTS and are_floats:
            exact = self._handled(operation, inputs)
            exact.constant = found[0].constant
            return [exact]
        if operation.type in MOVEMENTS and any(value.residues is not None for value in inputs):
            moved = self._movement.apply(operation, inputs)
            for one, other in zip(moved, found, strict=True):
                one.constant = other.constant
            return moved
        return found

    def _handled(self, operation: Operation, inputs: Sequence[Value]) -> Value:
        handler = HANDLERS.get(operation.type)
        allowed = _WHOLE_ARITHMETIC | _CHOOSING
        if operation.type not in allowed and operation.makes_integers:
            raise CannotProveError("it computes with integers that depend on data")
        if handler is None:
            raise CannotProveError(f"the operation `{operation.type}` is not supported")
        for value in inputs:
            self.algebra.residues(value)
        found = handler(self.algebra, operation, inputs)
        if not operation.makes_integers:
            return found
        if operation.type in _WHOLE_ARITHMETIC:
            return self._exact_whole_numbers(operation, found)
        found.kind = "int"
        return found

    def _exact_whole_numbers(self, operation: Operation, value: Value) -> Value:
        """Return computed integers, which must not leave their dtype.

        Raises:
            CannotProveError: their range is not known, or too wide.
        """
        limits = np.iinfo(operation.outputs[0].dtype.as_numpy_dtype)
        low, high = value.low, value.high
        if low is None or high is None or not limits.min <= low <= high <= limits.max:
            raise CannotProveError("it computes with integers that depend on data")
        value.kind = "int"
        return value

    def _note_doubtful(self, operation: Operation) -> None:
        """Note sizes at which Keras, knowing the batch size, adds the second input as a bias.

        `keras.ops.add` takes a vector, or what squeezes to one, for a bias where its length is
        that of an axis of the first input.
        """
        if operation.type not in ("Add", "AddV2"):
            return
        one, other = (tensor.shape for tensor in operation.inputs)
        if not one.rank or not other.rank or one.rank == 1 or other[0] is not None:
            return
        if one.as_list() == other.as_list():
            return
        self.doubtful_sizes.add(1)
        if all(n == 1 for n in other[1:]):
            self.doubtful_sizes |= {int(n) for n in (one[1], one[-1]) if n is not None}


def _refuse_counting(operation: Operation, inputs: Sequence[Value]) -> None:
    """Raise where constants are added up along an axis of unknown length, and so are its length."""
    if operation.type not in ("Prod", "Sum") or not operation.outputs[0].dtype.is_floating:
        return
    shape = operation.inputs[0].shape
    axes = np.ravel(inputs[1].array("an axis"))
    if shape.rank is None or any(shape[int(axis)] is None for axis in axes):
        raise CannotProveError("it computes with a number of samples or steps")


def _moves(operation: Operation, inputs: Sequence[Value]) -> bool:
    """Return whether an operation moves elements, to places that do not depend on data."""
    is_looking_up = operation.type == "GatherV2" and inputs[1].constant is None
    return operation.type in MOVEMENTS and not is_looking_up


def _of_whole_numbers(operation: Operation, inputs: Sequence[Value]) -> Value | None:
    """Return what a simple operation makes of constant integers, without TensorFlow's pace."""
    function = _COUNTING.get(operation.type)
    if function is None or any(value.kind not in ("int", "bool") for value in inputs):
        return None
    return constant(np.asarray(function(*(value.array("a number") for value in inputs))))


def _value(slot: Slot) -> Value:
    if isinstance(slot, str):
        raise CannotProveError(slot)
    if isinstance(slot, list):
        raise CannotProveError("a list of tensors is used as a tensor")
    if isinstance(slot, Variable):
        raise CannotProveError("a variable is used as a tensor")
    return slot


def _shape_of(operation: Operation, value: Value) -> Value:
    dtype = operation.outputs[0].dtype.as_numpy_dtype
    match operation.type:
        case "Size":
            return constant(np.array(value.size, dtype))
        case "Rank":
            return constant(np.array(value.rank, dtype))
    return constant(np.array(value.shape, dtype))


def _list_operation(algebra: Algebra, kind: str, inputs: Sequence[Slot]) -> Slot:
    match kind, inputs:
        case "TensorListReserve", [_, count]:
            return [None] * _value(count).whole("the length of a list")
        case "TensorListFromTensor", [tensor, _]:
            return _rows(algebra, _value(tensor))
        case "TensorListGetItem", [list() as listed, index, *_]:
            return _set(listed[_value(index).whole("a place in a list")])
        case "TensorListSetItem", [list() as listed, index, item, *_]:
            changed = list(listed)
            changed[_value(index).whole("a place in a list")] = _value(item)
            return changed
        case "TensorListStack", [list() as listed, *_]:
            return _stacked(algebra, [_set(item) for item in listed])
    raise CannotProveError(f"the operation `{kind}` is not supported")


def _refuse_undefined(values: Sequence[Value]) -> None:
    if any(value.needs is not None for value in values):
        raise CannotProveError("a list holds a value that may be undefined")


def _set(item: Value | None) -> Value:
    if item is None:
        raise CannotProveError("an element of a list is read before it is set")
    return item


def _rows(algebra: Algebra, one: Value) -> list[Value | None]:
    if one.constant is not None and one.residues is None:
        return [constant(row) for row in one.constant]
    _refuse_undefined([one])
    residues = algebra.residues(one)
    spread = one.spread if one.spread == frozenset() else None
    return [algebra.like(one, residues[:, row], spread=spread) for row in range(one.shape[0])]


def _stacked(algebra: Algebra, rows: Sequence[Value]) -> Value:
    if not rows:
        raise CannotProveError("an empty list is stacked")
    if all(row.constant is not None and row.residues is None for row in rows):
        return constant(np.stack([row.array("a row") for row in rows]))
    _refuse_undefined(rows)
    growth = rows[0].growth
    for row in rows[1:]:
        growth = growth.joined(row.growth)
    return algebra.made(
        np.stack([algebra.residues(row) for row in rows], axis=1),
        kind=rows[0].kind,
        low=least(*(row.low for row in rows)),
        high=greatest(*(row.high for row in rows)),
        positive=all(row.positive for row in rows),
        growth=growth,
        spread=None,
    )
