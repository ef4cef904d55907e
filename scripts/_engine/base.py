"""A Python base image made from the machine's own Debian mirror, and pushed without any client."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import shlex
import subprocess
import tarfile
import time
import urllib.parse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from _engine import EngineFailure, say
from _engine.debian import machine_sources, os_release
from _engine.run import admin_path, run

PACKAGES = ("ca-certificates", "python-is-python3", "python3", "python3-venv")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_COMPRESSION = 4
# OCI names of Debian's architectures; others are spelled the same.
_ARCHITECTURES = {"armhf": "arm", "armel": "arm", "ppc64el": "ppc64le", "i386": "386"}

# Debian's images for containers have these too: no service is started by an install, no
# downloaded package stays in a layer.
_CONTAINER_FILES = {
    "/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "/etc/apt/apt.conf.d/docker-clean": (
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb '
        '/var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };\n'
        'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    ),
}


@dataclass(frozen=True)
class Base:
    """The base image's one layer, compressed, and what its config says about it.

    Attributes:
        key: Hash of everything that went into making it.
        python: Version of its Python, as `3.11`.
        diff_id: Digest of the layer before compression.
        digest: Digest of the compressed layer.
        size_bytes: Size of the compressed layer.
        created: Unix time of the newest package list it was made from.
        made_by: The command that made it.
    """

    key: str
    python: str
    diff_id: str
    digest: str
    size_bytes: int
    created: int
    made_by: str


def load(folder: Path) -> Base | None:
    """The base made earlier from the same recipe, if it is still there."""
    try:
        base = Base(**json.loads((folder / "base.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    is_current = base.key == _key(_recipe()) and (folder / "layer.tar.gz").is_file()
    return base if is_current else None


def begin(folder: Path) -> subprocess.Popen[bytes]:
    """Start making the root file system; it takes half a minute, so other work goes on meanwhile.

    Raises:
        EngineFailure: mmdebstrap is not installed, or the machine has no Debian source.
    """
    sources = _sources()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sources").write_text(sources, "utf-8")
    say("making a Python base image with mmdebstrap")
    env = {**os.environ, "PATH": admin_path(), "SOURCE_DATE_EPOCH": str(_epoch())}
    command = [*_recipe(), str(folder / "root.tar"), str(folder / "sources")]
    with (folder / "mmdebstrap.log").open("wb") as log:
        try:
            return subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        except FileNotFoundError as exc:
            raise EngineFailure("mmdebstrap is not installed") from exc


def finish(folder: Path, making: subprocess.Popen[bytes]) -> Base:
    """Wait for `begin` and compress the layer.

    Raises:
        EngineFailure: mmdebstrap failed; with its log.
    """
    if code := making.wait():
        log = folder / "mmdebstrap.log"
        raise EngineFailure(f"mmdebstrap ended with code {code}", log=log)
    tar = folder / "root.tar"
    python = _python_of(tar)
    layer = folder / "layer.tar.gz"
    diff_id, digest = _compress(tar, layer)
    tar.unlink()
    recipe, size_bytes = _recipe(), layer.stat().st_size
    made_by = shlex.join(recipe)
    base = Base(_key(recipe), python, diff_id, digest, size_bytes, _epoch(), made_by)
    (folder / "base.json").write_text(json.dumps(asdict(base), indent=2) + "\n", "utf-8")
    return base


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
    repository, tag = "base/python", base.python
    config, manifest = _config(base), _manifest(base)
    upload = _Upload(registry, repository)
    with (folder / "layer.tar.gz").open("rb") as stream:
        upload.blob(base.digest, stream, base.size_bytes)
    upload.blob(_digest(config), io.BytesIO(config), len(config))
    upload.manifest(tag, manifest)
    return f"{registry}/{repository}:{tag}", _digest(manifest)


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

    def manifest(self, tag: str, manifest: bytes) -> None:
        status, _ = self.request("PUT", f"manifests/{tag}", manifest, {"Content-Type": _MANIFEST})
        self._expect(status, 201, f"tagging {self._repository}:{tag}")

    def _expect(self, status: int, wanted: int, what: str) -> None:
        if status != wanted:
            raise EngineFailure(f"registry {self._registry}: {what} was answered with {status}")


def _sources() -> str:
    return "\n".join(source.as_deb822() for source in machine_sources())


def _recipe() -> list[str]:
    """The mmdebstrap command without target and sources."""
    codename = os_release().get("VERSION_CODENAME", "")
    command = [
        "mmdebstrap", "--mode=root", "--variant=apt", "--format=tar",
        "--skip=output/dev", f"--include={','.join(PACKAGES)}",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=force-unsafe-io",
        '--aptopt=Acquire::Languages "none";',
    ]  # fmt: skip
    if codename == "bookworm":  # it would merge /usr with a program that needs all of Perl
        command += ["--include=usr-is-merged"]
        command += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    command += [f"--aptopt={option}" for option in _freshness_options()]
    for path, text in _CONTAINER_FILES.items():
        target = f'"$1"{path}'
        command.append(f"--customize-hook=printf %s {shlex.quote(text)} >{target}")
    command.append('--customize-hook=chmod 755 "$1"/usr/sbin/policy-rc.d')
    command.append('--customize-hook=rm -f "$1"/var/cache/apt/*.bin')
    for source in machine_sources():
        if source.signed_by.startswith("/") and "debian-archive" not in source.signed_by:
            folder = Path(source.signed_by).parent
            command.append(f'--customize-hook=mkdir -p "$1"{folder}')
            command.append(f"--customize-hook=upload {source.signed_by} {source.signed_by}")
    return [*dict.fromkeys(command), codename]


def _freshness_options() -> list[str]:
    """The machine's choice not to check the lists' age; a frozen mirror needs it inside too."""
    settings = run(["apt-config", "dump"])
    pattern = r'^(Acquire::Check-(?:Valid-Until|Date)) "(\w+)";'
    return [f'{key} "{value}";' for key, value in re.findall(pattern, settings, re.MULTILINE)]


def _key(recipe: list[str]) -> str:
    return hashlib.sha256("\0".join([*recipe, _sources()]).encode()).hexdigest()


def _epoch() -> int:
    """Time stamp for the image: SOURCE_DATE_EPOCH, or the newest list apt has of the mirror."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    newest = 0
    for release in Path("/var/lib/apt/lists").glob("*Release"):
        head = release.read_text("utf-8", errors="replace")[:4000]
        if date := re.search(r"^Date: (.+)$", head, re.MULTILINE):
            newest = max(newest, int(email.utils.parsedate_to_datetime(date[1]).timestamp()))
    return newest


