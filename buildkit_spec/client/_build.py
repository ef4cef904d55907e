"""A gateway build from a plain client: how every spec is built.

``Solve`` without a definition opens a build; while it runs, the same connection answers gateway
calls that carry the build's id; ``Return`` ends it and the exporters run.
Source: ``client/build.go``, ``client/solve.go``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from buildkit_spec._pb import control as pb
from buildkit_spec._pb import rpc
from buildkit_spec.client._calls import CALL_ERRORS, CallGroup, begin, cancel
from buildkit_spec.client._errors import translate
from buildkit_spec.client._failure import one_line, status_of, take_apart
from buildkit_spec.client._journal import Journal
from buildkit_spec.client._silence import SilenceWatch
from buildkit_spec.client._watcher import Watcher
from buildkit_spec.client.address import Address
from buildkit_spec.client.exporters import DIGEST, CacheEntry, Exporter
from buildkit_spec.client.gateway import Gateway
from buildkit_spec.client.result import BuildOutput
from buildkit_spec.errors import (
    BuildkitSpecError,
    ConnectionFailedError,
    ExecError,
    SolveCanceledError,
    SolveError,
)
from buildkit_spec.values import Digest, StatusCallback

if TYPE_CHECKING:
    from buildkit_spec.session import Session

BUILD_ID = "buildkit-controlapi-buildid"
"""Metadata that says which build a call belongs to. Source: ``client/buildid/metadata.go``."""

_PING_PAUSE_S = 0.02
_PING_LIMIT_S = 10.0
_WIND_UP_S = 5.0
_UNKNOWN = 2

RunBuild = Callable[[Gateway], BuildOutput]
"""Lays the graph out and solves it; runs on the thread that called `Client.build`."""


@dataclass(frozen=True, slots=True)
class SolveResult:
    """What a build ended with.

    Attributes:
        ref: The build's id.
        exporter_response: What the exporters answered, by the names of ``exptypes``.
        digest: Of the image made; None without an image.
    """

    ref: str
    exporter_response: Mapping[str, str] = field(default_factory=dict)
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What a build is asked for besides its graph.

    Attributes:
        ref: The build's id; must be fresh.
        exporters: What becomes of the result.
        entitlements: What steps may do beyond the usual.
        cache_imports: Where results may come from.
        cache_exports: Where they are kept.
        frontend_attrs: Options that the daemon reads from a frontend's, such as ``attest:…``.
        timeout_s: How long it may take, in seconds; None for ever.
        is_internal: Whether the daemon's history is to leave it out.
    """

    ref: str
    exporters: Sequence[Exporter] = ()
    entitlements: Sequence[str] = ()
    cache_imports: Sequence[CacheEntry] = ()
    cache_exports: Sequence[CacheEntry] = ()
    frontend_attrs: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    is_internal: bool = False

    def encode(self, session_id: str) -> pb.SolveRequest:
        """Return it as it goes to the daemon."""
        request = pb.SolveRequest(
            Ref=self.ref,
            Session=session_id,
            Entitlements=self.entitlements,
            FrontendAttrs=self.frontend_attrs,
            Internal=self.is_internal,
            Exporters=[pb.Exporter(Type=one.kind, Attrs=one.attrs) for one in self.exporters],
        )
        if self.exporters:  # older daemons read the first only, and from here
            request.ExporterDeprecated = self.exporters[0].kind
            request.ExporterAttrsDeprecated.update(self.exporters[0].attrs)
        request.Cache.SetInParent()
        for one in self.cache_imports:
            request.Cache.Imports.append(pb.CacheOptionsEntry(Type=one.kind, Attrs=one.attrs))
        for one in self.cache_exports:
            request.Cache.Exports.append(pb.CacheOptionsEntry(Type=one.kind, Attrs=one.attrs))
        return request


