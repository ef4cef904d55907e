"""The gateway of a running build: ask about images, solve parts of the graph, read their files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from buildkit_spec._pb import caps, ops
from buildkit_spec._pb import gateway as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.client._errors import take_apart, translate, translate_image
from buildkit_spec.client._journal import Journal
from buildkit_spec.client.address import Address
from buildkit_spec.errors import SolveError
from buildkit_spec.llb import Definition
from buildkit_spec.values import Digest, Platform, Reference, ResolvedImage

BUILD_ID = "buildkit-controlapi-buildid"
"""Metadata that says which build a call belongs to. Source: ``frontend/gateway/client/build``."""

PLATFORMS = "refs.platforms"
"""Result metadata: the platforms of the refs. Source: ``exporter/containerimage/exptypes``."""

_EVALUATE_CAP = "gateway.evaluate"
_SOURCE_META_CAP = "source.metaresolver"

_Req = TypeVar("_Req", bound=Message)
_Res = TypeVar("_Res", bound=Message)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a daemon says it can do.

    Attributes:
        enabled: Names of what it can.
        reasons: Why not, by name, where it said so.
    """

    enabled: frozenset[str] = frozenset()
    reasons: Mapping[str, str] = field(default_factory=dict)

    def supports(self, name: str) -> bool:
        """Whether it can do *name*, such as ``mergeop``."""
        return name in self.enabled


@dataclass(frozen=True, slots=True)
class FileStat:
    """One file of a result.

    Attributes:
        path: Its name.
        mode: Go's ``os.FileMode``.
        size_bytes: Its size.
        link_target: Where it points when it is a link.
    """

    path: str
    mode: int
    size_bytes: int
    link_target: str = ""


class Ref:
    """A solved part of the graph."""

    def __init__(self, gateway: Gateway, ref_id: str) -> None:
        self._gateway = gateway
        self.id = ref_id

    def read_file(self, path: str, *, offset: int = 0, length: int = 0) -> bytes:
        """Return a file's bytes; *length* 0 is up to its end.

        Raises:
            SolveError: The part cannot be built, or has no such file.
        """
        request = pb.ReadFileRequest(Ref=self.id, FilePath=path)
        if offset or length:
            request.Range.CopyFrom(pb.FileRange(Offset=offset, Length=length))
        return self._gateway.call(pb.LLBBridge.ReadFile, request).Data

    def read_dir(self, path: str, *, pattern: str = "") -> tuple[FileStat, ...]:
        """Return a directory's entries.

        Raises:
            SolveError: The part cannot be built, or has no such directory.
        """
        request = pb.ReadDirRequest(Ref=self.id, DirPath=path, IncludePattern=pattern)
        entries = self._gateway.call(pb.LLBBridge.ReadDir, request).entries
        return tuple(FileStat(one.path, one.mode, one.size, one.linkname) for one in entries)

    def stat_file(self, path: str) -> FileStat:
        """Return what one file is.

        Raises:
            SolveError: The part cannot be built, or has no such file.
        """
        request = pb.StatFileRequest(Ref=self.id, Path=path)
        one = self._gateway.call(pb.LLBBridge.StatFile, request).stat
        return FileStat(one.path, one.mode, one.size, one.linkname)

    def evaluate(self) -> None:
        """Build the part now.

        Raises:
            SolveError: It cannot be built.
        """
        if not self.id:
            return  # scratch
        if self._gateway.frontend_caps.supports(_EVALUATE_CAP):
            self._gateway.call(pb.LLBBridge.Evaluate, pb.EvaluateRequest(Ref=self.id))
        else:
            self.stat_file(".")


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """What a build ends with.

    Attributes:
        refs: The result by platform; a Ref of scratch or None is an empty file system.
        metadata: Such as the image configs, by the names of ``exptypes``.
    """

    refs: Mapping[Platform, Ref | None] = field(default_factory=dict)
    metadata: Mapping[str, bytes] = field(default_factory=dict)


