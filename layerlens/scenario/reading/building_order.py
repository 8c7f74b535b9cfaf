"""Sort the nodes of a graph, each after those it needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def building_order(needs: Mapping[str, Collection[str]]) -> list[str]:
    """Return the names, each after those it needs; names on and behind a cycle are left out.

    The order is that of reading the list again and again, each time with what is ready by then:
    a name waits for another round where it needs one that stands behind it.
    """
    place = {name: position for position, name in enumerate(needs)}
    missing = {name: len(needed) for name, needed in needs.items()}
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, needed in needs.items():
        for one in needed:
            needed_by[one].append(name)
    rounds = dict.fromkeys((name for name, count in missing.items() if not count), 0)
    for ready in (waiting := list(rounds)):
        for name in needed_by[ready]:
            later = rounds[ready] + (place[ready] > place[name])
            rounds[name] = max(rounds.get(name, 0), later)
            missing[name] -= 1
            if not missing[name]:
                waiting.append(name)
    return sorted(waiting, key=lambda name: (rounds[name], place[name]))


def find_cycle(needs: Mapping[str, Collection[str]]) -> list[str]:
    """Return the nodes of one cycle, in the direction of the data."""
    name = next(iter(needs))
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = next(need for need in needs[name] if need in needs)
    cycle = path[path.index(name) :]
    return cycle[::-1]
