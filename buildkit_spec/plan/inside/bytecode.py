"""Runs inside a build: compile installed packages, or take what was compiled before.

Compiled files hold a hash nobody checks in place of a time stamp, so they are the same whenever
they are made. Those of a wheel depend on the wheel, the interpreter and the place alone, so the
builder keeps them: compiling takes longer than all the rest of an installation.

What else an interpreter holds shows in what it compiles: a string that is in use already is written
with a mark. So a new one compiles, which has loaded nothing else, and forks for every few files.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import os
import py_compile
import subprocess
import sys
import sysconfig

_AT_ONCE = 64
"""Files that one process compiles after each other: forking for each takes longer."""


def compile_packages(packages: dict[str, list[str]], store: str) -> list[str]:
    """Compile the sources of packages, and return the compiled files.

    Args:
        packages: Paths of sources by what identifies their contents; empty where nothing does.
        store: Folder of what was compiled before.
    """
    made: list[str] = []
    pending: dict[str, list[str]] = {}
    for key, sources in packages.items():
        kept = _load(key, store)
        if not kept:  # an empty one is of somebody who did not find the sources
            pending[key] = sources
        else:
            made += [path for path, data in kept.items() if _write(path, data)]
    _compile(list(pending.values()))
    for key, sources in pending.items():
        paths = [path for path in map(importlib.util.cache_from_source, sources) if _is_file(path)]
        made += paths
        _save(key, store, paths)
    return made


def forget_compiled(files: list[str]) -> set[str]:
    """Remove what was compiled of sources that are to be replaced: no record tells of it.

    Returns:
        The folders that held it.
    """
    folders: set[str] = set()
    for path in files:
        if path.endswith(".py"):
            compiled = importlib.util.cache_from_source(path)
            try:
                os.remove(compiled)
                folders.add(os.path.dirname(compiled))
            except OSError:
                pass  # it was not compiled
    for folder in folders:
        try:
            os.rmdir(folder)
        except OSError:
            pass  # others' are in it
    return folders | {os.path.dirname(folder) for folder in folders}


def _compile(packages: list[list[str]]) -> None:
    chunks = [
        sorted(sources)[at : at + _AT_ONCE]
        for sources in packages
        for at in range(0, len(sources), _AT_ONCE)
    ]
    if chunks:
        command = [sys.executable, "-S", "-s", "-B", "-W", "ignore", __file__]
        subprocess.run(command, input=json.dumps(chunks).encode(), check=True)


def _compile_each(chunks: list[list[str]]) -> int:
    """Compile chunks of files, each in a process of its own, as many at once as there are CPUs."""
    failed = running = 0
    while chunks or running:
        if chunks and running < (os.cpu_count() or 1):
            chunk = chunks.pop()
            if os.fork() == 0:
                _compile_some(chunk)
                os._exit(0)
            running += 1
        else:
            failed |= os.wait()[1]
            running -= 1
    return 1 if failed else 0


def _compile_some(sources: list[str]) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for source in sources:
        try:
            py_compile.compile(source, doraise=True, invalidation_mode=mode)
        except (py_compile.PyCompileError, OSError):
            continue  # it is for another Python


def _place(key: str, store: str) -> str:
    # The path of its source stands in a compiled file.
    parts = [key, importlib.util.MAGIC_NUMBER.hex(), *sorted(sysconfig.get_paths().values())]
    return os.path.join(store, hashlib.sha256("\n".join(parts).encode()).hexdigest())


def _load(key: str, store: str) -> dict[str, bytes] | None:
    if not key:
        return None
    try:
        with open(_place(key, store), "rb") as file:
            kept: dict[str, bytes] = marshal.load(file)
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return kept


def _save(key: str, store: str, paths: list[str]) -> None:
    if not key or not paths:
        return
    kept = {}
    for path in paths:
        with open(path, "rb") as file:
            kept[path] = file.read()
    place = _place(key, store)
    try:
        os.makedirs(store, exist_ok=True)
        with open(f"{place}.{os.getpid()}", "wb") as file:
            marshal.dump(kept, file)
        os.replace(f"{place}.{os.getpid()}", place)
    except OSError:
        pass  # compiled again then


def _write(path: str, data: bytes) -> bool:
    """Write a compiled file as the interpreter would; not where its source is no more."""
    try:
        mode = os.stat(importlib.util.source_from_cache(path)).st_mode
    except OSError:
        return False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, (mode | 0o200) & 0o666)
    return True


def _is_file(path: str) -> bool:
    return os.path.isfile(path)


def _chunks_below(folder: str) -> list[list[str]]:
    found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    sources = sorted(path for path in found if path.endswith(".py"))
    return [sources[at : at + _AT_ONCE] for at in range(0, len(sources), _AT_ONCE)]


if __name__ == "__main__":  # with a folder, compiles all below it
    sys.exit(_compile_each(_chunks_below(sys.argv[1]) if sys.argv[1:] else json.load(sys.stdin)))
