"""The source op, and the sources that are not on the web: images, local directories, OCI layouts.

Source: ``client/llb/source.go``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from buildkit_spec._pb import ops as pb
from buildkit_spec.errors import InvalidVertexError
from buildkit_spec.llb import constants
from buildkit_spec.llb._context import Context
from buildkit_spec.llb._vertex import Constraints, Edges, Output, Vertex
from buildkit_spec.llb.meta import Meta, make_meta
from buildkit_spec.llb.state import State
from buildkit_spec.values import Digest, Platform, Reference

_LOCAL = "local://"
_PLATFORM_SPECIFIC = ("docker-image://", "oci-layout://")


class ResolveMode(Enum):
    """Where a daemon looks for an image; the value is that on the wire.

    Attributes:
        DEFAULT: Where the daemon is set up to look.
        FORCE_PULL: At the registry, always.
        PREFER_LOCAL: At home first.
    """

    DEFAULT = "default"
    FORCE_PULL = "pull"
    PREFER_LOCAL = "local"


class Differ(Enum):
    """What a daemon compares to find changed files of a local source; the value is on the wire.

    Attributes:
        NONE: Nothing: every file is sent again.
        METADATA: Size, times, mode, owner, and what links and devices say.
    """

    NONE = "none"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SourceVertex(Vertex):
    """Something from outside the graph.

    Attributes:
        identifier: What, as ``scheme://name``.
        attrs: How, by the names of ``solver/pb/attr.go``.
        needed_caps: Capabilities a daemon needs for it.
        own_platform: The platform wanted, or None.
    """

    identifier: str
    attrs: Mapping[str, str]
    needed_caps: frozenset[str]
    own_platform: Platform | None = None

    @property
    def platform(self) -> Platform | None:
        """The platform wanted, or None."""
        return self.own_platform

    @property
    def is_platform_specific(self) -> bool:
        """Images are; files are not."""
        return self.identifier.startswith(_PLATFORM_SPECIFIC)

    def inputs(self) -> Iterator[Output]:
        """Yield nothing."""
        return iter(())

    def caps(self, constraints: Constraints) -> frozenset[str]:
        """Return the capabilities given, and that of the unique id when there is one."""
        if constants.ATTR_LOCAL_UNIQUE_ID in self._attrs(constraints):
            return self.needed_caps | {constants.CAP_SOURCE_LOCAL_UNIQUE}
        return self.needed_caps

    def body(self, edges: Edges, constraints: Constraints) -> pb.Op:
        """Return the source as a message."""
        return pb.Op(source=pb.SourceOp(identifier=self.identifier, attrs=self._attrs(constraints)))

    def _attrs(self, constraints: Constraints) -> Mapping[str, str]:
        """Return the attributes; a local source without a session gets the build's unique id.

        Daemons share vertices of equal digest between builds that run at once: without one of the
        two, a build might get the files of another.
        """
        is_told_apart = (
            constants.ATTR_LOCAL_SESSION_ID in self.attrs
            or constants.ATTR_LOCAL_UNIQUE_ID in self.attrs
        )
        if not self.identifier.startswith(_LOCAL) or is_told_apart:
            return self.attrs
        if not constraints.local_unique_id:
            return self.attrs
        return {**self.attrs, constants.ATTR_LOCAL_UNIQUE_ID: constraints.local_unique_id}


def make_source(
    identifier: str,
    attrs: Mapping[str, str],
    caps: Iterable[str],
    meta: Meta,
    platform: Platform | None = None,
) -> State:
    """Return a state of a source; attributes with an empty value are left out."""
    given = {key: value for key, value in attrs.items() if value}
    vertex = SourceVertex(meta, identifier, given, frozenset(caps), platform)
    return State(Output(vertex), Context().with_platform(platform))


def scratch() -> State:
    """Return an empty file system."""
    return State()


def image(
    reference: str | Reference,
    *,
    platform: Platform | None = None,
    resolve_mode: ResolveMode | None = None,
    layer_limit: int | None = None,
    checksum: Digest | None = None,
    is_internal: bool = False,
    name: str = "",
    meta: Meta | None = None,
) -> State:
    """Return the file system of an image in a registry.

    Its config is not asked for: environment, user and working directory are the state's.

    Args:
        reference: The image; pin it with a digest for a build that can be repeated.
        platform: Which of the image's platforms; None stands for that of the marshal call.
        resolve_mode: Where the daemon looks; None leaves it to the daemon.
        layer_limit: Take the lowest so many layers only.
        checksum: Digest the image must have.
        is_internal: Whether it is a tool of the build, listed apart in the daemon's cache.
        name: What progress displays call the vertex.
        meta: Its metadata; *name* wins over the name in it.

    Raises:
        InvalidReferenceError: *reference* is not an image reference.
        InvalidVertexError: *layer_limit* is negative.
    """
    parsed = Reference.parse(reference) if isinstance(reference, str) else reference
    caps = {constants.CAP_SOURCE_IMAGE}
    if resolve_mode is ResolveMode.FORCE_PULL:
        caps.add(constants.CAP_SOURCE_IMAGE_RESOLVE_MODE)
    if layer_limit is not None:
        caps.add(constants.CAP_SOURCE_IMAGE_LAYER_LIMIT)
    if checksum is not None:
        caps.add(constants.CAP_SOURCE_IMAGE_CHECKSUM)
    # Go's client leaves its default mode out too.
    is_mode_told = resolve_mode not in {None, ResolveMode.DEFAULT}
    attrs = {
        constants.ATTR_IMAGE_RESOLVE_MODE: resolve_mode.value
        if resolve_mode and is_mode_told
        else "",
        constants.ATTR_IMAGE_LAYER_LIMIT: _limit(f"image {parsed}", layer_limit),
        constants.ATTR_IMAGE_CHECKSUM: str(checksum or ""),
        constants.ATTR_IMAGE_RECORD_TYPE: "internal" if is_internal else "",
    }
    return make_source(f"docker-image://{parsed}", attrs, caps, make_meta(name, meta), platform)


def oci_layout(
    reference: str,
    *,
    store_id: str = "",
    session_id: str = "",
    layer_limit: int | None = None,
    platform: Platform | None = None,
    name: str = "",
    meta: Meta | None = None,
) -> State:
    """Return the file system of an image in an OCI layout that a session serves.

    Args:
        reference: ``name@digest``; the name means nothing to the daemon.
        store_id: Which of the session's stores.
        session_id: Which session; empty is the build's.
        layer_limit: Take the lowest so many layers only.
        platform: Which of the image's platforms; None stands for that of the marshal call.
        name: What progress displays call the vertex.
        meta: Its metadata; *name* wins over the name in it.

    Raises:
        InvalidVertexError: *reference* has no digest, or *layer_limit* is negative.
    """
    if "@" not in reference:
        raise InvalidVertexError(f"oci layout {reference!r} has no digest (name@sha256:…)")
    attrs = {
        constants.ATTR_OCI_LAYOUT_SESSION_ID: session_id,
        constants.ATTR_OCI_LAYOUT_STORE_ID: store_id,
        constants.ATTR_OCI_LAYOUT_LAYER_LIMIT: _limit(f"oci layout {reference!r}", layer_limit),
    }
    caps = {constants.CAP_SOURCE_OCI_LAYOUT}
    return make_source(f"oci-layout://{reference}", attrs, caps, make_meta(name, meta), platform)


def local(
    directory: str,
    /,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    follow_paths: Sequence[str] = (),
    shared_key_hint: str = "",
    session_id: str = "",
    unique_id: str = "",
    differ: Differ | None = None,
    is_differ_required: bool = False,
    name: str = "",
    meta: Meta | None = None,
) -> State:
    """Return a directory of this machine, as a session shares it.

    Args:
        directory: The name under which the session shares it; not a path.
        include: Patterns; only what matches one is sent. Empty is all.
        exclude: Patterns of what is not sent.
        follow_paths: Paths whose links are followed, so that what they point to is sent too.
        shared_key_hint: Lets the daemon start from what an earlier build sent under this text.
        session_id: Which session; empty is the build's.
        unique_id: Tells this source from others; empty takes the marshal call's, unless there is
            a session.
        differ: What is compared to find changed files; None leaves it to the daemon.
        is_differ_required: Whether a daemon that does not know *differ* refuses the build.
        name: What progress displays call the vertex.
        meta: Its metadata; *name* wins over the name in it.

    Raises:
        InvalidVertexError: *directory* is empty.
    """
    if not directory:
        raise InvalidVertexError("local source has no name")
    # Like Go's client: what has a session needs no unique id.
    unique = "" if session_id else unique_id
    attr_caps = [
        (constants.ATTR_LOCAL_SESSION_ID, session_id, constants.CAP_SOURCE_LOCAL_SESSION_ID),
        (constants.ATTR_LOCAL_UNIQUE_ID, unique, constants.CAP_SOURCE_LOCAL_UNIQUE),
        (
            constants.ATTR_LOCAL_INCLUDE_PATTERNS,
            _json(include),
            constants.CAP_SOURCE_LOCAL_INCLUDE_PATTERNS,
        ),
        (
            constants.ATTR_LOCAL_EXCLUDE_PATTERNS,
            _json(exclude),
            constants.CAP_SOURCE_LOCAL_EXCLUDE_PATTERNS,
        ),
        (
            constants.ATTR_LOCAL_FOLLOW_PATHS,
            _json(follow_paths),
            constants.CAP_SOURCE_LOCAL_FOLLOW_PATHS,
        ),
        (
            constants.ATTR_LOCAL_SHARED_KEY_HINT,
            shared_key_hint,
            constants.CAP_SOURCE_LOCAL_SHARED_KEY_HINT,
        ),
    ]
    attrs = {attr: value for attr, value, _ in attr_caps}
    caps = {cap for _, value, cap in attr_caps if value} | {constants.CAP_SOURCE_LOCAL}
    if differ is not None:
        attrs[constants.ATTR_LOCAL_DIFFER] = differ.value
        if is_differ_required:
            caps.add(constants.CAP_SOURCE_LOCAL_DIFFER)
    return make_source(f"{_LOCAL}{directory}", attrs, caps, make_meta(name, meta))


def _limit(what: str, layer_limit: int | None) -> str:
    if layer_limit is None:
        return ""
    if layer_limit < 0:
        raise InvalidVertexError(f"{what} has a negative layer limit: {layer_limit}")
    return str(layer_limit)


def _json(texts: Sequence[str]) -> str:
    """Return a JSON list as Go's ``encoding/json`` writes it; empty for an empty list."""
    if not texts:
        return ""
    if isinstance(texts, str):
        raise InvalidVertexError(f"local source: patterns are one text, not a list: {texts!r}")
    text = json.dumps(list(texts), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
