"""Runs inside a build: compile installed packages, or take what was compiled before.

Compiled files hold a hash nobody checks in place of a time stamp, so they are the same whenever
they are made. Those of a wheel depend on the wheel, the interpreter and the place alone, so the
builder keeps them: compiling takes longer than all the rest of an installation.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib.util
import marshal
import os
import py_compile
import sysconfig

_FEW = 64
"""So many files are compiled before another process would have started."""


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
        if kept is None:
            pending[key] = sources
        else:
            made += [path for path, data in kept.items() if _write(path, data)]
    _compile([source for sources in pending.values() for source in sources])
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


def _compile(sources: list[str]) -> None:
    count = os.cpu_count() or 1
    if len(sources) < _FEW or count == 1:
        _compile_some(sources)
        return
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(count) as pool:
        pool.map(_compile_some, [sources[at::count] for at in range(count)], chunksize=1)


def _compile_some(sources: list[str]) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for source in sources:  # those for another Python stay as they are
        compileall.compile_file(source, quiet=2, invalidation_mode=mode)


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
    if not key:
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
    os.chmod(path, (mode | 0o200) & 0o777)
    return True


def _is_file(path: str) -> bool:
    return os.path.isfile(path)
