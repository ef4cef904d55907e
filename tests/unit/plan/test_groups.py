"""Layer groups: one package's change is one layer's change, and there are never too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.plan.groups import LayerGroup, group
from buildkit_spec.plan.lock import LockedPackage

MIB = 1 << 20
NAMES = st.integers(0, 999).map(lambda number: f"p{number}")
SIZES = st.sampled_from([0, 1, MIB, 4 * MIB - 1, 4 * MIB, 30 * MIB, 700 * MIB])
PACKAGES = st.dictionaries(NAMES, SIZES, max_size=40).map(
    lambda sizes: [LockedPackage(name, "1", size_bytes=size) for name, size in sizes.items()]
)


def grouped(
    packages: Sequence[LockedPackage],
    *,
    installed: Sequence[str] = (),
    buckets: int = 16,
    most_layers: int = 100,
) -> tuple[LayerGroup, ...]:
    return group(
        packages,
        installed=dict.fromkeys(installed, "0"),
        heavy_mib=4.0,
        buckets=buckets,
        most_layers=most_layers,
    )


def without(groups: Sequence[LayerGroup], name: str) -> list[LayerGroup]:
    """The groups as they are when one package is taken out and nothing else moves."""
    kept = [
        replace(one, packages=tuple(p for p in one.packages if p.name != name)) for one in groups
    ]
    return [one for one in kept if one.packages]


@given(PACKAGES, st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_the_packages(
    packages: list[LockedPackage], random: object
) -> None:
    """The same set is the same groups, whoever lists it."""
    shuffled = sorted(packages, key=lambda _: random.random())  # type: ignore[attr-defined]

    assert grouped(shuffled) == grouped(packages)


@given(PACKAGES, st.sets(NAMES, max_size=5), st.integers(1, 120), st.integers(1, 64))
def test_every_package_is_in_one_group(
    packages: list[LockedPackage], installed: set[str], most_layers: int, buckets: int
) -> None:
    """Nothing is lost and nothing is installed twice; names of groups are unique."""
    groups = grouped(packages, installed=[*installed], most_layers=most_layers, buckets=buckets)
    members = [package for one in groups for package in one.packages]

    assert sorted(members, key=lambda p: p.name) == sorted(packages, key=lambda p: p.name)
    assert len({one.name for one in groups}) == len(groups)


@given(PACKAGES, NAMES, SIZES)
def test_adding_or_removing_a_package_leaves_every_other_one_where_it_is(
    packages: list[LockedPackage], name: str, size: int
) -> None:
    """Only the group that it comes to, or goes from, is another one."""
    others = [package for package in packages if package.name != name]
    more = [*others, LockedPackage(name, "1", size_bytes=size)]

    assert without(grouped(more), name) == list(grouped(others))


@given(PACKAGES.filter(bool), st.data())
def test_bumping_a_package_changes_its_group_alone(
    packages: list[LockedPackage], data: st.DataObject
) -> None:
    """Another version of the same weight stays in its group; all other groups are equal."""
    old = data.draw(st.sampled_from(packages))
    bumped = [replace(one, version="2") if one is old else one for one in packages]
    before, after = grouped(packages), grouped(bumped)

    assert [one.name for one in before] == [one.name for one in after]
    (changed,) = [one for one in after if one not in before]
    assert old.name in {package.name for package in changed.packages}


@given(PACKAGES)
def test_heavy_packages_are_alone(packages: list[LockedPackage]) -> None:
    """Within the budget, a group holds one heavy package or small ones only."""
    for one in grouped(packages):
        heavy = [package for package in one.packages if package.size_bytes >= 4 * MIB]
        assert heavy == [] or (len(one.packages), one.name) == (1, heavy[0].name)


@given(PACKAGES, st.booleans(), st.integers(1, 30), st.integers(1, 64))
def test_groups_stay_within_the_budget_of_layers(
    packages: list[LockedPackage], has_replaced: bool, most_layers: int, buckets: int
) -> None:
    """However many packages are heavy, and whatever the base holds of them."""
    installed = [package.name for package in packages[:3]] if has_replaced else []
    groups = grouped(packages, installed=installed, most_layers=most_layers, buckets=buckets)

    assert len(groups) <= most_layers


def test_lightest_of_too_many_heavy_packages_share_with_the_small_ones() -> None:
    """What is worth a layer of its own most has one."""
    packages = [LockedPackage(f"p{n:03}", "1", size_bytes=(5 + n) * MIB) for n in range(200)]
    groups = grouped(packages, most_layers=50)
    alone = [one.name for one in groups if not one.name.startswith("small-")]

    assert len(groups) <= 50
    assert alone == [f"p{n:03}" for n in range(200 - len(alone), 200)]
    assert len(alone) == 50 - 16 - 1


def test_replaced_packages_are_one_group_at_the_bottom() -> None:
    """The removal of their old files must not hide what another layer brings."""
    packages = [LockedPackage(name, "2", size_bytes=9 * MIB) for name in ("a", "new", "z")]
    first, *rest = grouped(packages, installed=["z", "a"])

    assert (first.name, [one.name for one in first.packages]) == ("replaced", ["a", "z"])
    assert [one.name for one in rest] == ["new"]


@pytest.mark.parametrize(
    ("name", "bucket"), [("six", "small-6"), ("tabulate", "small-10"), ("humanize", "small-6")]
)
def test_bucket_of_a_name_is_for_ever(name: str, bucket: str) -> None:
    """Another one in the next release would make every user's layers anew."""
    (only,) = grouped([LockedPackage(name, "1")])

    assert only.name == bucket
