"""`Client`: one connection to a daemon."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import grpc

from buildkit_spec._pb import control as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.client._build import BuildOrder, GatewayBuild, RunBuild, SolveResult
from buildkit_spec.client._calls import CALL_ERRORS, Req, Res, begin, begin_stream, cancel
from buildkit_spec.client._errors import translate
from buildkit_spec.client._greeting import greet
from buildkit_spec.client._silence import SILENCE_S
from buildkit_spec.client.address import Address
from buildkit_spec.client.dial import dial
from buildkit_spec.client.engine_api import EngineApi
from buildkit_spec.client.engine_push import push_image
from buildkit_spec.client.exporters import CacheEntry, Exporter
from buildkit_spec.client.gateway import Gateway
from buildkit_spec.client.history import History
from buildkit_spec.client.records import (
    SNAPSHOTTER,
    CacheRecord,
    DaemonInfo,
    Worker,
    decode_record,
    decode_worker,
)
from buildkit_spec.client.result import BuildOutput
from buildkit_spec.client.tls import Tls
from buildkit_spec.errors import UnsupportedCapabilityError
from buildkit_spec.values import Credentials, Digest, Platform, Reference, StatusCallback

if TYPE_CHECKING:
    from buildkit_spec.session import Session

_NS_PER_S = 1_000_000_000


class Client:
    """A connection to a daemon; a context manager that closes it. Safe to use from several threads.

    Args:
        address: The daemon's.
        connect_timeout_s: How long connecting, and each short question, may take, in seconds.
        tls: Certificates for ``tcp://``; None is plain.
        is_insecure_allowed: Whether plain TCP may leave this machine.
        silence_s: How long the daemon may say nothing during a build with a session, in seconds;
            it asks every few seconds whether we are there.

    Raises:
        ConnectionFailedError: It cannot be reached, or is not BuildKit.
        DeadlineExceededError: It did not answer in time.
    """

    def __init__(
        self,
        address: Address,
        *,
        connect_timeout_s: float = 10.0,
        tls: Tls | None = None,
        is_insecure_allowed: bool = False,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.address = address
        self._silence_s = silence_s
        self._timeout_s = connect_timeout_s
        self._dialed = dial(
            address,
            timeout_s=connect_timeout_s,
            tls=tls,
            is_insecure_allowed=is_insecure_allowed,
        )
        is_engine = self._dialed.address.scheme == "docker"
        open_stream = self._dialed.open_stream
        self._engine = EngineApi(self._dialed.address, open_stream) if is_engine else None
        try:
            with self._dialed.explained():
                self._info = greet(
                    self.channel, address, connect_timeout_s, has_tls=tls is not None
                )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; builds and pushes that run on it are cancelled."""
        if self._engine is not None:
            self._engine.close()
        self._dialed.close()

    @property
    def channel(self) -> grpc.Channel:
        """The gRPC channel, for a session."""
        return self._dialed.channel

    def info(self) -> DaemonInfo:
        """Return the daemon's version, as it said when the connection was made."""
        return self._info

    def workers(self) -> tuple[Worker, ...]:
        """Return the daemon's workers, the default one first.

        Raises:
            DaemonError: It went away, or is not BuildKit.
        """
        answer = self._call(pb.Control.ListWorkers, pb.ListWorkersRequest(), self._timeout_s)
        return tuple(map(decode_worker, answer.record))

    def platforms(self) -> tuple[Platform, ...]:
        """Return what the daemon can build, the machine's own first.

        Raises:
            DaemonError: It went away.
        """
        return tuple(dict.fromkeys(one for worker in self.workers() for one in worker.platforms))

    def build_count(self) -> int:
        """Return how many builds run on the daemon, whoever began them.

        0 of one before 0.11, which does not say.

        Raises:
            DaemonError: It went away.
        """
        try:
            return self.history.running_count()
        except UnsupportedCapabilityError:
            return 0

    @property
    def is_docker_engine(self) -> bool:
        """Whether the daemon is the BuildKit inside a Docker Engine."""
        return self._engine is not None

    def has_image_exporter(self) -> bool:
        """Whether the daemon makes images that it can push itself.

        A Docker Engine without the containerd image store does not: its BuildKit puts them into
        the Engine (`engine_exporter`), which pushes them (`push_image`).

        Raises:
            DaemonError: It went away.

        Source: buildx ``driver/docker/driver.go``: only a worker over containerd has a snapshotter.
        """
        return self._engine is None or any(SNAPSHOTTER in one.labels for one in self.workers())

    def push_image(
        self,
        reference: Reference,
        *,
        credentials: Credentials | None = None,
        registry_token: str = "",
        on_status: StatusCallback | None = None,
    ) -> Digest:
        """Push an image that is in the Docker Engine, through the Engine's own API.

        The login goes to the Engine that this connection is to, and to nobody else.

        Args:
            reference: Its name, with a tag.
            credentials: The login for its registry; None for none.
            registry_token: A bearer token for the registry, in place of a login; or empty.
            on_status: Told what happens, on this thread: one step, a transfer for each layer.

        Returns:
            Digest of the manifest, as the registry has it.

        Raises:
            UnsupportedCapabilityError: The daemon is no Docker Engine.
            RegistryAuthError: The registry wants another login.
            RegistryUnavailableError: The registry does not answer, or asks to wait.
            RegistryError: The registry refuses the image, or the Engine has no such image.
            ConnectionFailedError: The Engine went away.
            SolveCanceledError: The client was closed from another thread.
        """
        if self._engine is None:
            raise UnsupportedCapabilityError(
                f"{self.address} is no Docker Engine: its exporters push", capability="push"
            )
        return push_image(
            self._engine,
            reference,
            credentials=credentials,
            registry_token=registry_token,
            on_status=on_status,
        )

    def disk_usage(
        self, filters: Sequence[str] = (), *, unused_for_s: float = 0
    ) -> tuple[CacheRecord, ...]:
        """Return what the build cache holds.

        Args:
            filters: Such as ``type==regular``; a record must fit one of them.
            unused_for_s: And must not have been used for so many seconds.

        Raises:
            DaemonError: The daemon went away.
        """
        request = pb.DiskUsageRequest(filter=filters, ageLimit=int(unused_for_s * _NS_PER_S))
        answer = self._call(pb.Control.DiskUsage, request, None)
        return tuple(map(decode_record, answer.record))

    @property
    def history(self) -> History:
        """The builds that the daemon remembers."""
        return History(self.channel, self.address)

    def prune(
        self,
        filters: Sequence[str] = (),
        *,
        all: bool = False,
        keep_duration_s: float = 0,
        reserved_bytes: int = 0,
        max_used_bytes: int = 0,
        min_free_bytes: int = 0,
    ) -> Iterator[CacheRecord]:
        """Remove what the build cache does not need, and yield each piece removed.

        Args:
            filters: Such as ``type==regular``; a record must fit one of them.
            all: Internal and shared records too.
            keep_duration_s: Keep what was used in the last so many seconds.
            reserved_bytes: Keep so many bytes.
            max_used_bytes: Remove no more than it takes for the cache to be this small.
            min_free_bytes: Remove no more than it takes for so much of the disk to be free.

        Raises:
            UnsupportedCapabilityError: The daemon does not know one of the last two, and would
                remove everything.
            DaemonError: The daemon went away.
        """
        if max_used_bytes or min_free_bytes:
            needed = {"gc.freespacefilter": "prune down to a size"}
            self.build(lambda gateway: _only_require(gateway, needed), is_internal=True)
        request = pb.PruneRequest(
            filter=filters,
            all=all,
            keepDuration=int(keep_duration_s * _NS_PER_S),
            reservedSpace=reserved_bytes,
            maxUsedSpace=max_used_bytes,
            minFreeSpace=min_free_bytes,
        )
        stream = begin_stream(self.channel, pb.Control.Prune, request)
        try:
            for record in stream:
                yield decode_record(record)
        except CALL_ERRORS as error:
            raise translate(error, self.address) from error
        finally:
            cancel(stream)  # for those who stop iterating

    def build(
        self,
        run: RunBuild,
        *,
        exporters: Sequence[Exporter] = (),
        session: Session | None = None,
        entitlements: Sequence[str] = (),
        cache_imports: Sequence[CacheEntry] = (),
        cache_exports: Sequence[CacheEntry] = (),
        frontend_attrs: Mapping[str, str] | None = None,
        ref: str = "",
        on_status: StatusCallback | None = None,
        timeout_s: float | None = None,
        is_internal: bool = False,
    ) -> SolveResult:
        """Run a gateway build.

        *run* is called on this thread with the build's `Gateway`; what it returns is exported.
        Whatever ends the call, Ctrl-C included, ends the build on the daemon too. Closing the
        client from another thread ends it with `SolveCanceledError`.

        Args:
            run: Lays the graph out and solves it.
            exporters: What becomes of the result.
            session: What is served back; it is started here, and stays the caller's to close.
            entitlements: What steps may do beyond the usual, such as ``network.host``.
            cache_imports: Where results may come from; `Gateway.solve` takes them too.
            cache_exports: Where results are kept.
            frontend_attrs: Options that the daemon reads from a frontend's, such as ``attest:…``.
            ref: The build's id; a fresh one by default.
            on_status: Told what happens, on a thread of the build. What it raises ends the build.
            timeout_s: How long it may take, in seconds; None for ever.
            is_internal: Whether the daemon's history is to leave it out: it only asks.

        Raises:
            Exception: What *run* or *on_status* raised, as it was.
            SolveError: The daemon could not build or export.
            SessionError: What was served back is the cause of that.
            DeadlineExceededError: It was not done in time.
            ConnectionFailedError: The daemon went away.
        """
        if session is not None:
            session.start(self.channel)
        order = BuildOrder(
            ref or uuid.uuid4().hex,
            exporters,
            entitlements,
            cache_imports,
            cache_exports,
            frontend_attrs or {},
            timeout_s,
            is_internal,
        )
        with self._dialed.explained():
            build = GatewayBuild(self.channel, self.address, session, on_status, self._silence_s)
            return build.run(run, order)

    def _call(self, method: Method[Req, Res], request: Req, timeout_s: float | None) -> Res:
        call = begin(self.channel, method, request, timeout_s=timeout_s)
        try:
            answer: Res = call.result()
        except CALL_ERRORS as error:
            with self._dialed.explained():
                raise translate(error, self.address, timeout_s=timeout_s) from error
        return answer


def _only_require(gateway: Gateway, needed: Mapping[str, str]) -> BuildOutput:
    gateway.require(needed)
    return BuildOutput({Platform("linux", "amd64"): None})