class GatewayBuild:
    """One build. Made and used by `Client.build`.

    Args:
        channel: To the daemon.
        address: The daemon's, for messages.
        session: What is served back; started already.
        on_status: Told what happens.
        silence_s: How long the daemon may say nothing, in seconds; watched with a session.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        address: Address,
        session: Session | None,
        on_status: StatusCallback | None,
        silence_s: float,
    ) -> None:
        self._silence_s = silence_s
        self._channel = channel
        self._address = address
        self._session = session
        self._on_status = on_status
        self._journal = Journal()

    def run(self, run: RunBuild, order: BuildOrder) -> SolveResult:
        """Build, export, and return what the exporters answered.

        Raises:
            Exception: What *run* or the status callback raised, as it was.
            BuildkitSpecError: What the session failed with, or why the daemon could not build.
        """
        request = order.encode(self._session.id if self._session is not None else "")
        solve = begin(self._channel, pb.Control.Solve, request, timeout_s=order.timeout_s)
        calls = CallGroup(self._channel, [(BUILD_ID, order.ref)])
        solve.add_done_callback(lambda call: _end_with(call, calls))
        watcher = Watcher(
            self._channel, order.ref, self._journal, self._on_status, lambda: cancel(solve)
        )
        gateway = Gateway(calls, self._address, self._journal)
        watch = self._watch(watcher, lambda: cancel(solve))
        try:
            response = self._converse(run, gateway, solve, watcher, order)
        except BaseException as error:
            # Ctrl-C goes straight to cancelling: the daemon then stops the build.
            told = _tell(gateway, solve, error) if isinstance(error, Exception) else ""
            cause = self._failure_of(solve, order, told)
            cancel(solve)
            is_silent = watch is not None and watch.is_silent and isinstance(error, Exception)
            if is_silent:
                watcher.has_build = False  # nothing more is told
            if isinstance(error, Exception):
                watcher.finish()
            else:
                watcher.leave()
            best = watcher.failure or self._best(error, cause)
            if is_silent:
                best = self._no_word()
            if best is error:
                raise
            raise best from best.__cause__ or error
        finally:
            if watch is not None:
                watch.close()
        watcher.finish()
        if watcher.failure is not None:
            raise watcher.failure
        digest = response.get(DIGEST)
        return SolveResult(order.ref, response, Digest(digest) if digest else None)

    def _converse(
        self,
        run: RunBuild,
        gateway: Gateway,
        solve: grpc.CallFuture[pb.SolveResponse],
        watcher: Watcher,
        order: BuildOrder,
    ) -> dict[str, str]:
        try:
            _await_build(gateway)
            watcher.has_build = True
            gateway.finish(run(gateway))
            return dict(solve.result().ExporterResponse)
        except CALL_ERRORS as error:
            raise translate(error, self._address, timeout_s=order.timeout_s) from error

    def _watch(self, watcher: Watcher, on_silence: Callable[[], None]) -> SilenceWatch | None:
        session = self._session
        if session is None:
            return None  # nobody asks us anything
        return SilenceWatch(lambda: session.heard + watcher.heard, self._silence_s, on_silence)

    def _no_word(self) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"the connection to {self._address} broke:"
            f" the daemon has said nothing for {self._silence_s:g} s",
            address=str(self._address),
            remedy="does its machine run, is the daemon not stopped, and is the network up?",
        )

    def _failure_of(
        self, solve: grpc.CallFuture[pb.SolveResponse], order: BuildOrder, told: str
    ) -> BuildkitSpecError | None:
        """Return what the build itself failed with, when it did and it is not what we told it."""
        error = solve.exception() if solve.done() and not solve.cancelled() else None
        if error is None or (told and told in take_apart(error).message):
            return None
        failure = translate(error, self._address, timeout_s=order.timeout_s)
        failure.__cause__ = error
        return failure

    def _best(self, error: BaseException, cause: BuildkitSpecError | None) -> BaseException:
        """Return the error that says most.

        A call that was cancelled says less than the build that ended it. What failed in our own
        session is the cause of what the daemon says then; but not of a command's exit code.
        """
        if isinstance(error, SolveCanceledError) and cause is not None:
            error = cause
        if isinstance(error, SolveError):
            failure = self._session.failure if self._session is not None else None
            if failure is not None and not isinstance(error, ExecError):
                return failure
            self._journal.explain(error)
        return error


def _await_build(gateway: Gateway) -> None:
    """Ping until the build is registered: in its first milliseconds it is not."""
    deadline = time.monotonic() + _PING_LIMIT_S
    while True:
        try:
            return gateway.ping()
        except grpc.RpcError as error:
            is_early = "no such job" in take_apart(error).message
            if not is_early or time.monotonic() > deadline:
                raise
        time.sleep(_PING_PAUSE_S)


def _end_with(solve: grpc.Future[pb.SolveResponse], calls: CallGroup) -> None:
    """End the gateway's calls with their build; one that went well has its own still to answer."""
    if solve.cancelled() or solve.exception() is not None:
        calls.end()


def _tell(gateway: Gateway, solve: grpc.CallFuture[pb.SolveResponse], error: Exception) -> str:
    """End the build with the error, so that the daemon's history holds it, with its details.

    Returns:
        What the daemon was told; empty when the build was over before.
    """
    if solve.done():
        return ""
    status = status_of(error.__cause__)
    if status is None:
        message = error.message if isinstance(error, BuildkitSpecError) else str(error)
        status = rpc.Status(code=_UNKNOWN, message=message or type(error).__name__)
    with contextlib.suppress(*CALL_ERRORS, grpc.FutureTimeoutError, BuildkitSpecError):
        gateway.fail(status)
        solve.result(timeout=_WIND_UP_S)
    return one_line(status.message)
