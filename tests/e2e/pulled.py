"""An image read back from a registry and run: what the tests believe, not what the builder says."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


@dataclass(frozen=True)
class PulledImage:
    """Manifest, config and layers as the registry has them; the root file system unpacked."""

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    layers: tuple[bytes, ...]
    """Uncompressed tar archives, the lowest first."""
    rootfs: Path

    @property
    def env(self) -> dict[str, str]:
        return dict(entry.partition("=")[::2] for entry in self.config["config"].get("Env", []))

    @property
    def history(self) -> str:
        return json.dumps(self.config.get("history", []))

    def run(
        self, *args: str, check: bool = True, user: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the image, with its environment and working directory (chroot).

        As *user* of the image, who has a home in ``/home``, or as root.
        """
        workdir = self.config["config"].get("WorkingDir") or "/"
        enter = ["chroot", *([f"--userspec={user}"] if user else []), str(self.rootfs)]
        done = subprocess.run(
            [*enter, "/bin/sh", "-c", 'cd "$0" && exec "$@"', workdir, *args],
            env={**self.env, **({"HOME": f"/home/{user}"} if user else {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def start(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run the image as a container runtime would: entrypoint, then arguments or cmd."""
        config = self.config["config"]
        command = (config.get("Entrypoint") or []) + (list(args) or config.get("Cmd") or [])
        return self.run(*command)

    def path(self, inside: str) -> Path:
        return self.rootfs / inside.lstrip("/")

    def names(self, layer: int) -> list[str]:
        """Paths in one layer, the lowest is 0."""
        with tarfile.open(fileobj=io.BytesIO(self.layers[layer])) as archive:
            return archive.getnames()

    def contains(self, needle: bytes) -> bool:
        """Whether the bytes stand anywhere in manifest, config or a layer."""
        texts = [json.dumps(self.manifest).encode(), json.dumps(self.config).encode()]
        return any(needle in data for data in [*texts, *self.layers])


def pull(reference: str, target: Path, architecture: str = "amd64") -> PulledImage:
    """Fetch ``host:port/repository:tag`` (or ``@digest``) over plain http and unpack it.

    Of an index the image for *architecture*; it runs here if this machine is or emulates that.
    """
    host, _, rest = reference.partition("/")
    name, _, digest = rest.partition("@")
    repository, _, tag = name.partition(":")
    base = f"http://{host}/v2/{repository}"
    body = get(f"{base}/manifests/{digest or tag}", ACCEPT)
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    manifest = json.loads(body)
    if "manifests" in manifest:
        entries = manifest["manifests"]
        linux = [m for m in entries if m["platform"]["architecture"] == architecture]
        manifest = json.loads(get(f"{base}/manifests/{linux[0]['digest']}", ACCEPT))
    config = json.loads(get(f"{base}/blobs/{manifest['config']['digest']}"))
    layers = tuple(unpacked(get(f"{base}/blobs/{layer['digest']}")) for layer in manifest["layers"])
    target.mkdir(parents=True)
    for layer in layers:
        _apply(layer, target)
    return PulledImage(digest, manifest, config, layers, target)


def get(url: str, accept: str = "*/*") -> bytes:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def unpacked(blob: bytes) -> bytes:
    return gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob


def _apply(layer: bytes, root: Path) -> None:
    """Unpack one layer onto *root*: whiteouts first, then what the layer brings.

    Source: OCI image spec, *Image Layer Filesystem Changeset*.
    """
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for name in archive.getnames():
            parent, _, last = name.rpartition("/")
            if last == ".wh..wh..opq":
                for child in (root / parent).glob("*"):  # a graph driver has them in new ones too
                    _remove(child)
            elif last.startswith(".wh."):
                _remove(root / parent / last[4:])
    unpack = ["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--exclude=.wh.*"]
    subprocess.run([*unpack, "--directory", str(root)], input=layer, check=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
