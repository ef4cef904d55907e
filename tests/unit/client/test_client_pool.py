"""Pools, simulated with twenty builders."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkit_spec.client import Address, Endpoint
from buildkit_spec.client.pool import BUSY, LEFT_OUT_S, LOOKED_AT, Member, Need, Pool
from buildkit_spec.client.pool_members import is_pool, pool_members
from buildkit_spec.client.rendezvous import ranked
from buildkit_spec.errors import (
    ConnectionFailedError,
    DaemonError,
    DeadlineExceededError,
    ExecError,
)
from buildkit_spec.values import Platform

NAMES = [f"tcp://builder-{number}.ci.svc:1234" for number in range(20)]
KEYS = [f"spec-{number}" for number in range(2000)]
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


class Far:
    """A builder of the simulation, and the connection to it."""

    def __init__(self, name: str, platforms: Sequence[Platform] = (AMD64,)) -> None:
        self.name = name
        self.own = tuple(platforms)
        self.is_down = False
        self.running = 0
        self.connected = 0
        self.open = 0

    def close(self) -> None:
        self.open -= 1

    def build_count(self) -> int:
        return self.running

    def platforms(self) -> tuple[Platform, ...]:
        return self.own


class Fleet:
    """Twenty builders, and what people were told of them."""

    def __init__(self, platforms: Callable[[int], Sequence[Platform]] = lambda _: (AMD64,)) -> None:
        self.far = {name: Far(name, platforms(at)) for at, name in enumerate(NAMES)}
        self.said: list[str] = []
        self.now_s = 0.0
        self.pool = Pool(lambda: self.now_s)

    def connect(self, member: Member) -> Far:
        far = self.far[member.name]
        far.connected += 1
        if far.is_down:
            raise ConnectionFailedError(f"cannot reach {member.name}", address=member.name)
        far.open += 1
        return far

    def need(self, key: str, *platforms: Platform, count: int = 20) -> Need[Far]:
        members = [Member(name, Address.parse(name)) for name in NAMES[:count]]
        return Need(key, platforms or (AMD64,), members, self.connect, self.said.append)

    def place(self, key: str, *platforms: Platform) -> str:
        """Where a build goes."""
        return self.pool.run(lambda far: far.name, self.need(key, *platforms))

    @property
    def is_closed(self) -> bool:
        return not any(far.open for far in self.far.values())


def test_pool_spreads_keys_evenly() -> None:
    """Of 2000 keys each of 20 builders gets about 100."""
    counts = Counter(ranked(key, NAMES)[0] for key in KEYS)
    assert len(counts) == 20
    assert 60 <= min(counts.values()) <= max(counts.values()) <= 140


def test_pool_moves_only_what_a_lost_builder_had() -> None:
    """Who leaves takes its own keys along, which spread over the others; so does who comes."""
    left = NAMES[:7] + NAMES[8:]
    before = {key: ranked(key, NAMES)[0] for key in KEYS}
    after = {key: ranked(key, left)[0] for key in KEYS}
    moved = [key for key in KEYS if before[key] != after[key]]
    assert moved == [key for key in KEYS if before[key] == NAMES[7]]
    assert len({after[key] for key in moved}) > 10


@given(st.text(), st.lists(st.text(), unique=True), st.randoms(use_true_random=False))
def test_pool_order_is_stable(key: str, names: list[str], random: object) -> None:
    """It depends on the key and the names alone, and without one of them the rest stays."""
    order = ranked(key, names)
    assert sorted(order) == sorted(names)
    assert ranked(key, reversed(names)) == order
    for name in names[:3]:
        assert ranked(key, [one for one in names if one != name]) == [
            one for one in order if one != name
        ]


def test_pool_order_is_the_same_in_every_release() -> None:
    """Another order would lose the caches of everybody who updates."""
    assert ranked("spec", ["a", "b", "c", "d"]) == ["b", "d", "a", "c"]


def test_pool_keeps_a_key_where_it_is() -> None:
    """Every build of a key goes to the same builder, and nobody else is asked."""
    fleet = Fleet()
    home = fleet.place("spec")
    assert {fleet.place("spec") for _ in range(10)} == {home}
    assert sum(far.connected for far in fleet.far.values()) == 11
    assert fleet.is_closed
    assert not fleet.said


def test_pool_leaves_out_who_does_not_answer() -> None:
    """It is tried again after a while, and said which it was; the build goes to its second."""
    fleet = Fleet()
    first, second = ranked("spec", NAMES)[:2]
    fleet.far[first].is_down = True
    assert fleet.place("spec") == second
    assert fleet.place("spec") == second
    assert fleet.far[first].connected == 1
    assert fleet.said == [f"{first} is left out: cannot reach {first}"]
    fleet.far[first].is_down = False
    fleet.now_s += LEFT_OUT_S
    assert fleet.place("spec") == first
    assert fleet.is_closed


def test_pool_splits_a_build_between_those_that_have_its_platforms() -> None:
    """Each platform goes to a machine of its kind, and all go together where one has them all."""
    apart = Fleet(lambda at: (ARM64, AMD64) if at % 2 else (AMD64, ARM64))
    groups = apart.pool.split(apart.need("spec", AMD64, ARM64))
    assert sorted(map(str, groups)) == sorted(map(str, [(AMD64,), (ARM64,)]))
    assert apart.pool.split(apart.need("spec", AMD64)) == [(AMD64,)]
    assert [apart.place("spec", *group) for group in groups]
    for group in groups:
        assert apart.far[apart.place("spec", *group)].own[0] == group[0]
    assert apart.is_closed


def test_pool_splits_nothing_where_nobody_is_better() -> None:
    """Emulated everywhere is as good as emulated anywhere; who cannot be reached is left out."""
    fleet = Fleet(lambda _: (AMD64, ARM64))
    for name in NAMES[:5]:
        fleet.far[name].is_down = True
    assert fleet.pool.split(fleet.need("spec", AMD64, ARM64)) == [(AMD64, ARM64)]
    assert len(fleet.said) == 5
    assert fleet.is_closed


def test_pool_tries_all_before_it_gives_up() -> None:
    """The error is that of the last; all of them down is no reason not to try again."""
    fleet = Fleet()
    for far in fleet.far.values():
        far.is_down = True
    with pytest.raises(ConnectionFailedError, match="cannot reach"):
        fleet.place("spec")
    assert len(fleet.said) == 20
    fleet.far[NAMES[3]].is_down = False
    assert fleet.place("spec") == NAMES[3]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailedError("the daemon went away"),
        DeadlineExceededError("no answer", timeout_s=10),
    ],
)
def test_pool_moves_on_once(error: DaemonError) -> None:
    """A builder that goes away in a build is left out, and the build begins again on the next."""
    fleet = Fleet()
    first, second, third = ranked("spec", NAMES)[:3]
    seen: list[str] = []

    def work(far: Far) -> str:
        seen.append(far.name)
        if len(seen) < 2:
            raise error
        return far.name

    assert fleet.pool.run(work, fleet.need("spec")) == second
    assert seen == [first, second]
    assert fleet.said == [f"{first} is left out, the build moves on: {error.message}"]

    def always(far: Far) -> str:
        seen.append(far.name)
        raise error

    with pytest.raises(type(error)):
        fleet.pool.run(always, fleet.need("spec"))
    assert seen[2:] == [second, third]
    assert fleet.is_closed


def test_pool_moves_nothing_that_cannot_be_moved() -> None:
    """A failing step fails everywhere; an archive half on standard output cannot be taken back."""
    fleet = Fleet()

    def fail(_: Far) -> None:
        raise ExecError("exit code 1", exit_code=1)

    def lose(_: Far) -> None:
        raise ConnectionFailedError("the daemon went away")

    with pytest.raises(ExecError):
        fleet.pool.run(fail, fleet.need("spec"))
    with pytest.raises(ConnectionFailedError):
        fleet.pool.run(lose, fleet.need("spec"), is_movable=False)
    assert not fleet.said
    assert fleet.is_closed


def test_pool_spills_what_is_too_much_for_one() -> None:
    """Builds beyond a limit go to the second choice, be they ours or somebody else's."""
    fleet = Fleet()
    first, second, third = ranked("spec", NAMES)[:3]
    fleet.far[first].running = BUSY
    assert fleet.place("spec") == second
    fleet.far[second].running = BUSY + 1
    assert fleet.place("spec") == third
    fleet.far[third].running = BUSY + 2
    assert LOOKED_AT == 3
    assert fleet.place("spec") == first  # all that are looked at are busy: the least busy one
    assert fleet.is_closed


