"""The memory that this process may still allocate."""

from __future__ import annotations

from pathlib import Path


def free_memory() -> int | None:
    """Return the bytes that this process may still allocate; None if unknown."""
    limits = (_machine_memory(), _group_memory(), _process_memory())
    return min((limit for limit in limits if limit is not None), default=None)


def _machine_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None  # not Linux, or unreadable
    return None


def _process_memory() -> int | None:
    """Return the bytes left of the limit on this process's address space (`ulimit -v`), if any.

    Mapped but unused memory counts too, as the system counts it.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return limit  # not Linux: the size of the process is unknown
    return max(0, limit - mapped * resource.getpagesize())


def _group_memory() -> int | None:
    """Return the bytes left of the limit of a container (cgroup v2), if any."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = (group / "memory.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return None  # no such group: the machine's memory is the limit
