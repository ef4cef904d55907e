"""Image references: ``[registry/]repository[:tag][@digest]``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from buildkit_spec.errors import InvalidDigestError, InvalidReferenceError
from buildkit_spec.values.digest import Digest

DOCKER_HUB = "docker.io"

_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
_PATH = re.compile(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$")
_HOST = re.compile(
    r"^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::[0-9]{1,5})?$"
)
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of an image, parsed once.

    Attributes:
        registry: Host and optional port, such as ``ghcr.io`` or ``localhost:30000``;
            ``docker.io`` when none was written.
        repository: Path below the registry, such as ``library/debian``.
        tag: Empty when a digest alone names the image.
        digest: Pins the content, or None.

    Source: distribution ``reference/regexp.go`` and OCI distribution spec, *Pulling manifests*.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference; without tag and digest the tag is ``latest``.

        Raises:
            InvalidReferenceError: A part breaks its rule; the message names the part.
        """
        if "://" in text:
            raise InvalidReferenceError(
                text, "must not have a scheme", remedy=f"write {text.split('://', 1)[1]!r}"
            )
        name, _, digest_text = text.partition("@")
        try:
            digest = Digest(digest_text) if "@" in text else None
        except InvalidDigestError as error:
            raise InvalidReferenceError(text, f"its digest {error.rule}") from error
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        if colon and not _TAG.match(tag):
            raise InvalidReferenceError(
                text, "its tag must be 1 to 128 of A-Z a-z 0-9 _ . - and not begin with . or -"
            )
        registry, repository = _split(f"{head}{slash}{last}")
        if not _HOST.match(registry):
            raise InvalidReferenceError(text, f"{registry!r} is not a host name with optional port")
        if not repository or not all(_PATH.match(part) for part in repository.split("/")):
            raise InvalidReferenceError(
                text, "its repository must be lower-case letters, digits and single . _ - between"
            )
        if len(registry) + 1 + len(repository) > _MAX_NAME:
            raise InvalidReferenceError(text, f"its name is longer than {_MAX_NAME} characters")
        if not tag and digest is None:
            tag = "latest"
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """The way people write it: no ``docker.io/`` and no ``library/``."""
        text = str(self)
        prefix = f"{DOCKER_HUB}/"
        return (
            text.removeprefix(prefix).removeprefix("library/") if text.startswith(prefix) else text
        )

    def with_digest(self, digest: Digest) -> Reference:
        """Return the same name pinned to *digest*, the tag kept."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def _split(name: str) -> tuple[str, str]:
    """Split into registry and repository; a first part that looks like a host is one."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        registry, repository = first, rest
    else:
        registry, repository = DOCKER_HUB, name
    if registry in {"index.docker.io", "registry-1.docker.io"}:
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository
