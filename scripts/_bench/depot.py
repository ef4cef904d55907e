"""A registry of the bench's own, empty at first: what is new in it was pushed by the bench."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _engine.daemons import registry_config

_ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
_START_TIMEOUT_S = 20


@dataclass(frozen=True)
class Depot:
    """A running registry.

    Attributes:
        host: Host and port.
        storage: Folder of its contents.
    """

    host: str
    storage: Path

    def stored(self) -> dict[str, int]:
        """Size of everything it holds (layers, configs, manifests) by digest, in bytes."""
        blobs = self.storage / "docker/registry/v2/blobs"
        return {data.parent.name: data.stat().st_size for data in blobs.glob("*/*/*/data")}

    def image_bytes(self, reference: str) -> int:
        """Size of an image's layers as they lie here, the base's included, in bytes."""
        name = reference.partition("@")[0].removeprefix(f"{self.host}/")
        repository, _, tag = name.rpartition(":")
        document = self._manifest(repository, tag)
        if "manifests" in document:
            document = self._manifest(repository, image_digest(document))
        return sum(layer["size"] for layer in document["layers"])

    def _manifest(self, repository: str, tag: str) -> Any:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            path = f"/v2/{repository}/manifests/{tag}"
            connection.request("GET", path, headers={"Accept": _ACCEPT})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise SystemExit(f"{repository}:{tag} is not in the registry: {answer.status}")
        return json.loads(body)


def image_digest(index: Mapping[str, Any]) -> str:
    """Return the digest of the one image of an index, which may have attestations beside it."""
    (digest,) = (
        entry["digest"]
        for entry in index["manifests"]
        if entry.get("platform", {}).get("os") != "unknown"
    )
    return str(digest)


def new_bytes(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Return how many bytes came in between two looks at what is stored."""
    return sum(size for digest, size in after.items() if digest not in before)


@contextmanager
def running(folder: Path) -> Iterator[Depot]:
    """Run an empty registry that keeps its contents in *folder*."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    depot = Depot(f"127.0.0.1:{port}", folder / "contents")
    depot.storage.mkdir(parents=True)
    config = folder / "registry.yml"  # JSON is YAML
    config.write_text(json.dumps(registry_config(depot.storage, port)), "utf-8")
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [os.environ["ENGINE_REGISTRY_BIN"], "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait(depot, process, folder / "registry.log")
        yield depot
    finally:
        process.terminate()
        process.wait()


def _wait(depot: Depot, process: subprocess.Popen[bytes], log: Path) -> None:
    host, _, port = depot.host.partition(":")
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"the bench's registry did not start\n{log.read_text('utf-8', 'replace')}")
