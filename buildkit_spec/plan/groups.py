"""Layer groups: which packages share one layer.

A heavy package has a layer of its own, which every image that holds it shares. The small ones go
into a fixed number of buckets, each by its name alone: whatever is added, removed or bumped, the
others stay where they are, and only one layer is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from buildkit_spec.plan.lock import LockedPackage

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Packages that share one layer.

    Attributes:
        name: Unique in its image: of its package, ``small-<number>``, or ``replaced``.
        packages: By name; at least one.
    """

    name: str
    packages: tuple[LockedPackage, ...]


def group(
    packages: Iterable[LockedPackage],
    *,
    installed: Mapping[str, str],
    heavy_mib: float,
    buckets: int,
    most_layers: int,
) -> tuple[LayerGroup, ...]:
    """Divide wheels into layer groups, the order of which is that of the layers.

    What takes the place of another version in the base is one group at the bottom: removing the
    old files must not hide what another layer puts there.

    Args:
        packages: Those to install; all are wheels.
        installed: Versions of what the base holds, by name.
        heavy_mib: Wheels of at least this size, in MiB, are heavy.
        buckets: Number of layers for the small ones.
        most_layers: How many layers there may be at all; the lightest of the heavy ones join the
            small ones when there are more.
    """
    packages = sorted(packages, key=lambda package: package.name)
    replaced = [package for package in packages if package.name in installed]
    fresh = [package for package in packages if package.name not in installed]
    if replaced and most_layers < 2:
        return (LayerGroup("replaced", tuple(packages)),)
    buckets = max(1, min(buckets, most_layers - 2))
    room = max(0, most_layers - buckets - 1)
    heavy = [package for package in fresh if package.size_bytes >= heavy_mib * _MIB]
    heavy = sorted(heavy, key=lambda package: (-package.size_bytes, package.name))[:room]
    alone = {package.name for package in heavy}
    groups = [LayerGroup("replaced", tuple(replaced))] if replaced else []
    groups += [LayerGroup(one.name, (one,)) for one in fresh if one.name in alone]
    small = [package for package in fresh if package.name not in alone]
    return (*groups, *_buckets(small, buckets))


def _buckets(packages: Sequence[LockedPackage], count: int) -> list[LayerGroup]:
    members: dict[int, list[LockedPackage]] = {}
    for package in packages:
        members.setdefault(_bucket(package.name, count), []).append(package)
    return [LayerGroup(f"small-{number}", tuple(members[number])) for number in sorted(members)]


def _bucket(name: str, count: int) -> int:
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % count
