"""Runs inside a build: install packages with uv, and leave the same bytes whenever it is run.

It runs with the image's own interpreter, Python 3.8 or newer, and nothing but its standard library.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import time
from typing import Any

from bytecode import compile_packages, forget_compiled
from uv_indexes import set_indexes

_NOTES = ("uv_cache.json", "uv_build.json", "REQUESTED")
"""What is noted beside a package of this build alone: times, and whether somebody asked for it by
name. A layer is the same whoever asked for it, so that images can share it."""


def main(order: dict[str, Any]) -> int:
    """Install, compile, and set every time stamp to the epoch."""
    began = time.time() - 2  # file systems keep time in ticks
    names: dict[str, str] = order["packages"]
    touched: set[str] = set()
    for name in names:  # what is replaced leaves its folders changed
        replaced = files_of(name)
        touched.update(map(os.path.dirname, replaced), forget_compiled(replaced))
    set_indexes(order["command"][0], "/dev/shm")
    code = subprocess.call(order["command"])
    if code:
        return code
    importlib.invalidate_caches()
    # A folder that was not there as the interpreter started is not looked into.
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    sys.path += sorted(installed - set(sys.path))
    files: list[str] = []
    sources: dict[str, list[str]] = {}
    for name, key in names.items():
        own = files_of(name)
        for path in own:
            if is_note(path) or (name in order["of_index"] and is_note_of_url(path)):
                forget(path)
        own = [path for path in own if os.path.lexists(path)]
        files += own
        sources.setdefault(key, []).extend(path for path in own if path.endswith(".py"))
    files += compile_packages(sources, order["compiled"])
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


def is_note_of_url(path: str) -> bool:
    """Whether a file tells that a distribution was asked for by its URL (PEP 610)."""
    folder, name = os.path.split(path)
    return name == "direct_url.json" and folder.endswith(".dist-info")


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
