"""`Client`: one connection to a daemon."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.protobuf.message import Message

from buildkit_spec._pb import control as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.client._build import GatewayBuild, RunBuild, SolveResult
from buildkit_spec.client._errors import translate
from buildkit_spec.client.address import Address
from buildkit_spec.client.dial import dial
from buildkit_spec.client.exporters import Exporter
from buildkit_spec.client.records import (
    CacheRecord,
    DaemonInfo,
    Worker,
    decode_record,
    decode_worker,
)
from buildkit_spec.values import StatusCallback

if TYPE_CHECKING:
    from buildkit_spec.session import Session

_NS_PER_S = 1_000_000_000

_Req = TypeVar("_Req", bound=Message)
_Res = TypeVar("_Res", bound=Message)


class Client:
    """A connection to a daemon; a context manager that closes it. Safe to use from several threads.

    Args:
        address: The daemon's.
        connect_timeout_s: How long connecting may take, in seconds.

    Raises:
        ConnectionFailedError: It cannot be reached.
    """

    def __init__(self, address: Address, *, connect_timeout_s: float = 10.0) -> None:
        self.address = address
        self._timeout_s = connect_timeout_s
        self._dialed = dial(address, timeout_s=connect_timeout_s)

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
        """Close the connection; builds that run on it are cancelled."""
        self._dialed.close()

    @property
    def channel(self) -> grpc.Channel:
        """The gRPC channel, for a session."""
        return self._dialed.channel

    def info(self) -> DaemonInfo:
        """Return the daemon's version.

        Raises:
            DaemonError: It went away, or is not BuildKit.
        """
        try:
            answer = self._call(pb.Control.Info, pb.InfoRequest()).buildkitVersion
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:  # older than 0.11
                return DaemonInfo("", "", "")
            raise translate(error, self.address) from error
        return DaemonInfo(answer.package, answer.version, answer.revision)

    def workers(self) -> tuple[Worker, ...]:
        """Return the daemon's workers, the default one first.

        Raises:
            DaemonError: It went away, or is not BuildKit.
        """
        try:
            answer = self._call(pb.Control.ListWorkers, pb.ListWorkersRequest())
        except grpc.RpcError as error:
            raise translate(error, self.address) from error
        return tuple(map(decode_worker, answer.record))

    def disk_usage(self, filters: Sequence[str] = ()) -> tuple[CacheRecord, ...]:
        """Return what the build cache holds.

        Args:
            filters: Such as ``type==regular``; a record must fit one of them.

        Raises:
            DaemonError: The daemon went away.
        """
        try:
            answer = self._call(pb.Control.DiskUsage, pb.DiskUsageRequest(filter=filters))
        except grpc.RpcError as error:
            raise translate(error, self.address) from error
        return tuple(map(decode_record, answer.record))

    def prune(
        self,
        filters: Sequence[str] = (),
        *,
        all: bool = False,
        keep_duration_s: float = 0,
        keep_bytes: int = 0,
    ) -> Iterator[CacheRecord]:
        """Remove what the build cache does not need, and yield each piece removed.

        Args:
            filters: Such as ``type==regular``; a record must fit one of them.
            all: Internal and shared records too.
            keep_duration_s: Keep what was used in the last so many seconds.
            keep_bytes: Keep so many bytes.

        Raises:
            DaemonError: The daemon went away.
        """
        request = pb.PruneRequest(
            filter=filters,
            all=all,
            keepDuration=int(keep_duration_s * _NS_PER_S),
            reservedSpace=keep_bytes,
        )
        method = pb.Control.Prune
        stream = self.channel.unary_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        try:
            for record in stream(request):
                yield decode_record(record)
        except grpc.RpcError as error:
            raise translate(error, self.address) from error

    def build(
        self,
        run: RunBuild,
        *,
        exporters: Sequence[Exporter] = (),
        session: Session | None = None,
        entitlements: Sequence[str] = (),
        on_status: StatusCallback | None = None,
    ) -> SolveResult:
        """Run a gateway build.

        *run* is called on this thread with the build's `Gateway`; what it returns is exported.
        Whatever ends the call, Ctrl-C included, ends the build on the daemon too.

        Args:
            run: Lays the graph out and solves it.
            exporters: What becomes of the result.
            session: What is served back; it is started here, and stays the caller's to close.
            entitlements: What steps may do beyond the usual, such as ``network.host``.
            on_status: Told what happens, on a thread of the build.

        Raises:
            BuildkitSpecError: What *run* raised, or what the session failed with.
            SolveError: The daemon could not build or export.
            DaemonError: The daemon went away.
        """
        if session is not None:
            session.start(self.channel)
        build = GatewayBuild(self.channel, self.address, uuid.uuid4().hex, session, on_status)
        return build.run(run, exporters, entitlements)

    def _call(self, method: Method[_Req, _Res], request: _Req) -> _Res:
        call = self.channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        answer: _Res = call(request, timeout=self._timeout_s)
        return answer