def test_pool_counts_its_own_builds() -> None:
    """Builds of this process count also where the daemon does not say what it does."""
    fleet = Fleet()
    begun, go = threading.Semaphore(0), threading.Event()
    places: list[str] = []

    def work(far: Far) -> None:
        places.append(far.name)
        begun.release()
        go.wait(20)

    threads = []
    for _ in range(BUSY + 2):
        thread = threading.Thread(target=lambda: fleet.pool.run(work, fleet.need("spec")))
        thread.start()
        assert begun.acquire(timeout=20)
        threads.append(thread)
    go.set()
    for thread in threads:
        thread.join()
    first, second = ranked("spec", NAMES)[:2]
    assert places == [first] * BUSY + [second] * 2
    assert fleet.place("spec") == first


def test_pool_prefers_the_platforms_own_machine() -> None:
    """An arm64 build goes to an arm64 builder, though others can emulate it."""
    fleet = Fleet(lambda at: (ARM64,) if at % 5 == 0 else (AMD64, ARM64))
    for key in KEYS[:50]:
        assert fleet.place(key, ARM64) == ranked(key, NAMES[::5])[0]
        assert fleet.place(key, AMD64) == ranked(key, [n for n in NAMES if n not in NAMES[::5]])[0]
    for name in NAMES[::5]:
        fleet.far[name].is_down = True
    assert fleet.far[fleet.place("spec", ARM64)].own == (AMD64, ARM64)
    assert fleet.is_closed


