"""A pool: several builders that stand in for each other.

A build goes to the builder that has its cache, if that one answers, has the platform and is not
busy; else to the next in the build's own order. One that fails is left out for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from buildkit_spec.client.rendezvous import ranked
from buildkit_spec.errors import ConnectionFailedError, DaemonError, DeadlineExceededError
from buildkit_spec.values import Platform

if TYPE_CHECKING:
    from buildkit_spec.client.address import Address

LEFT_OUT_S = 60.0
"""For how long a builder is left out that failed, in seconds."""

BUSY = 4
"""So many builds at once, and a builder is passed over for the next that has fewer."""

LOOKED_AT = 3
"""So many busy builders are asked before the least busy of them is taken."""

_FAILURES = (ConnectionFailedError, DeadlineExceededError)
_T = TypeVar("_T")

Say = Callable[[str], None]
"""Told what people should know, one line."""


@dataclass(frozen=True, slots=True)
class Member:
    """One builder of a pool.

    Attributes:
        name: What its place in the order comes from: must be stable.
        address: Where it is now.
        platforms: What it is to be used for, its own first; empty when it is to be asked.
        server_name: Name in its certificate; empty for the one that is set, or the address's.
    """

    name: str
    address: Address
    platforms: tuple[Platform, ...] = ()
    server_name: str = ""


class Connection(Protocol):
    """What a pool needs of a connection; `Client` is one."""

    def close(self) -> None:
        """Close it."""

    def build_count(self) -> int:
        """Return how many builds run on the daemon; 0 when it does not say."""

    def platforms(self) -> tuple[Platform, ...]:
        """Return what the daemon can build, its own first."""


_C = TypeVar("_C", bound=Connection)


@dataclass(frozen=True, slots=True)
class Need(Generic[_C]):
    """What a build needs of a pool.

    Attributes:
        key: What stands for the build; see `affinity_key`.
        platforms: What it is for.
        members: All builders, at least one.
        connect: Connects to a builder.
        say: Told which builders are left out, and why.
    """

    key: str
    platforms: Sequence[Platform]
    members: Sequence[Member]
    connect: Callable[[Member], _C]
    say: Say


class Pool:
    """Chooses a builder for each build. Safe to use from several threads at once.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left_out: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._platforms: dict[str, tuple[Platform, ...]] = {}

    def order(self, need: Need[_C]) -> list[Member]:
        """Return who is tried for a build, the first choice first.

        Left out are those that failed a short while ago, unless all of them did, and those that
        are known not to have the platforms.
        """
        by_name = {member.name: member for member in need.members}
        found = [by_name[name] for name in ranked(need.key, by_name)]
        with self._lock:
            now = self._clock()
            healthy = [one for one in found if self._left_out.get(one.name, now) <= now]
            known = {one.name: one.platforms or self._platforms.get(one.name) for one in found}
        fitting = [one for one in healthy or found if _has(known[one.name], need.platforms)]
        # What is known to be built by emulation there goes last; sorting keeps the order.
        return sorted(fitting, key=lambda one: _is_emulated(known[one.name], need.platforms))

    def split(self, need: Need[_C]) -> list[tuple[Platform, ...]]:
        """Return which platforms of a build are for one builder each, so that none is emulated.

        All together when one builder has them all as its own, or when nobody has more than the
        other.
        """
        natives: dict[Platform, str] = {}
        for member in self.order(replace(need, platforms=())):
            known = self._known(member, need)
            own = {one for one in need.platforms if known and not _is_emulated(known, [one])}
            if own == set(need.platforms):
                return [tuple(need.platforms)]
            for one in own & set(known):
                natives.setdefault(one, member.name)
            if len(natives) == len(set(need.platforms)):
                break
        # What nobody has as its own goes where the first of the others goes.
        first = next(iter(natives.values()), "")
        groups: dict[str, list[Platform]] = {}
        for one in need.platforms:
            groups.setdefault(natives.get(one, first), []).append(one)
        return [tuple(group) for group in groups.values()]

    def _known(self, member: Member, need: Need[_C]) -> tuple[Platform, ...]:
        """Return what a builder has, which is asked for once; nothing when it cannot be reached."""
        known = member.platforms or self._platforms.get(member.name)
        if known is None:
            try:
                connection = need.connect(member)
            except _FAILURES as error:
                self.leave_out(member)
                need.say(f"{member.name} is left out: {error.message}")
                return ()
            try:
                known = self._platforms[member.name] = connection.platforms()
            except _FAILURES as error:
                self.leave_out(member)
                need.say(f"{member.name} is left out: {error.message}")
                return ()
            finally:
                connection.close()
        return known

    def leave_out(self, member: Member) -> None:
        """Leave a builder out for a while."""
        with self._lock:
            self._left_out[member.name] = self._clock() + LEFT_OUT_S

    def run(self, work: Callable[[_C], _T], need: Need[_C], *, is_movable: bool = True) -> _T:
        """Do *work* on the builder that suits best; if that one goes away, once more on the next.

        A step that fails is no reason to move on: it would fail elsewhere too.

        Args:
            work: Given a connection, which it may close.
            need: What it needs.
            is_movable: Whether it may begin again on another builder.

        Raises:
            DaemonError: No builder can be reached, or none has the platforms, or the second went
                away too.
            Exception: What *work* raised.
        """
        is_last = not is_movable or len(need.members) == 1
        while True:
            with self._taken(need) as (member, connection):
                try:
                    return work(connection)
                except _FAILURES as error:
                    self.leave_out(member)
                    others = tuple(one for one in need.members if one.name != member.name)
                    if is_last or not others:
                        raise
                    need = replace(need, members=others)
                    need.say(f"{member.name} is left out, the build moves on: {error.message}")
            is_last = True

    @contextmanager
    def _taken(self, need: Need[_C]) -> Iterator[tuple[Member, _C]]:
        member, connection = self._choose(need)
        with self._lock:
            self._counts[member.name] = self._counts.get(member.name, 0) + 1
        try:
            yield member, connection
        finally:
            with self._lock:
                self._counts[member.name] -= 1
            connection.close()

    def _choose(self, need: Need[_C]) -> tuple[Member, _C]:
        best: _Candidate[_C] | None = None
        looked_at, failure = 0, None
        for member in self.order(need):
            try:
                one = self._look(member, need)
            except _FAILURES as error:
                self.leave_out(member)
                failure = error
                if len(need.members) > 1:
                    need.say(f"{member.name} is left out: {error.message}")
                continue
            if one is None:
                continue
            better, worse = (one, best) if best is None or one.grade < best.grade else (best, one)
            if worse is not None:
                worse.connection.close()
            best = better
            looked_at += not one.is_emulating
            if best.grade == _BEST or looked_at == LOOKED_AT:
                break
        if best is not None:
            return best.member, best.connection
        if failure is not None:
            raise failure
        wanted = ", ".join(map(str, need.platforms))
        raise DaemonError(
            f"no builder of the pool has {wanted}",
            remedy=f"add a builder for {wanted}: buildkit-spec builders add NAME ADDRESS...",
        )

    def _look(self, member: Member, need: Need[_C]) -> _Candidate[_C] | None:
        """Connect to a builder; None when it does not have the platforms."""
        connection = need.connect(member)
        try:
            known = member.platforms or self._platforms.get(member.name)
            if known is None:
                known = self._platforms[member.name] = connection.platforms()
            count = max(connection.build_count(), self._counts.get(member.name, 0))
        except BaseException:
            connection.close()
            raise
        if not _has(known, need.platforms):
            connection.close()
            return None
        return _Candidate(
            member, connection, _is_emulated(known, need.platforms), count if count >= BUSY else 0
        )


_BEST = (False, 0)


@dataclass(frozen=True, slots=True)
class _Candidate(Generic[_C]):
    member: Member
    connection: _C
    is_emulating: bool
    load: int
    """Builds, of a busy one."""

    @property
    def grade(self) -> tuple[bool, int]:
        """The least is the best; of equal ones it is the first."""
        return self.is_emulating, self.load


def _has(known: Sequence[Platform] | None, wanted: Sequence[Platform]) -> bool:
    return not known or set(wanted) <= set(known)


def _is_emulated(known: Sequence[Platform] | None, wanted: Sequence[Platform]) -> bool:
    """Whether some of it is not of the machine's own kind, as far as that is known."""
    if not known:
        return False
    return any(one.architecture != known[0].architecture for one in wanted)
