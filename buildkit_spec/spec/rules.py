"""What belongs to a selection: named paths, loaded modules, or all that ignore files leave."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from buildkit_spec.spec.dockerignore import DockerIgnore
from buildkit_spec.spec.gitignore import GitIgnore
from buildkit_spec.spec.places import is_file

_NEVER = frozenset({".git", "__pycache__"})
_LITTER = _NEVER | {
    ".DS_Store",
    ".cache",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".venv",
}


class NamedPaths:
    """Files and whole folders by name, as ``copy`` lists them.

    No ignore file counts: what is named is wanted. Only bytecode caches and ``.git`` below a named
    folder stay out, because they differ on every machine; named themselves, they belong.

    Args:
        paths: Relative to the selection's root, normal; ``.`` is everything.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(() if path == "." else tuple(path.split("/")) for path in paths)

    def enters(self, path: str) -> bool:
        """See `Rule.enters`."""
        parts = tuple(path.split("/"))
        return any(named[: len(parts)] == parts for named in self._paths) or self.takes(path)

    def takes(self, path: str) -> bool:
        """See `Rule.takes`."""
        parts = tuple(path.split("/"))
        return any(
            parts[: len(named)] == named and not _is_never(parts[len(named) :])
            for named in self._paths
        )


class ExactFiles:
    """Files by name: the loaded modules.

    Args:
        paths: Relative to the selection's root.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._files = frozenset(paths)
        self._directories = frozenset(
            path[:index] for path in self._files for index, sign in enumerate(path) if sign == "/"
        )

    def enters(self, path: str) -> bool:
        """See `Rule.enters`."""
        return path in self._directories

    def takes(self, path: str) -> bool:
        """See `Rule.takes`."""
        return path in self._files


class NotIgnored:
    """All but what ``.gitignore`` (nested ones too), ``.dockerignore`` and habit leave out.

    Left out by habit: version control's own folders, caches, bytecode and virtual environments.
    Git's machine-wide excludes do not count: they would make another image on another machine.

    Args:
        root: The selection's root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._git = GitIgnore(root)
        self._docker = DockerIgnore.load(root)

    def enters(self, path: str) -> bool:
        """See `Rule.enters`."""
        return (
            path.rpartition("/")[2] not in _LITTER
            and not self._git.ignores(path, is_dir=True)
            and not self._docker.prunes(path)
            and not is_file(self._root / path / "pyvenv.cfg")  # PEP 405: a virtual environment
        )

    def takes(self, path: str) -> bool:
        """See `Rule.takes`."""
        name = path.rpartition("/")[2]
        return (
            name not in _LITTER
            and not name.endswith(".pyc")
            and not self._git.ignores(path, is_dir=False)
            and not self._docker.ignores(path)
        )


def _is_never(below: tuple[str, ...]) -> bool:
    return bool(below) and (not _NEVER.isdisjoint(below) or below[-1].endswith(".pyc"))
