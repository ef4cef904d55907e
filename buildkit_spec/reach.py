"""From a wish to a connection: the one daemon, a pool, or an embedded daemon of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal, TypeVar

from buildkit_spec.client.address import Address
from buildkit_spec.client.endpoint import Endpoint, Wish, find_endpoint
from buildkit_spec.client.pool_members import connect_to, is_pool, pool_members
from buildkit_spec.errors import DaemonNotFoundError
from buildkit_spec.values import BuildWarning, Digest, Platform, StatusUpdate, VertexStatus

if TYPE_CHECKING:
    from buildkit_spec.client.client import Client
    from buildkit_spec.client.pool import Member, Need, Pool
    from buildkit_spec.stopwatch import Stopwatch
    from buildkit_spec.values import StatusCallback

Embedded = Literal["keep", "stop", "never"]
"""Start a daemon where none runs, and keep it a while; or stop it after the build; or do not."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Reached:
    """A connection to build on.

    Attributes:
        client: The connection.
        network: Network of steps that name none; empty for the daemon's default.
    """

    client: Client
    network: str = ""


class Reach:
    """The daemons of a builder. Safe to use from several threads at once.

    Args:
        wish: What the caller says of the daemon.
        embedded: What is done where none is set and none runs.
        env: The environment.
    """

    def __init__(self, wish: Wish, embedded: Embedded, env: Mapping[str, str]) -> None:
        self._wish = wish
        self._embedded = embedded
        self._env = env
        self._lock = threading.Lock()
        self._pools: dict[Endpoint, Pool] = {}

    def run(
        self,
        work: Callable[[Reached], _T],
        key: str,
        platforms: Sequence[Platform],
        *,
        clock: Stopwatch,
        tell: StatusCallback,
        is_movable: bool = True,
    ) -> _T:
        """Do *work* on a connection, which is closed then.

        Args:
            work: Builds, or asks.
            key: What stands for the build; see `affinity_key`.
            platforms: What it is for.
            clock: Takes the time of connecting.
            tell: Told when a builder is left out, or a daemon is started.
            is_movable: Whether *work* may be begun again on another builder of a pool.

        Raises:
            DaemonError: There is no daemon, or it went away.
            InvalidValueError: There is no builder of the name.
            SpecError: A configuration file has problems.
            Exception: What *work* raised.
        """
        try:
            endpoint = find_endpoint(self._wish, self._env)
        except DaemonNotFoundError as error:
            with self._started(error, clock, tell) as (endpoint, network):
                with clock.phase("connect"):
                    client = endpoint.connect()
                with client:
                    return work(Reached(client, network))
        if not is_pool(endpoint):
            with clock.phase("connect"):
                client = endpoint.connect()
            with client:
                return work(Reached(client))
        return self._run_in_pool(work, endpoint, key, platforms, clock, tell, is_movable)

    def split(
        self,
        key: str,
        platforms: Sequence[Platform],
        *,
        clock: Stopwatch,
        tell: StatusCallback,
    ) -> list[tuple[Platform, ...]]:
        """Return which platforms of an image are better built apart, each on a builder of its own.

        Args:
            key: What stands for the build; see `affinity_key`.
            platforms: What it is for.
            clock: Takes the time of connecting.
            tell: Told when a builder is left out.

        Raises:
            DaemonError: There is no builder of the pool's name now.
            InvalidValueError: There is no builder of the name.
            SpecError: A configuration file has problems.
        """
        whole = [tuple(platforms)]
        try:
            endpoint = find_endpoint(self._wish, self._env)
        except DaemonNotFoundError:
            return whole
        if len(set(platforms)) < 2 or not is_pool(endpoint):
            return whole
        pool, need = self._pool(endpoint, key, platforms, clock, tell)
        return pool.split(need)

    def _run_in_pool(
        self,
        work: Callable[[Reached], _T],
        endpoint: Endpoint,
        key: str,
        platforms: Sequence[Platform],
        clock: Stopwatch,
        tell: StatusCallback,
        is_movable: bool,
    ) -> _T:
        pool, need = self._pool(endpoint, key, platforms, clock, tell)
        return pool.run(lambda client: work(Reached(client)), need, is_movable=is_movable)

    def _pool(
        self,
        endpoint: Endpoint,
        key: str,
        platforms: Sequence[Platform],
        clock: Stopwatch,
        tell: StatusCallback,
    ) -> tuple[Pool, Need[Client]]:
        from buildkit_spec.client.pool import Need, Pool

        def connect(member: Member) -> Client:
            with clock.phase("connect"):
                return connect_to(member, endpoint)

        with self._lock:
            pool = self._pools.setdefault(endpoint, Pool())
        with clock.phase("connect"):
            members = pool_members(endpoint)
        return pool, Need(
            key, platforms, members, connect, lambda text: _say(tell, "choosing a builder", text)
        )

    @contextmanager
    def _started(
        self, error: DaemonNotFoundError, clock: Stopwatch, tell: StatusCallback
    ) -> Iterator[tuple[Endpoint, str]]:
        if error.is_set or self._embedded == "never":
            raise error
        from buildkit_spec.daemon import IDLE_S, Folder, find_program, join

        program = find_program(self._env)
        if program is None:
            raise error
        is_stopped = self._embedded == "stop"
        with clock.phase("connect"):
            daemon = join(program, Folder.of(self._env), is_stopped=is_stopped, env=self._env)
        with daemon:
            until = "with this build" if is_stopped else f"{IDLE_S / 60:g} min after the last build"
            running = daemon.running
            _say(tell, "starting a daemon", "", f"{running.program} of our own, ends {until}")
            yield _endpoint_of(running.address), running.network


def find_reachable(wish: Wish, env: Mapping[str, str]) -> Endpoint:
    """Return the daemon to ask: what `find_endpoint` finds, else the embedded one if it runs.

    Raises:
        BuildkitSpecError: See `find_endpoint`.
    """
    try:
        return find_endpoint(wish, env)
    except DaemonNotFoundError as error:
        from buildkit_spec.daemon import Folder, find_running

        running = None if error.is_set else find_running(Folder.of(env))
        if running is None:
            raise
        return _endpoint_of(running.address)


def _endpoint_of(address: str) -> Endpoint:
    return Endpoint((Address.parse(address),), "it is our own, started for builds")


def _say(tell: StatusCallback, name: str, warning: str, detail: str = "") -> None:
    name = f"{name}: {detail}" if detail else name
    step, now = Digest.of(f"{name} {warning}".encode()), datetime.now(timezone.utc)
    vertex = VertexStatus(step, name, started=now, completed=now)
    warnings = (BuildWarning(step, warning),) if warning else ()
    tell(StatusUpdate((vertex,), warnings=warnings))
