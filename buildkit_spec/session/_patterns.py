"""Which entries of a tree are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from buildkit_spec.session._walk import Choice, Choose, Tree


def selection(
    tree: Tree,
    accepts: Callable[[str, bool], bool] | None,
    *,
    includes: Sequence[str] = (),
    excludes: Sequence[str] = (),
    follow: Sequence[str] = (),
) -> Choose:
    """Return what decides."""
    yes, no = Choice(True, True), Choice(False, False)
    return lambda path, is_dir, _memory: yes if accepts is None or accepts(path, is_dir) else no
