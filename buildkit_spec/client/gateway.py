"""The gateway of a running build: ask about images, solve parts of the graph, read their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from buildkit_spec._pb import gateway as pb
from buildkit_spec._pb import ops, rpc
from buildkit_spec._pb._method import Method
from buildkit_spec.client._calls import CALL_ERRORS, CallGroup, Req, Res
from buildkit_spec.client._errors import translate, translate_image
from buildkit_spec.client._journal import Journal
from buildkit_spec.client.address import Address
from buildkit_spec.client.capabilities import Capabilities, decode_capabilities
from buildkit_spec.client.exporters import CacheEntry
from buildkit_spec.client.result import BuildOutput, Ref
from buildkit_spec.errors import ImageNotFoundError, UnsupportedCapabilityError
from buildkit_spec.llb import Definition
from buildkit_spec.values import Digest, Platform, Reference, ResolvedImage

_SOURCE_META_CAP = "source.metaresolver"
_IMPORT_CACHES_CAP = "importcaches"
_FAIL_TIMEOUT_S = 5.0


class Gateway:
    """Calls that belong to one running build. Made by `Client.build`; of no use after it.

    Attributes:
        frontend_caps: What the gateway itself can do.
        llb_caps: What graphs may use.
    """

    def __init__(self, calls: CallGroup, address: Address, journal: Journal) -> None:
        self._calls = calls
        self._address = address
        self._journal = journal
        self.frontend_caps = Capabilities()
        self.llb_caps = Capabilities()

    def ping(self) -> None:
        """Read the capabilities.

        Raises:
            grpc.RpcError: The build is not there yet, or no more.
        """
        answer = self._calls.call(pb.LLBBridge.Ping, pb.PingRequest())
        self.frontend_caps = decode_capabilities(answer.FrontendAPICaps)
        self.llb_caps = decode_capabilities(answer.LLBCaps)

    def require(self, needed: Mapping[str, str]) -> None:
        """Make sure that the daemon can do what the build needs.

        Args:
            needed: What that is, in words, by capability of graphs.

        Raises:
            UnsupportedCapabilityError: It cannot do one of them.
        """
        for capability, words in needed.items():
            if not self.llb_caps.supports(capability):
                raise UnsupportedCapabilityError(
                    f"{self._address} cannot {words}: {self.llb_caps.reason(capability)}",
                    capability=capability,
                    remedy="update the daemon, or ask for less: builder_options, outputs",
                )

    def resolve_image(
        self, reference: Reference, platform: Platform, *, log_name: str = ""
    ) -> ResolvedImage:
        """Return digest and config of an image, as the daemon sees it.

        Args:
            reference: The image.
            platform: Which of its platforms.
            log_name: What the step is called in the status stream.

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
                meta = pb.ResolveSourceMetaRequest(
                    Source=ops.SourceOp(identifier=f"docker-image://{reference}"),
                    Platform=target,
                    LogName=log_name,
                    ResolveMode="default",
                )
                image = self._calls.call(pb.LLBBridge.ResolveSourceMeta, meta).Image
                digest, config = image.Digest, image.Config
            else:
                request = pb.ResolveImageConfigRequest(
                    Ref=str(reference), Platform=target, ResolveMode="default", LogName=log_name
                )
                answer = self._calls.call(pb.LLBBridge.ResolveImageConfig, request)
                digest, config = answer.Digest, answer.Config
        except CALL_ERRORS as error:
            raise translate_image(error, reference, self._address) from error
        _check_platform(reference, platform, config)
        resolved = Digest(digest)
        return ResolvedImage(reference.with_digest(resolved), resolved, config)

    def solve(
        self,
        definition: Definition,
        *,
        evaluate: bool = False,
        cache_imports: Sequence[CacheEntry] = (),
    ) -> Ref:
        """Hand a graph in; it is built when something asks for it.

        Args:
            definition: The graph.
            evaluate: Build it now.
            cache_imports: Where results may come from.

        Raises:
            UnsupportedCapabilityError: The daemon cannot import caches so.
            SolveError: It is refused, or cannot be built.
            DaemonError: The daemon went away.
        """
        if cache_imports and not self.frontend_caps.supports(_IMPORT_CACHES_CAP):
            raise UnsupportedCapabilityError(
                f"{self._address} cannot import caches: "
                + self.frontend_caps.reason(_IMPORT_CACHES_CAP),
                capability=_IMPORT_CACHES_CAP,
                remedy="update the daemon",
            )
        self._journal.learn_definition(definition)
        request = pb.SolveRequest(
            allowResultReturn=True, allowResultArrayRef=True, Evaluate=evaluate
        )
        request.Definition.MergeFromString(definition.to_bytes())
        for entry in cache_imports:
            request.CacheImports.append(pb.CacheOptionsEntry(Type=entry.kind, Attrs=entry.attrs))
        result = self.call(pb.LLBBridge.Solve, request).result
        return Ref(self, result.ref.id or result.refDeprecated)

    def finish(self, output: BuildOutput) -> None:
        """Return the result: the exporters run.

        Raises:
            DaemonError: The daemon went away.
        """
        self.call(pb.LLBBridge.Return, pb.ReturnRequest(result=output.encode()))

    def fail(self, status: rpc.Status) -> None:
        """End the build with an error, so that the daemon's history says why.

        Raises:
            grpc.RpcError: The build is over already.
        """
        self._calls.call(
            pb.LLBBridge.Return, pb.ReturnRequest(error=status), timeout_s=_FAIL_TIMEOUT_S
        )

    def call(self, method: Method[Req, Res], request: Req) -> Res:
        """Call the gateway.

        Raises:
            SolveError: The build failed in it.
            DaemonError: The daemon went away.
        """
        try:
            return self._calls.call(method, request)
        except CALL_ERRORS as error:
            raise translate(error, self._address) from error


def _check_platform(reference: Reference, platform: Platform, config: bytes) -> None:
    """Refuse an image for another machine: a daemon hands out one without an index as it is."""
    try:
        said = json.loads(config)
        own = (str(said["os"]), str(said["architecture"]))
    except (ValueError, KeyError, TypeError):
        return  # nothing is said
    if own != (platform.os, platform.architecture):
        raise ImageNotFoundError(
            f"there is no image {reference.familiar} for {platform}: it is for {'/'.join(own)}",
            reference=reference.familiar,
            remedy=f"name an image for {platform}, or build for {'/'.join(own)}",
        )