def _python_of(tar: Path) -> str:
    with tarfile.open(tar) as archive:
        for name in ("./usr/bin/python3", "usr/bin/python3"):
            if name in archive.getnames():
                return archive.getmember(name).linkname.removeprefix("python")
    raise EngineFailure("the base image has no Python")


def _compress(source: Path, target: Path) -> tuple[str, str]:
    plain, packed = hashlib.sha256(), hashlib.sha256()
    with (
        source.open("rb") as reader,
        target.open("wb") as writer,
        gzip.GzipFile("", "wb", _COMPRESSION, writer, mtime=0) as compressor,
    ):
        while block := reader.read(1 << 20):
            plain.update(block)
            compressor.write(block)
    with target.open("rb") as reader:
        while block := reader.read(1 << 20):
            packed.update(block)
    return f"sha256:{plain.hexdigest()}", f"sha256:{packed.hexdigest()}"


def _config(base: Base) -> bytes:
    debian = run(["dpkg", "--print-architecture"]).strip()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(base.created))
    config: dict[str, object] = {
        "architecture": _ARCHITECTURES.get(debian, debian),
        "os": "linux",
        "created": created,
        "config": {"Env": [f"PATH={_PATH}"], "Cmd": ["python3"]},
        "rootfs": {"type": "layers", "diff_ids": [base.diff_id]},
        "history": [{"created": created, "created_by": base.made_by, "comment": "scripts/engine"}],
    }
    if variant := {"armhf": "v7", "armel": "v5"}.get(debian):
        config["variant"] = variant
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
