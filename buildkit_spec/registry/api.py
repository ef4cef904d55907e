"""The calls of the OCI distribution API that we use, with logins and sure answers."""

from __future__ import annotations

import contextlib
from urllib.parse import urlsplit

from buildkit_spec.errors import InvalidDigestError, RegistryError
from buildkit_spec.registry.authorizer import Authorizer
from buildkit_spec.registry.failures import (
    altered,
    answer_error,
    login_refused,
    not_found,
    push_error,
)
from buildkit_spec.registry.hosts import api_host
from buildkit_spec.registry.logins import Logins
from buildkit_spec.registry.manifests import (
    ACCEPT,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Manifest,
    is_content_of,
    parse_manifest,
)
from buildkit_spec.registry.transport import MAX_BODY_BYTES, Answer, Transport
from buildkit_spec.values import Digest, Reference

_MAX_CONFIG_BYTES = 16 * 1024 * 1024
_DIGEST_HEADER = "docker-content-digest"
_VERSION_HEADER = "docker-distribution-api-version"
_HEAD_UNKNOWN = {400, 405, 501}
"""Answers of registries and proxies that know GET only."""


class DistributionApi:
    """Asks registries for manifests and configs.

    Args:
        transport: What to ask over.
        logins: This machine's logins.
    """

    def __init__(self, transport: Transport, logins: Logins) -> None:
        self._transport = transport
        self._logins = logins
        self._authorizer = Authorizer(logins)
        self._registries: set[str] = set()

    def head(self, reference: Reference) -> Descriptor | None:
        """Return what a reference stands for; None when HEAD does not tell and GET must.

        Raises:
            ImageNotFoundError: It is surely absent.
            RegistryError: It cannot be told.
        """
        answer = self._ask("HEAD", reference, _manifest_path(reference), ACCEPT)
        if answer.status in _HEAD_UNKNOWN:
            return None
        self._require_success(answer, reference)
        digest = _told_digest(answer)
        if digest is None or answer.content_type not in (*INDEX_TYPES, *MANIFEST_TYPES):
            return None
        if reference.digest not in {None, digest}:
            return None
        size = answer.headers.get("content-length", "")
        return Descriptor(digest, answer.content_type, int(size) if size.isdecimal() else 0)

    def manifest(self, reference: Reference) -> Manifest:
        """Return the manifest or index itself, its digest checked.

        Raises:
            ImageNotFoundError: It is surely absent.
            RegistryError: It cannot be told, or the content is not what was promised.
        """
        answer = self._ask("GET", reference, _manifest_path(reference), ACCEPT)
        self._require_success(answer, reference)
        manifest = parse_manifest(answer.body, answer.content_type, name=str(reference))
        promised = reference.digest or _told_digest(answer)
        if promised and not is_content_of(promised, answer.body):
            raise altered(reference, promised)
        return manifest

    def config(self, reference: Reference, digest: Digest) -> bytes:
        """Return an image config, its digest checked.

        Raises:
            ImageNotFoundError: It is surely absent.
            RegistryError: It cannot be told, or the content is not what was promised.
        """
        path = f"/v2/{reference.repository}/blobs/{digest}"
        answer = self._ask("GET", reference, path, "*/*", limit_bytes=_MAX_CONFIG_BYTES)
        self._require_success(answer, reference)
        if not is_content_of(digest, answer.body):
            raise altered(reference, digest)
        return answer.body

    def put_manifest(self, reference: Reference, body: bytes, media_type: str) -> None:
        """Put a manifest or index under a tag; what it lists must be in the repository.

        Raises:
            RegistryError: It is not taken, or that cannot be told.

        Source: OCI distribution spec, *Pushing Manifests*.
        """
        path = _manifest_path(reference)
        answer = self._ask("PUT", reference, path, ACCEPT, body=body, content_type=media_type)
        if answer.status != 201:
            self._require_success(answer, reference)

    def try_upload(self, reference: Reference) -> None:
        """Begin an upload to an image's repository, and give it up at once.

        Raises:
            RegistryAuthError: This login may not push there.
            RegistryError: There is no such place, or it cannot be told.

        Source: OCI distribution spec, *Pushing a blob in chunks*; ``DELETE`` is distribution's.
        """
        path = f"/v2/{reference.repository}/blobs/uploads/"
        answer = self._ask("POST", reference, path, "*/*", body=b"")
        if answer.status != 202:
            used = self._logins.credentials(reference.registry, reference.repository)
            raise push_error(answer, reference, used)
        place = urlsplit(answer.headers.get("location", ""))
        # One at another host would need another login; it ends by itself there.
        if place.path and place.netloc in {"", api_host(reference.registry)}:
            upload = place.path + (f"?{place.query}" if place.query else "")
            with contextlib.suppress(RegistryError):
                self._ask("DELETE", reference, upload, "*/*")

    def _ask(
        self,
        method: str,
        reference: Reference,
        path: str,
        accept: str,
        *,
        body: bytes | None = None,
        content_type: str = "",
        limit_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """Send a request, and once more with the login that the registry asks for.

        A token that is refused is replaced once: it may have expired, or its server's clock is
        wrong.
        """
        registry, repository = reference.registry, reference.repository
        try:
            login = self._authorizer.header(registry, repository)
            was_refused = False
            while True:
                headers = {"Accept": accept}
                if content_type:
                    headers["Content-Type"] = content_type
                if login:
                    headers["Authorization"] = login
                answer = self._transport.ask(
                    method, api_host(registry), path, headers, body, limit_bytes=limit_bytes
                )
                if answer.status != 401 or was_refused:
                    break
                asked = answer.headers.get("www-authenticate", "")
                other = self._authorizer.challenge(registry, repository, asked, login)
                if other == login:
                    break
                login, was_refused = other, bool(login)
        except RegistryError as error:
            error.reference = error.reference or str(reference)
            raise
        if _VERSION_HEADER in answer.headers:
            self._registries.add(registry)
        return answer

    def _require_success(self, answer: Answer, reference: Reference) -> None:
        if answer.status == 200:
            return
        if answer.status == 404 and self._is_registry(reference):
            raise not_found(reference)
        registry, repository = reference.registry, reference.repository
        used = None
        if answer.status in {401, 403, 429}:
            used = self._logins.credentials(registry, repository)
        if answer.status == 401 and not self._authorizer.uses_tokens(registry):
            # Basic: nobody but the registry has seen the login, and 401 is what it says to it.
            raise login_refused(registry, used, status=401, reference=str(reference))
        raise answer_error(answer, reference, used)

    def _is_registry(self, reference: Reference) -> bool:
        """Whether a 404 comes from a registry, and not from some web server or proxy.

        A registry answers ``GET /v2/`` with 200, or with 401 to those who have not logged in
        (OCI distribution spec, *Determining Support*).
        """
        registry = reference.registry
        if registry not in self._registries and not self._authorizer.uses_tokens(registry):
            answer = self._transport.ask("GET", api_host(registry), "/v2/", {})
            if answer.status not in {200, 401} or answer.content_type == "text/html":
                return False
            self._registries.add(registry)
        return True


def _manifest_path(reference: Reference) -> str:
    return f"/v2/{reference.repository}/manifests/{reference.digest or reference.tag}"


def _told_digest(answer: Answer) -> Digest | None:
    try:
        return Digest(answer.headers.get(_DIGEST_HEADER, ""))
    except InvalidDigestError:
        return None