class Gateway:
    """Calls that belong to one running build. Made by `Client.build`.

    Attributes:
        frontend_caps: What the gateway itself can do.
        llb_caps: What graphs may use.
    """

    def __init__(
        self, channel: grpc.Channel, address: Address, build_id: str, journal: Journal
    ) -> None:
        self._channel = channel
        self._address = address
        self._metadata = ((BUILD_ID, build_id),)
        self._journal = journal
        self.frontend_caps = Capabilities()
        self.llb_caps = Capabilities()

    def ping(self) -> None:
        """Read the capabilities.

        Raises:
            grpc.RpcError: The build is not there yet, or no more.
        """
        answer = self._raw(pb.LLBBridge.Ping, pb.PingRequest())
        self.frontend_caps = _capabilities(answer.FrontendAPICaps)
        self.llb_caps = _capabilities(answer.LLBCaps)

    def resolve_image(
        self, reference: Reference, platform: Platform, *, log_name: str = ""
    ) -> ResolvedImage:
        """Return digest and config of an image, as the daemon sees it.

        Raises:
            ImageNotFoundError: There is no such image, or not for the platform.
            RegistryAuthError: The registry wants another login.
            RegistryUnavailableError: It cannot be told.
            DaemonError: The daemon went away.
        """
        target = ops.Platform(
            OS=platform.os, Architecture=platform.architecture, Variant=platform.variant
        )
        log_name = log_name or f"[internal] load metadata for {reference.familiar}"
        try:
            if self.frontend_caps.supports(_SOURCE_META_CAP):
                source = ops.SourceOp(identifier=f"docker-image://{reference}")
                meta = pb.ResolveSourceMetaRequest(
                    Source=source, Platform=target, LogName=log_name, ResolveMode="default"
                )
                image = self._raw(pb.LLBBridge.ResolveSourceMeta, meta).Image
                digest, config = image.Digest, image.Config
            else:
                request = pb.ResolveImageConfigRequest(
                    Ref=str(reference), Platform=target, ResolveMode="default", LogName=log_name
                )
                answer = self._raw(pb.LLBBridge.ResolveImageConfig, request)
                digest, config = answer.Digest, answer.Config
        except grpc.RpcError as error:
            raise translate_image(error, reference.familiar, self._address) from error
        resolved = Digest(digest)
        return ResolvedImage(reference.with_digest(resolved), resolved, config)

    def solve(self, definition: Definition, *, evaluate: bool = False) -> Ref:
        """Hand a graph in; it is built when something asks for it.

        Args:
            definition: The graph.
            evaluate: Build it now.

        Raises:
            SolveError: It is refused, or cannot be built.
        """
        self._journal.learn_definition(definition)
        request = pb.SolveRequest(
            allowResultReturn=True, allowResultArrayRef=True, Evaluate=evaluate
        )
        request.Definition.MergeFromString(definition.to_bytes())
        result = self.call(pb.LLBBridge.Solve, request).result
        return Ref(self, result.ref.id or result.refDeprecated)

    def finish(self, output: BuildOutput) -> None:
        """Return the result: the exporters run.

        Raises:
            DaemonError: The daemon went away.
        """
        result = pb.Result(metadata=output.metadata)
        if len(output.refs) == 1:
            (ref,) = output.refs.values()
            result.ref.CopyFrom(pb.Ref(id=ref.id if ref else ""))
        else:
            result.refs.SetInParent()
            for platform, ref in output.refs.items():
                result.refs.refs[str(platform)].CopyFrom(pb.Ref(id=ref.id if ref else ""))
            result.metadata[PLATFORMS] = _platform_list(output.refs)
        self.call(pb.LLBBridge.Return, pb.ReturnRequest(result=result))

    def fail(self, message: str) -> None:
        """End the build with an error, so that the daemon's history says why."""
        request = pb.ReturnRequest()
        request.error.code = 2  # UNKNOWN
        request.error.message = message
        self._raw(pb.LLBBridge.Return, request, timeout_s=5)

    def call(self, method: Method[_Req, _Res], request: _Req) -> _Res:
        """Call the gateway.

        Raises:
            SolveError: The build failed in it.
            DaemonError: The daemon went away.
        """
        try:
            return self._raw(method, request)
        except grpc.RpcError as error:
            translated = translate(error, self._address)
            if isinstance(translated, SolveError):
                translated.vertex_digest = take_apart(error).vertex
            raise translated from error

    def _raw(
        self, method: Method[_Req, _Res], request: _Req, timeout_s: float | None = None
    ) -> _Res:
        call = self._channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        answer: _Res = call(request, metadata=self._metadata, timeout=timeout_s)
        return answer


def _platform_list(platforms: Iterable[Platform]) -> bytes:
    entries = []
    for platform in platforms:
        value = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            value["variant"] = platform.variant
        entries.append({"ID": str(platform), "Platform": value})
    return json.dumps({"Platforms": entries}, sort_keys=True).encode()


def _capabilities(listed: Iterable[caps.APICap]) -> Capabilities:
    every = list(listed)
    return Capabilities(
        frozenset(cap.ID for cap in every if cap.Enabled),
        {cap.ID: cap.DisabledReasonMsg or cap.DisabledReason for cap in every if not cap.Enabled},
    )
