"""Which entries of a shared directory are sent: what we share, narrowed by what the daemon asks."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence

from buildkit_spec.session._call import INVALID_ARGUMENT, StatusError
from buildkit_spec.session._patterns import (
    PatternError,
    Patterns,
    clean,
    compile_pattern,
    is_wild,
)
from buildkit_spec.session._walk import LEFT_OUT, SENT, Choice, Choose, Tree
from buildkit_spec.values.entry import Entry

_Memory = tuple[Sequence[bool], Sequence[bool]]


def selection(
    tree: Tree,
    accepts: Callable[[str, bool], bool] | None,
    *,
    includes: Sequence[str] = (),
    excludes: Sequence[str] = (),
    follow: Sequence[str] = (),
) -> Choose:
    """Return what decides on each entry of a tree.

    Args:
        tree: For the links in *follow*.
        accepts: What we share of it, by path and whether it is a directory; None is everything.
        includes: Patterns, one of which must match; none is everything.
        excludes: Patterns, none of which may match.
        follow: Paths that are included, along with whatever their links lead to.

    Raises:
        StatusError: A pattern has no meaning.

    Source: fsutil ``filter.go``.
    """
    try:
        followed = _follow(tree, follow)
        included = Patterns([] if followed and "." in includes else [*includes, *followed])
        excluded = Patterns(excludes)
    except PatternError as error:
        raise StatusError(INVALID_ARGUMENT, str(error)) from error
    if not included and not excluded:
        if accepts is None:
            return lambda _path, _is_dir, _memory: SENT
        return lambda path, is_dir, _memory: SENT if accepts(path, is_dir) else LEFT_OUT

    def choose(path: str, is_dir: bool, memory: object) -> Choice:
        if accepts is not None and not accepts(path, is_dir):
            return LEFT_OUT
        above: _Memory = memory if isinstance(memory, tuple) else ((), ())
        is_in, in_by = included.match(path, above[0])
        is_in = is_in or not included
        is_out, out_by = excluded.match(path, above[1])
        is_entered = (is_in or included.may_match_below(path, is_exception=False)) and (
            not is_out or excluded.may_match_below(path, is_exception=True)
        )
        return Choice(is_in and not is_out, is_entered, (in_by, out_by))

    return choose


def narrowed(entries: Iterable[Entry], choose: Choose) -> Iterator[Entry]:
    """Yield what is chosen of entries that are known already, as `Tree.walk` would.

    Args:
        entries: In the protocol's order.
        choose: Decides on each.
    """
    above: list[tuple[str, Choice, Entry | None]] = [("", SENT, None)]  # the last: yet to be sent
    first_names: dict[str, str] = {}  # of files with several names: of all that are, that is sent
    for entry in entries:
        while not entry.path.startswith(above[-1][0]):
            above.pop()
        outer = above[-1][1]
        is_dir = stat.S_ISDIR(entry.mode)
        choice = choose(entry.path, is_dir, outer.memory) if outer.is_entered else LEFT_OUT
        if choice.is_sent:
            for index, (prefix, one, unsent) in enumerate(above):
                if unsent is not None:
                    yield unsent
                    above[index] = (prefix, one, None)
            if stat.S_ISREG(entry.mode):
                first = first_names.setdefault(entry.link or entry.path, entry.path)
                entry = entry._replace(link="" if first == entry.path else first)
            yield entry
        if is_dir:
            above.append((f"{entry.path}/", choice, None if choice.is_sent else entry))


def _follow(tree: Tree, paths: Iterable[str]) -> list[str]:
    """Return the paths and where their links lead, as patterns; none when that is the root.

    A link that leads out of the tree is taken as if the tree's root were ``/``.

    Source: fsutil ``followlinks.go``.
    """
    found: set[str] = set()
    waiting = [*paths][::-1]
    while waiting:
        path = clean(f"./{waiting.pop()}")
        names = path.split("/")
        if names[0] == "..":
            found.add(path)  # matches nothing: there is no above
            continue
        for depth in range(1, len(names) + 1):
            place = "/".join(names[:depth])
            targets = _targets(tree, place)
            is_last = depth == len(names)
            if place in found and (targets or is_last):
                break
            if targets or is_last:
                found.add(place)
            if targets:
                waiting += [posixpath.join(target, *names[depth:]) for target in targets[::-1]]
                break
    if "." in found:
        return []
    return [place for place in sorted(found) if not _has_above(place, found)]


def _targets(tree: Tree, place: str) -> list[str]:
    """Return where a link leads, or all those that a name with wildcards matches."""
    above, _, name = place.rpartition("/")
    names = [name]
    if is_wild(name):
        expression = compile_pattern(name)
        names = [other for other in tree.names(above) if expression.fullmatch(other)]
    links = (tree.readlink(posixpath.join(above, name)) for name in names)
    return [clean(posixpath.join("/", above, link)) for link in links if link is not None]


def _has_above(place: str, others: set[str]) -> bool:
    parts = place.split("/")
    return any("/".join(parts[:depth]) in others for depth in range(1, len(parts)))
