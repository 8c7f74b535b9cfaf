"""Files and folders that nothing may open, and a watch that tells what was opened all the same.

Python's own events (an audit hook) tell of files, folders, processes and sockets. TensorFlow opens
files without them, so the canaries are also watched by the system (inotify, on Linux).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: A module that leaves a trace when it is imported or called.
MODULE = "from pathlib import Path\nPath('sung').write_text('code ran')\n\n\ndef build(): ...\n"
#: What code that ran leaves in the folder.
MARKER = "sung"
#: The names under which mutants may find the canaries.
WORDS, PIPE, SAVED_MODEL = "words.txt", "pipe", "exported"

_EVENTS = ("open", "os.", "shutil.", "subprocess.", "socket.", "urllib.", "pty.", "ctypes.dlopen")
#: Events that touch nothing: names are looked at, or made for a folder of one's own.
_HARMLESS = frozenset(
    {"os.listdir", "os.scandir", "os.fwalk", "os.walk", "os.putenv", "os.unsetenv"}
)
_STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
_IN_ACCESS, _IN_OPEN = 0x1, 0x20


def make_canaries(folder: Path) -> None:
    """Put a file of words, a named pipe, a module and a SavedModel that leaves a trace there."""
    (folder / "canary.py").write_text(MODULE, encoding="utf-8")
    (folder / WORDS).write_text("secret\nwords\n", encoding="utf-8")
    os.mkfifo(folder / PIPE)
    import tensorflow as tf

    class Singer(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[])  # type: ignore[untyped-decorator]
        def serve(self) -> Any:
            tf.io.write_file(str(folder / MARKER), "a SavedModel ran")
            return tf.constant(1.0)

    tf.saved_model.save(Singer(), str(folder / SAVED_MODEL))


class Watch:
    """Collects what this process opens, starts and connects to, but for what it needs itself."""

    def __init__(self, folder: Path, own: frozenset[str]) -> None:
        self._folder = folder.resolve()
        self._own = own
        self._seen: list[str] = []
        self._on = False
        self._allowed = tuple(
            Path(root).resolve()
            for root in (
                *sysconfig.get_paths().values(),
                sys.prefix,
                sys.base_prefix,
                *(Path(str(find_spec(name).origin)).parents[1] for name in ("keras", "tensorflow")),
                Path(__file__).parents[2] / "layerlens",
                "/proc",
                "/sys",
                "/dev/null",
                "/dev/urandom",
                "/etc/localtime",
                "/usr/share/zoneinfo",
            )
        )
        sys.addaudithook(self._hook)
        self._system = _SystemWatch([self._folder, *_folders(self._folder / SAVED_MODEL)])

    def __enter__(self) -> Watch:
        self._seen.clear()
        list(self._system.opened())
        self._on = True
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False

    def found(self) -> Iterator[str]:
        """Yield what was opened, started or connected to since the watch was entered."""
        yield from dict.fromkeys(self._seen)
        for name in dict.fromkeys(self._system.opened()):
            if name not in self._own:
                yield f"the system saw {name!r} opened"

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on or not event.startswith(_EVENTS) or event in _HARMLESS:
            return
        if event not in _STARTS and event.startswith(("open", "os.", "shutil.")):
            given = arguments[:1] if event == "open" else arguments  # its mode is a text as well
            places = [one for one in given if isinstance(one, (str, bytes, os.PathLike))]
            if all(self._may_open(Path(os.fsdecode(place))) for place in places):
                return
        self._seen.append(f"{event} {arguments!r:.200}")

    def _may_open(self, place: Path) -> bool:
        path = place.resolve()
        if path == self._folder:
            return True
        if path.is_relative_to(self._folder):
            return path.parent == self._folder and path.name in self._own
        return any(path.is_relative_to(root) for root in (*self._allowed, tempfile.gettempdir()))


class _SystemWatch:
    """What the system saw opened in some folders; nothing where it cannot tell."""

    def __init__(self, folders: list[Path]) -> None:
        self._file = -1
        if sys.platform != "linux":
            return
        library = ctypes.CDLL(None, use_errno=True)
        self._file = library.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            library.inotify_add_watch(self._file, os.fsencode(folder), _IN_OPEN | _IN_ACCESS)

    def opened(self) -> Iterator[str]:
        """Yield the names in the folders that were opened since this was last asked."""
        while self._file >= 0:
            try:
                data = os.read(self._file, 65536)
            except BlockingIOError:
                return
            while data:
                _, _, _, length = struct.unpack_from("iIII", data)
                name = data[16 : 16 + length].rstrip(b"\0").decode()
                data = data[16 + length :]
                if name:
                    yield name


def _folders(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


def clear(folder: Path, own: frozenset[str]) -> Iterator[str]:
    """Yield what was left behind in the folder beside the canaries, and remove it."""
    canaries = {"canary.py", WORDS, PIPE, SAVED_MODEL}
    for path in folder.iterdir():
        if path.name not in own | canaries:
            yield f"{path.name} was left in the folder"
            shutil.rmtree(path) if path.is_dir() else path.unlink()
