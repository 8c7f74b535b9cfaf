"""Open the cache for a run, and the commands `cache info` and `cache clear`."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

import typer

from layerlens.byte_size import readable
from layerlens.cli.messages import MISUSED, PASSED, write_stderr, write_stdout
from layerlens.cli.options import CacheDirOption
from layerlens.vocabulary import Command

if TYPE_CHECKING:
    from pathlib import Path

    from layerlens.cli.command_options import CommandOptions
    from layerlens.run.cache.results import ResultCache
    from layerlens.scenario.options import RunOptions

cache_app = typer.Typer(
    help="Show or remove the stored results of earlier runs.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    no_args_is_help=True,
)


def open_cache(
    command: Command, run_options: RunOptions, options: CommandOptions
) -> AbstractContextManager[ResultCache | None]:
    """Return a context manager that opens the cache of a run; None without a cache."""
    if options.no_cache:
        return nullcontext()
    from layerlens.run.cache.folder import cache_folder
    from layerlens.run.cache.results import ResultCache

    folder = cache_folder(options.cache_dir)
    if folder is None:
        return nullcontext()
    return closing(ResultCache(folder, run_options, command, write_stderr))


@cache_app.command()
def info(cache_dir: CacheDirOption = None) -> int:
    """Show where the cache is, its size and its limit."""
    from layerlens.run.cache.store import Store

    folder = _folder(cache_dir)
    if folder is None:
        return MISUSED
    store = Store(folder, write_stderr, create=False)
    extent = store.extent()
    store.close()
    write_stdout(f"{store.path}")
    write_stdout(
        f"{extent.entries:,} entries, {readable(extent.size_bytes)} of at most "
        f"{readable(extent.limit_bytes)}"
    )
    return PASSED


@cache_app.command()
def clear(cache_dir: CacheDirOption = None) -> int:
    """Remove all stored results. Runs in progress keep working."""
    from layerlens.run.cache.store import FILE_NAME, remove_files

    folder = _folder(cache_dir)
    if folder is None:
        return MISUSED
    path = folder / FILE_NAME
    existed = path.exists()
    try:
        remove_files(path)
    except OSError as error:
        write_stderr(f"{path} cannot be removed: {error.strerror or error}")
        return MISUSED
    write_stdout(f"removed {path}" if existed else f"there is no cache at {path}")
    return PASSED


def _folder(cache_dir: str | None) -> Path | None:
    """Return the folder of the cache; without one, write that to standard error."""
    from layerlens.run.cache.folder import cache_folder

    folder = cache_folder(cache_dir)
    if folder is None:
        write_stderr("there is no home folder for the cache\n  hint: set one with --cache-dir")
    return folder
