"""A gateway build from a plain client: how every spec is built.

``Solve`` without a definition opens a build; while it runs, the same connection answers gateway
calls that carry the build's id; ``Return`` ends it and the exporters run.
Source: ``client/build.go``, ``client/solve.go``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from buildkit_spec._pb import control as pb
from buildkit_spec.client._errors import take_apart, translate
from buildkit_spec.client._journal import Journal
from buildkit_spec.client._status import decode
from buildkit_spec.client.address import Address
from buildkit_spec.client.exporters import DIGEST, Exporter
from buildkit_spec.client.gateway import BuildOutput, Gateway
from buildkit_spec.errors import BuildkitSpecError, SolveError
from buildkit_spec.values import Digest, StatusCallback

if TYPE_CHECKING:
    from buildkit_spec.session import Session

_PING_PAUSE_S = 0.02
_PING_LIMIT_S = 10.0
_DRAIN_S = 5.0
_WIND_UP_S = 5.0

RunBuild = Callable[[Gateway], BuildOutput]
"""Lays the graph out and solves it; runs on the thread that called `Client.build`."""


@dataclass(frozen=True, slots=True)
class SolveResult:
    """What the exporters answered.

    Attributes:
        response: Their answers, by the names of ``exptypes``.
        digest: Of the image made; None without an image.
    """

    response: Mapping[str, str] = field(default_factory=dict)
    digest: Digest | None = None


class GatewayBuild:
    """One build. Made and used by `Client.build`.

    Args:
        channel: To the daemon.
        address: The daemon's, for messages.
        ref: A fresh id of the build.
        session: What is served back; started already.
        on_status: Told what happens.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        address: Address,
        ref: str,
        session: Session | None,
        on_status: StatusCallback | None,
    ) -> None:
        self._channel = channel
        self._address = address
        self._ref = ref
        self._session = session
        self._on_status = on_status
        self._journal = Journal()

    def run(
        self, run: RunBuild, exporters: Sequence[Exporter], entitlements: Sequence[str]
    ) -> SolveResult:
        """Build, export, and return what the exporters answered.

        Raises:
            BuildkitSpecError: What *run* raised, what the session failed with, or why the daemon
                could not build or export.
        """
        solve = self._start_solve(exporters, entitlements)
        status, watcher = self._watch()
        try:
            gateway = Gateway(self._channel, self._address, self._ref, self._journal)
            try:
                self._await_build(gateway, solve)
                gateway.finish(run(gateway))
                answer = solve.result()
            except grpc.RpcError as error:
                raise translate(error, self._address) from error
            except BuildkitSpecError as error:
                self._tell_failure(gateway, solve, error)
                raise
        except BuildkitSpecError as error:
            self._settle(status, watcher, solve)
            raise self._best(error) from error.__cause__
        except BaseException:
            # Ctrl-C above all: the daemon stops the build when its Solve is cancelled.
            self._settle(status, watcher, solve)
            raise
        self._settle(status, watcher, solve)
        digest = answer.ExporterResponse.get(DIGEST)
        return SolveResult(dict(answer.ExporterResponse), Digest(digest) if digest else None)

    def _start_solve(
        self, exporters: Sequence[Exporter], entitlements: Sequence[str]
    ) -> grpc.CallFuture[pb.SolveResponse]:
        request = pb.SolveRequest(Ref=self._ref, Entitlements=entitlements)
        request.Cache.SetInParent()
        if self._session is not None:
            request.Session = self._session.id
        for exporter in exporters:
            request.Exporters.append(pb.Exporter(Type=exporter.kind, Attrs=exporter.attrs))
        if exporters:
            request.ExporterDeprecated = exporters[0].kind
            request.ExporterAttrsDeprecated.update(exporters[0].attrs)
        method = pb.Control.Solve
        call = self._channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return call.future(request)

    def _watch(self) -> tuple[grpc.Call, threading.Thread]:
        """Follow the status stream on a thread; it ends by itself soon after the build."""
        method = pb.Control.Status
        stream = self._channel.unary_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )(pb.StatusRequest(Ref=self._ref))

        def follow() -> None:
            # What goes wrong here goes wrong in Solve too, and is told there.
            with contextlib.suppress(grpc.RpcError):
                for response in stream:
                    update = decode(response)
                    self._journal.learn(update)
                    if self._on_status is not None:
                        self._on_status(update)

        watcher = threading.Thread(target=follow, name="build-status", daemon=True)
        watcher.start()
        return stream, watcher

    def _await_build(self, gateway: Gateway, solve: grpc.CallFuture[pb.SolveResponse]) -> None:
        """Ping until the build is registered: in its first milliseconds it is not."""
        deadline = time.monotonic() + _PING_LIMIT_S
        while True:
            try:
                return gateway.ping()
            except grpc.RpcError as error:
                if solve.done():
                    solve.result()  # raises why
                is_early = "no such job" in take_apart(error).message
                if not is_early or time.monotonic() > deadline:
                    raise
            time.sleep(_PING_PAUSE_S)

    def _tell_failure(
        self,
        gateway: Gateway,
        solve: grpc.CallFuture[pb.SolveResponse],
        error: BuildkitSpecError,
    ) -> None:
        """End the build with the error, so that the daemon's history holds it."""
        if solve.done():
            return
        with contextlib.suppress(grpc.RpcError, grpc.FutureTimeoutError):
            gateway.fail(error.message)
            solve.result(timeout=_WIND_UP_S)

    def _settle(
        self,
        status: grpc.Call,
        watcher: threading.Thread,
        solve: grpc.CallFuture[pb.SolveResponse],
    ) -> None:
        """Leave nothing running: the last logs first, then the calls."""
        if not solve.done():
            solve.cancel()  # type: ignore[no-untyped-call]
        watcher.join(_DRAIN_S)
        status.cancel()  # type: ignore[no-untyped-call]
        watcher.join(_DRAIN_S)

    def _best(self, error: BuildkitSpecError) -> BuildkitSpecError:
        """Return the error that says most: our own session's is the cause of the daemon's."""
        if isinstance(error, SolveError):
            failure = self._session.failure if self._session is not None else None
            if failure is not None:
                return failure
            self._journal.explain(error, error.vertex_digest)
        return error
