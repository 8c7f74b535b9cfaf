"""Read the `graph:` of a model and sort its nodes into building order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from layerlens.errors import Where
from layerlens.fault_codes import Code
from layerlens.plain.suggestion import sure_name
from layerlens.scenario.faults import Faults, misspelt, suggestion
from layerlens.scenario.reading.building_order import building_order, find_cycle
from layerlens.scenario.reading.call_arguments import CALL, Sources
from layerlens.scenario.reading.layer_reader import LayerReader
from layerlens.scenario.spec import LayerSpec, NodeSpec, addressed
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described

#: The keys of a node that are not the class of its layer.
_NODE_KEYS = ("from", "share", CALL)


def read_graph(
    graph: YamlMapping, inputs: Iterable[str] | None, layers: LayerReader, faults: Faults
) -> tuple[NodeSpec, ...]:
    """Return the nodes, each after the nodes it needs.

    Args:
        graph: node → `{ClassName: {...}, from: [...]}` or `{share: node, from: [...]}`, both with
            or without `call: {...}`.
        inputs: the names of the model's inputs; None if they are at fault themselves.
        layers: reads the layers of the nodes.
        faults: receives the faults of the graph.
    """
    return _GraphReader(graph, None if inputs is None else tuple(inputs), layers, faults).nodes()


@dataclass(frozen=True, slots=True)
class Outputs:
    """The nodes that `outputs:` names, and where each name is written."""

    names: tuple[str, ...] = ()
    places: Mapping[str, Where] = field(default_factory=dict)


def read_outputs(
    value: YamlMapping, graph: YamlMapping, inputs: Iterable[str] | None, faults: Faults
) -> Outputs:
    """Return the nodes that `outputs:` beside a graph names.

    Args:
        value: the mapping that has `outputs:`.
        graph: the nodes by name.
        inputs: the names of the model's inputs; None if they are at fault themselves.
        faults: receives the faults of the outputs.
    """
    outputs, at = value.get("outputs"), value.values_at.get("outputs")
    if outputs is None:
        return Outputs()
    listed = _as_sequence(outputs, at)
    if not isinstance(listed, YamlSequence) or not listed:
        faults.add(
            Code.BAD_NODE, f"`outputs` takes names of nodes; received {described(outputs)}", at
        )
        return Outputs()
    for output, place in listed.with_positions():
        if not isinstance(output, str):
            faults.add(
                Code.BAD_NODE,
                f"`outputs` takes names of nodes; received {described(output)}",
                place,
            )
        elif output in (inputs or ()) and output not in graph:
            faults.add(
                Code.BAD_NODE,
                f"`outputs` takes names of nodes; `{output}` is an input",
                place,
                f"add a node that returns it: `same: {{Identity: {{}}, from: [{output}]}}`",
            )
        elif addressed(output, graph) is None:
            _refuse_unknown(output, graph, place, faults)
    return Outputs(tuple(str(output) for output in listed), _places(listed, faults))


def _places(listed: YamlSequence, faults: Faults) -> dict[str, Where]:
    return {str(name): faults.where(at) for name, at in listed.with_positions() if at is not None}


def _as_sequence(value: Any, at: Position | None) -> Any:
    """Return a text as a sequence of one."""
    if not isinstance(value, str):
        return value
    listed = YamlSequence(at)
    listed.put(value, at)
    return listed


def _refuse_unknown(source: str, known: Iterable[str], at: Position | None, faults: Faults) -> None:
    """Add the fault of a name that is no node or input, or of a position that is no number."""
    names = list(known)
    node, _, position = source.rpartition(":")
    if node in names:
        faults.add(
            Code.UNKNOWN_NODE,
            f'"{position}" is not an output of `{node}`',
            at,
            f"outputs count from 0: `{node}:0` is the first",
        )
    else:
        faults.add(
            Code.UNKNOWN_NODE,
            f"unknown node or input `{source}`",
            at,
            suggestion(node or source, names),
        )


@dataclass(frozen=True, slots=True)
class _GraphReader:
    """Reads the nodes of one graph."""

    graph: YamlMapping
    inputs: tuple[str, ...] | None
    layers: LayerReader
    faults: Faults
    #: What all nodes share: the names that a node may take, and those in the arguments of a call.
    known: frozenset[str] = field(init=False)
    sources: Sources = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", frozenset((*self.graph, *(self.inputs or ()))))
        object.__setattr__(self, "sources", Sources(self.inputs, tuple(self.graph)))

    def nodes(self) -> tuple[NodeSpec, ...]:
        found = {}
        for name, body in self.graph.items():
            at = self.graph.keys_at.get(name)
            self._check_name(name, at)
            node = self._node(name, body, at)
            if node is not None and name not in (self.inputs or ()):
                found[name] = node
        return self._in_building_order(found)

    def _check_name(self, name: str, at: Position | None) -> None:
        if name in (self.inputs or ()):
            self.faults.add(
                Code.BAD_NAME,
                f"the node `{name}` has the same name as an input",
                at,
                "give it another name",
            )
        elif not name.strip() or "/" in name:
            self.faults.add(
                Code.BAD_NAME,
                f'"{name}" cannot name a node',
                at,
                "Keras takes any name without `/`",
            )

    def _node(self, name: str, body: Any, at: Position | None) -> NodeSpec | None:
        if not isinstance(body, YamlMapping):
            self.faults.add(
                Code.BAD_NODE,
                f"the node `{name}` has a layer and its inputs; received {described(body)}",
                self.graph.values_at.get(name, at),
                f"write `{name}: {{ClassName: {{...}}, from: [input]}}`",
            )
            return None
        inputs = self._from(name, body, at)
        share = self._share(name, body)
        layer = self._layer(name, body, at)
        if inputs is None or (layer is None and share is None):
            return None
        call = self._shared_call(share, body) if share is not None else {}
        where = self.faults.where(at) if at else None
        places = _places(_as_sequence(body["from"], body.values_at.get("from")), self.faults)
        return NodeSpec(name, layer, inputs, share, where, call, places)

    def _layer(self, name: str, body: YamlMapping, at: Position | None) -> LayerSpec | None:
        classes = [key for key in body if key not in _NODE_KEYS]
        # A misspelt key is none of the node's layers, wherever it stands.
        classes.sort(key=lambda name: sure_name(name, _NODE_KEYS) is not None)
        if "share" in body:
            if classes:
                self.faults.add(
                    Code.BAD_NODE,
                    f"the node `{name}` has both `share` and its own layer, `{classes[0]}`",
                    body.keys_at.get(classes[0]),
                    "`share` applies the other node's layer again: remove one of the two",
                )
            return None
        if not classes:
            self.faults.add(
                Code.BAD_NODE,
                f"the node `{name}` has no layer",
                at,
                "give it `ClassName:` or `share:`",
            )
            return None
        for extra in classes[1:]:
            if (key := sure_name(extra, _NODE_KEYS)) is not None:
                self.faults.add(
                    Code.UNKNOWN_KEY,
                    f"unknown key `{extra}`",
                    body.keys_at.get(extra),
                    f"did you mean `{key}`?",
                )
                continue
            self.faults.add(
                Code.BAD_NODE,
                f"the node `{name}` already has the layer `{classes[0]}`; received `{extra}`",
                body.keys_at.get(extra),
                "write the second layer as its own node",
            )
        if len(classes) == 1 and isinstance(body[classes[0]], str):
            # A misspelt `share`, whose value names a node.
            key, named = sure_name(classes[0], _NODE_KEYS), body[classes[0]]
            if key is not None and named in self.graph:
                self.faults.add(
                    Code.UNKNOWN_KEY,
                    f"unknown key `{classes[0]}`",
                    body.keys_at.get(classes[0]),
                    f"did you mean `{key}`?",
                )
                return None
        own = body.without("from", *classes[1:])
        return self.layers.layer(own, at, self.sources)

    def _share(self, name: str, body: YamlMapping) -> str | None:
        if "share" not in body:
            return None
        share, at = body["share"], body.values_at.get("share")
        if not isinstance(share, str):
            self.faults.add(
                Code.BAD_NODE, f"`share` takes the name of a node; received {described(share)}", at
            )
            return None
        if share not in self.graph:
            self.faults.add(
                Code.UNKNOWN_NODE, f"unknown node `{share}`", at, suggestion(share, self.graph)
            )
            return None
        if share == name:
            self.faults.add(
                Code.GRAPH_CYCLE, f"the node `{name}` shares itself", at, "name another node"
            )
            return None
        return share

    def _shared_call(self, share: str, body: YamlMapping) -> Mapping[str, Any]:
        """Return the arguments of the call of a shared layer, whose class its own node says."""
        if CALL not in body:
            return {}
        seen: list[str] = []
        node: Any = self.graph[share]
        while isinstance(node, YamlMapping) and "share" in node and share not in seen:
            seen.append(share)
            share = str(node["share"])
            node = self.graph.get(share)
        classes = [key for key in node or () if key not in _NODE_KEYS]
        if not isinstance(node, YamlMapping) or len(classes) != 1:
            return {}  # the other node is at fault
        return self.layers.call(classes[0], body, self.sources)

    def _from(self, name: str, body: YamlMapping, at: Position | None) -> tuple[str, ...] | None:
        if "from" not in body:
            if misspelt("from", body, _NODE_KEYS):
                return None  # the misspelt key is a fault already
            self.faults.add(
                Code.BAD_NODE,
                f"the node `{name}` has no `from`",
                at,
                f"add `from: [...]` with one or more of: {', '.join(self._names(name))}",
            )
            return None
        written, written_at = body["from"], body.values_at.get("from")
        sources = _as_sequence(written, written_at)
        if not isinstance(sources, YamlSequence) or not sources:
            self.faults.add(
                Code.BAD_NODE,
                f"`from` takes names of nodes or inputs; received {described(sources)}",
                written_at,
            )
            return None
        is_valid = True
        for source, source_at in sources.with_positions():
            if not isinstance(source, str):
                self.faults.add(
                    Code.BAD_NODE, f"`from` takes names; received {described(source)}", source_at
                )
            elif self.inputs is not None and addressed(source, self.known) is None:
                _refuse_unknown(source, self._names(name), source_at, self.faults)
            else:
                continue
            is_valid = False
        return tuple(sources) if is_valid else None

    def _names(self, name: str) -> list[str]:
        """Return what a node may take: the inputs and the other nodes."""
        inputs = self.inputs or ()
        return [*sorted(inputs), *(key for key in self.graph if key not in {name, *inputs})]

    def _in_building_order(self, nodes: dict[str, NodeSpec]) -> tuple[NodeSpec, ...]:
        """Return the nodes, each after those it needs, otherwise in the order of the file."""
        needs = {name: _needs(node, nodes) for name, node in nodes.items()}
        names = building_order(needs)
        left = {name: needs[name] for name in nodes.keys() - names}
        if left:
            cycle = find_cycle({name: left[name] for name in nodes if name in left})
            self.faults.add(
                Code.GRAPH_CYCLE,
                f"the graph has a cycle: {' → '.join([*cycle, cycle[0]])}",
                self.graph.keys_at.get(cycle[0]),
                "a node cannot depend on itself",
            )
        ordered: dict[str, NodeSpec] = {}
        for name in names:
            ordered[name] = _with_own_layer(nodes[name], ordered)
        return tuple(ordered.values())


def _needs(node: NodeSpec, known: Collection[str]) -> list[str]:
    """Return the nodes, of those known, that a node needs."""
    found = [addressed(source, known) for source in node.sources]
    shared = [node.share] if node.share in known else []
    return [*(source[0] for source in found if source is not None), *filter(None, shared)]


def _with_own_layer(node: NodeSpec, ordered: dict[str, NodeSpec]) -> NodeSpec:
    """Return the node; its `share` names the node that owns the layer, not one that shares it."""
    owner = ordered.get(node.share or "")
    return replace(node, share=owner.share) if owner is not None and owner.share else node