def test_pool_without_the_platform_says_so() -> None:
    """Nobody has it: an error that names it."""
    fleet = Fleet()
    with pytest.raises(DaemonError, match="no builder of the pool has linux/arm64"):
        fleet.place("spec", ARM64)
    assert fleet.is_closed


def test_pool_members_of_a_headless_service() -> None:
    """Each pod is a builder, under the name that it keeps; its certificate is the service's."""
    endpoint = Endpoint((Address.parse("tcp+dns://buildkitd.ci:1234"),), "it was given")
    pods = {"10.0.0.7": "buildkitd-0.buildkitd.ci", "10.0.0.9": "10.0.0.9"}
    members = pool_members(endpoint, lambda host: list(pods.items()))
    assert is_pool(endpoint)
    assert [(one.name, str(one.address), one.server_name) for one in members] == [
        ("buildkitd-0.buildkitd.ci:1234", "tcp://10.0.0.7:1234", "buildkitd.ci"),
        ("10.0.0.9:1234", "tcp://10.0.0.9:1234", "buildkitd.ci"),
    ]
    moved = pool_members(endpoint, lambda host: [("10.0.0.8", "buildkitd-0.buildkitd.ci")])
    assert moved[0].name == members[0].name
    with pytest.raises(ConnectionFailedError, match="stands for no address"):
        pool_members(endpoint, lambda host: [])


def test_pool_members_of_localhost_are_looked_up() -> None:
    """The machine's own resolver is asked."""
    endpoint = Endpoint((Address.parse("tcp+dns://localhost"),), "it was given")
    assert "tcp://127.0.0.1:1234" in {str(one.address) for one in pool_members(endpoint)}


def test_pool_members_are_the_addresses_given() -> None:
    """Each once; one alone is no pool."""
    given_twice = tuple(map(Address.parse, [NAMES[0], NAMES[1], NAMES[0]]))
    endpoint = Endpoint(given_twice, "it was given", platforms=(ARM64,))
    members = pool_members(endpoint)
    assert [(one.name, one.platforms) for one in members] == [
        (NAMES[0], (ARM64,)),
        (NAMES[1], (ARM64,)),
    ]
    assert not is_pool(endpoint.only(given_twice[0]))


def test_pool_does_not_come_back_to_who_went_away() -> None:
    """A build moves on to another builder, also when all others were left out before; or not."""
    fleet = Fleet()
    need = fleet.need("spec-1", count=2)
    first, second = fleet.pool.order(need)
    fleet.pool.leave_out(second)
    tried: list[str] = []

    def work(far: Far) -> str:
        tried.append(far.name)
        if len(tried) == 1:
            raise ConnectionFailedError("gone", address=far.name)
        return far.name

    assert fleet.pool.run(work, need) == second.name
    assert tried == [first.name, second.name]


def test_pool_leaves_out_who_goes_away_while_asked_for_platforms() -> None:
    """A build for two platforms is split among those that answer; the other one is told."""

    class Mute(Far):
        def platforms(self) -> tuple[Platform, ...]:
            raise DeadlineExceededError("no answer", timeout_s=1.0)

    fleet = Fleet(lambda at: (AMD64,) if at % 2 else (ARM64,))
    need = fleet.need("spec-1", AMD64, ARM64)
    mute = fleet.pool.order(need)[0]
    fleet.far[mute.name] = Mute(mute.name)

    groups = fleet.pool.split(need)

    assert sorted(map(str, (one for group in groups for one in group))) == sorted(
        [str(AMD64), str(ARM64)]
    )
    assert [text for text in fleet.said if mute.name in text]
    assert fleet.is_closed
