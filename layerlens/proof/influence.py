"""Tell the weights that cannot influence an output from those that no probe has shown to do so.

A model is held against itself with other values of such weights: where both are proved to be one
function, no output depends on these weights, as none depends on the bias of the keys in attention.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import weight_variables
from layerlens.proof.field.residues import VanishedError
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.graphs import GraphProof
from layerlens.proof.parts import WholeModels
from layerlens.proof.refusals import refuse_what_no_graph_tells

#: Where not all of some weights are without influence, so many are tried one by one.
MOST_ALONE = 8


@dataclass(frozen=True, slots=True)
class WithoutInfluence:
    """Weights on which no output depends, and the chance that this is wrong, at most."""

    paths: frozenset[str] = frozenset()
    error_bound: float = 0.0


def without_influence(side: Side, paths: Collection[str], *, seed: int) -> WithoutInfluence:
    """Return those of a model's weights, given by path, that are proved to be without influence.

    It is proved in the mode of the side, inference or training. A weight that is not returned may
    be without influence all the same.
    """
    if not paths:
        return WithoutInfluence()
    both = WholeModels((side, side))
    try:
        refuse_what_no_graph_tells(both, 0)
    except CannotProveError:
        return WithoutInfluence()
    bound = _bound(both, paths, seed)
    if bound is not None:
        return WithoutInfluence(frozenset(paths), bound)
    if len(paths) == 1:
        return WithoutInfluence()
    found = {path: _bound(both, (path,), seed) for path in sorted(paths)[:MOST_ALONE]}
    proved = {path: bound for path, bound in found.items() if bound is not None}
    # Each is wrong with at most its own chance.
    return WithoutInfluence(frozenset(proved), sum(proved.values()))


def _bound(both: WholeModels, paths: Collection[str], seed: int) -> float | None:
    """Return the chance of an error with which the outputs do not depend on any of some weights.

    None where that is not proved.
    """
    variables = weight_variables(both.built[0])
    names = {id(variable): place for place, variable in enumerate(variables)}
    anew = frozenset(names[id(v)] for v in variables if str(v.path) in paths)
    if not anew:
        return None
    try:
        proof = GraphProof(both, names, seed, anew, by_distances=True)
        return proof.certificate().error_bound
    except (CannotProveError, VanishedError):
        return None
