"""Images put into a registry without any client."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from _engine import EngineFailure
from _engine.base import Base
from _engine.run import run

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REPOSITORY = "base/python"
# OCI names of Debian's architectures; others are spelled the same.
_ARCHITECTURES = {"armhf": "arm", "armel": "arm", "ppc64el": "ppc64le", "i386": "386"}


def push(folder: Path, base: Base, registry: str) -> tuple[str, str]:
    """Put the base image into a registry over plain HTTP.

    Args:
        folder: Where the layer lies.
        base: What to push.
        registry: `host:port`.

    Returns:
        Reference and manifest digest.

    Raises:
        EngineFailure: The registry refused something.
    """
    upload = _Upload(registry, _REPOSITORY)
    digest = _push(upload, folder, base, base.python)
    return f"{registry}/{_REPOSITORY}:{base.python}", digest


def push_index(bases: Mapping[Path, Base], registry: str) -> str:
    """Put base images of several architectures into a registry, under one name of their own.

    Args:
        bases: By the folder their layer lies in; all of the same Python version.
        registry: `host:port`.

    Returns:
        Reference of the index.

    Raises:
        EngineFailure: The registry refused something.
    """
    upload = _Upload(registry, _REPOSITORY)
    entries = []
    for folder, base in bases.items():
        digest = _push(upload, folder, base, _digest(_manifest(base)))
        entry = _descriptor(_MANIFEST, digest, len(_manifest(base)))
        entries.append({**entry, "platform": _platform(base)})
    (python,) = {base.python for base in bases.values()}
    index = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries})
    upload.manifest(f"{python}-multi", index, _INDEX)
    return f"{registry}/{_REPOSITORY}:{python}-multi"


def _push(upload: _Upload, folder: Path, base: Base, name: str) -> str:
    config, manifest = _config(base), _manifest(base)
    with (folder / "layer.tar.gz").open("rb") as stream:
        upload.blob(base.digest, stream, base.size_bytes)
    upload.blob(_digest(config), io.BytesIO(config), len(config))
    upload.manifest(name, manifest, _MANIFEST)
    return _digest(manifest)


def manifest_digest(base: Base) -> str:
    """Digest under which a registry has this base image."""
    return _digest(_manifest(base))


def is_pushed(reference: str, digest: str) -> bool:
    """Whether a registry still has the base image."""
    registry, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    try:
        status, headers = _Upload(registry, repository).request(
            "HEAD", f"manifests/{tag}", headers={"Accept": _MANIFEST}
        )
    except EngineFailure:
        return False
    return status == 200 and headers["Docker-Content-Digest"] == digest


class _Upload:
    """The few requests of the distribution API that a push needs."""

    def __init__(self, registry: str, repository: str) -> None:
        self._registry, self._repository = registry, repository

    def request(
        self,
        method: str,
        path: str,
        body: IO[bytes] | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage]:
        url = path if path.startswith("/") else f"/v2/{self._repository}/{path}"
        connection = http.client.HTTPConnection(self._registry, timeout=120)
        try:
            connection.request(method, url, body, headers or {})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as exc:
            raise EngineFailure(f"registry {self._registry}: {exc}") from exc
        finally:
            connection.close()
        return answer.status, answer.headers

    def blob(self, digest: str, content: IO[bytes], size: int) -> None:
        status, _ = self.request("HEAD", f"blobs/{digest}")
        if status == 200:
            return
        status, headers = self.request("POST", "blobs/uploads/")
        self._expect(status, 202, "starting an upload")
        parts = urllib.parse.urlsplit(headers["Location"])
        query = "&".join(filter(None, [parts.query, f"digest={urllib.parse.quote(digest)}"]))
        described = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        status, _ = self.request("PUT", f"{parts.path}?{query}", content, described)
        self._expect(status, 201, f"uploading {digest}")

    def manifest(self, tag: str, manifest: bytes, media_type: str) -> None:
        status, _ = self.request("PUT", f"manifests/{tag}", manifest, {"Content-Type": media_type})
        self._expect(status, 201, f"tagging {self._repository}:{tag}")

    def _expect(self, status: int, wanted: int, what: str) -> None:
        if status != wanted:
            raise EngineFailure(f"registry {self._registry}: {what} was answered with {status}")


def _platform(base: Base) -> dict[str, str]:
    debian = base.architecture or run(["dpkg", "--print-architecture"]).strip()
    platform = {"architecture": _ARCHITECTURES.get(debian, debian), "os": "linux"}
    if variant := {"armhf": "v7", "armel": "v5"}.get(debian):
        platform["variant"] = variant
    return platform


def _config(base: Base) -> bytes:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base.created))
    config: dict[str, object] = {
        **_platform(base),
        "created": created,
        "config": {"Env": [f"PATH={_PATH}"], "Cmd": ["python3"]},
        "rootfs": {"type": "layers", "diff_ids": [base.diff_id]},
        "history": [{"created": created, "created_by": base.made_by, "comment": "scripts/engine"}],
    }
    return _json(config)


def _manifest(base: Base) -> bytes:
    config = _config(base)
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, _digest(config), len(config)),
            "layers": [_descriptor(_LAYER, base.digest, base.size_bytes)],
        }
    )


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}
