"""Read the `graph:` of a model and sort its nodes into building order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.reading.layers import read_layer
from layerlens.scenario.spec import LayerSpec, NodeSpec
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described


def read_graph(
    graph: YamlMapping, inputs: Iterable[str] | None, faults: Faults
) -> tuple[NodeSpec, ...]:
    """Return the nodes, each after the nodes it needs.

    Args:
        graph: node → `{ClassName: {...}, from: [...]}` or `{share: node, from: [...]}`.
        inputs: the names of the model's inputs; None if they are at fault themselves.
        faults: receives the faults of the graph.
    """
    sources = None if inputs is None else set(inputs)
    nodes = {}
    for name, body in graph.items():
        at = graph.keys_at.get(name)
        _check_name(name, sources or (), at, faults)
        node = _read_node(name, body, at, graph, sources, faults)
        if node is not None and name not in (sources or ()):
            nodes[name] = node
    return _in_building_order(nodes, graph, faults)


def _check_name(name: str, inputs: Iterable[str], at: Position | None, faults: Faults) -> None:
    if name in inputs:
        faults.add(f"the node `{name}` has the same name as an input", at, "give it another name")
    elif not name.strip() or "/" in name:
        faults.add(f'"{name}" cannot name a node', at, "Keras takes any name without `/`")


def _read_node(
    name: str,
    body: Any,
    at: Position | None,
    graph: YamlMapping,
    inputs: set[str] | None,
    faults: Faults,
) -> NodeSpec | None:
    if not isinstance(body, YamlMapping):
        faults.add(
            f"the node `{name}` has a layer and its inputs; received {described(body)}",
            graph.values_at.get(name, at),
            f"write `{name}: {{ClassName: {{...}}, from: [input]}}`",
        )
        return None
    sources = _read_from(name, body, at, graph, inputs, faults)
    share = _read_share(name, body, graph, faults)
    layer = _read_layer_of(name, body, at, faults)
    if sources is None or (layer is None and share is None):
        return None
    return NodeSpec(name, layer, sources, share, faults.where(at) if at else None)


def _read_layer_of(
    name: str, body: YamlMapping, at: Position | None, faults: Faults
) -> LayerSpec | None:
    classes = [key for key in body if key not in ("from", "share")]
    if "share" in body:
        if classes:
            faults.add(
                f"the node `{name}` has both `share` and its own layer, `{classes[0]}`",
                body.keys_at.get(classes[0]),
                "`share` applies the other node's layer again: remove one of the two",
            )
        return None
    if len(classes) != 1:
        if not classes:
            faults.add(f"the node `{name}` has no layer", at, "give it `ClassName:` or `share:`")
        for extra in classes[1:]:
            faults.add(
                f"the node `{name}` already has the layer `{classes[0]}`; received `{extra}`",
                body.keys_at.get(extra),
                suggestion(extra, ("from", "share")) + "; a second layer needs its own node",
            )
    if not classes:
        return None
    own = YamlMapping(at)
    key = classes[0]
    own.put(key, body[key], body.keys_at.get(key), body.values_at.get(key))
    return read_layer(own, at, faults)


def _read_share(name: str, body: YamlMapping, graph: YamlMapping, faults: Faults) -> str | None:
    if "share" not in body:
        return None
    share, at = body["share"], body.values_at.get("share")
    if not isinstance(share, str):
        faults.add(f"`share` takes the name of a node; received {described(share)}", at)
        return None
    if share not in graph:
        faults.add(f"unknown node `{share}`", at, suggestion(share, graph))
        return None
    if share == name:
        faults.add(f"the node `{name}` shares itself", at, "name another node")
        return None
    return share


def _read_from(
    name: str,
    body: YamlMapping,
    at: Position | None,
    graph: YamlMapping,
    inputs: set[str] | None,
    faults: Faults,
) -> tuple[str, ...] | None:
    if "from" not in body:
        allowed = ", ".join(_sources(name, graph, inputs))
        faults.add(
            f"the node `{name}` has no `from`",
            at,
            f"add `from: [...]` with one or more of: {allowed}",
        )
        return None
    sources, sources_at = body["from"], body.values_at.get("from")
    if isinstance(sources, str):
        listed = YamlSequence(sources_at)
        listed.put(sources, sources_at)
        sources = listed
    if not isinstance(sources, YamlSequence) or not sources:
        faults.add(
            f"`from` takes names of nodes or inputs; received {described(sources)}", sources_at
        )
        return None
    is_valid = True
    for source, source_at in sources.with_positions():
        if not isinstance(source, str):
            faults.add(f"`from` takes names; received {described(source)}", source_at)
        elif inputs is not None and addressed(source, (*graph, *inputs)) is None:
            refuse_unknown(source, _sources(name, graph, inputs), source_at, faults)
        else:
            continue
        is_valid = False
    return tuple(sources) if is_valid else None


def addressed(source: str, known: Iterable[str]) -> str | None:
    """Return the node or input that `from:` or `outputs:` names, as `node` or as `node:1`.

    None where it names none. Outputs count from 0.
    """
    names = set(known)
    if source in names:
        return source
    node, _, position = source.rpartition(":")
    return node if node in names and position.isascii() and position.isdigit() else None


def refuse_unknown(source: str, known: Iterable[str], at: Position | None, faults: Faults) -> None:
    """Add the fault of a name that is no node or input, or of a position that is no number."""
    names = list(known)
    node, _, position = source.rpartition(":")
    if node in names:
        faults.add(
            f'"{position}" is no output of `{node}`',
            at,
            f"outputs count from 0: `{node}:0` is the first",
        )
    else:
        faults.add(f"unknown node or input `{source}`", at, suggestion(node or source, names))


def _sources(name: str, graph: YamlMapping, inputs: set[str] | None) -> list[str]:
    return [*sorted(inputs or ()), *(key for key in graph if key not in {name, *(inputs or ())})]


def _in_building_order(
    nodes: dict[str, NodeSpec], graph: YamlMapping, faults: Faults
) -> tuple[NodeSpec, ...]:
    """Return the nodes, each after those it needs, otherwise in the order of the file."""
    needs = {
        name: [need for need in _needs(node, nodes) if need in nodes]
        for name, node in nodes.items()
    }
    ordered: dict[str, NodeSpec] = {}
    waiting = list(nodes)
    while waiting:
        for name in waiting:
            if all(need in ordered for need in needs[name]):
                ordered[name] = _with_own_layer(nodes[name], ordered)
        left = [name for name in waiting if name not in ordered]
        if left == waiting:
            cycle = _cycle({name: needs[name] for name in waiting})
            faults.add(
                f"the graph has a cycle: {' → '.join([*cycle, cycle[0]])}",
                graph.keys_at.get(cycle[0]),
                "a node cannot depend on itself",
            )
            break
        waiting = left
    return tuple(ordered.values())


def _needs(node: NodeSpec, known: Iterable[str]) -> Iterator[str]:
    """Yield the nodes that a node needs; of inputs, only the name."""
    for source in node.inputs:
        yield addressed(source, known) or source
    if node.share is not None:
        yield node.share


def _with_own_layer(node: NodeSpec, ordered: dict[str, NodeSpec]) -> NodeSpec:
    """Return the node; its `share` names the node that owns the layer, not one that shares it."""
    share = node.share
    if share is not None and share in ordered and ordered[share].share is not None:
        share = ordered[share].share
    return NodeSpec(node.name, node.layer, node.inputs, share, node.where)


def _cycle(needs: dict[str, list[str]]) -> list[str]:
    """Return the nodes of one cycle, in the direction of the data."""
    name = next(iter(needs))
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = next(need for need in needs[name] if need in needs)
    cycle = path[path.index(name) :]
    return cycle[::-1]
