"""Runs inside a build: install packages with uv, and leave the same bytes whenever it is run.

It runs with the image's own interpreter, Python 3.8 or newer, and nothing but its standard library.
"""

from __future__ import annotations

import compileall
import importlib
import importlib.metadata
import importlib.util
import json
import os
import py_compile
import subprocess
import sys
import sysconfig
import time
from typing import Any

from uv_indexes import set_indexes

_FEW = 64
"""So many files are compiled before another process would have started."""

_NOTES = ("uv_cache.json", "uv_build.json", "REQUESTED")
"""What is noted beside a package of this build alone: times, and whether somebody asked for it by
name. A layer is the same whoever asked for it, so that images can share it."""


def main(order: dict[str, Any]) -> int:
    """Install, compile, and set every time stamp to the epoch."""
    began = time.time() - 2  # file systems keep time in ticks
    touched: set[str] = set()
    for name in order["names"]:  # what is replaced leaves its folders changed
        touched.update(map(os.path.dirname, files_of(name)))
    set_indexes(order["command"][0], "/dev/shm")
    code = subprocess.call(order["command"])
    if code:
        return code
    importlib.invalidate_caches()
    files = [path for name in order["names"] for path in files_of(name)]
    for path in filter(is_note, files):
        forget(path)
    files = [path for path in files if os.path.lexists(path)]
    files += compiled([path for path in files if path.endswith(".py")])
    for path in files:
        os.utime(path, (order["epoch"], order["epoch"]), follow_symlinks=False)
        touched.add(os.path.dirname(path))
    touched.update(sysconfig.get_paths().values())
    settle(touched, began, order["epoch"])
    return 0


def files_of(name: str) -> list[str]:
    """Return the absolute paths of an installed distribution's files; none when there is none."""
    try:
        dist = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    return [os.path.normpath(str(dist.locate_file(file))) for file in dist.files or ()]


def is_note(path: str) -> bool:
    """Whether a file tells of this build alone."""
    folder, name = os.path.split(path)
    return name in _NOTES and folder.endswith(".dist-info")


def forget(path: str) -> None:
    """Remove a file of a distribution, also from its record."""
    record = os.path.join(os.path.dirname(path), "RECORD")
    entry = os.path.basename(os.path.dirname(path)) + "/" + os.path.basename(path) + ","
    with open(record, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(entry)]
    with open(record, "w", encoding="utf-8") as file:
        file.writelines(lines)
    if os.path.lexists(path):
        os.remove(path)


def compiled(sources: list[str]) -> list[str]:
    """Compile sources into files without time stamps, and return those."""
    if len(sources) < _FEW or os.cpu_count() == 1:
        compile_all(sources)
    else:
        import multiprocessing

        count = os.cpu_count() or 1
        with multiprocessing.get_context("fork").Pool(count) as pool:
            pool.map(compile_all, [sources[at::count] for at in range(count)], chunksize=1)
    caches = map(importlib.util.cache_from_source, sources)
    return [path for path in caches if os.path.exists(path)]


def compile_all(sources: list[str]) -> None:
    """Compile sources one after another; those for another Python stay as they are."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for source in sources:
        compileall.compile_file(source, quiet=2, invalidation_mode=mode)


def settle(folders: set[str], began: float, epoch: int) -> None:
    """Set the times of folders that changed since, and of those above them."""
    above: set[str] = set()
    for folder in folders:
        while folder not in above and folder != "/":
            above.add(folder)
            folder = os.path.dirname(folder)
    for folder in above | {"/"}:
        if os.path.isdir(folder) and os.stat(folder).st_mtime >= began:
            try:
                os.utime(folder, (epoch, epoch))
            except OSError:
                pass  # a mount that is not ours


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as _file:
        _order = json.load(_file)
    sys.exit(main(_order))
