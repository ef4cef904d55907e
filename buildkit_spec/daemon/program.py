"""The programs that can be an embedded daemon, and the words to start them with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildkit_spec.daemon.folder import Folder

BUILDKITD, DOCKERD = "buildkitd", "dockerd"

_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The preface and an empty SETTINGS frame. Source: RFC 9113, section 3.4."""
_HTTP1_GREETING = b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n"

_PASSED_ON = {
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """A daemon that can be started here.

    Attributes:
        name: ``buildkitd`` or ``dockerd``.
        path: The program.
        rootlesskit: What starts it for a user who is not root; empty for root.
    """

    name: str
    path: str
    rootlesskit: str = ""

    def address(self, folder: Folder) -> str:
        """Return what a build connects to."""
        scheme = "docker" if self.name == DOCKERD else "unix"
        return f"{scheme}://{self.socket(folder)}"

    @property
    def network(self) -> str:
        """Network of steps that name none; empty for the daemon's default.

        A ``dockerd`` without a bridge has no default; without CNI, ``buildkitd``'s is the host's.
        """
        return "host" if self.name == DOCKERD else ""

    @property
    def greeting(self) -> bytes:
        """What the daemon answers to once it is ready."""
        return _HTTP1_GREETING if self.name == DOCKERD else _HTTP2_GREETING

    def socket(self, folder: Folder) -> Path:
        """Return where it listens."""
        return folder.run / f"{self.name}.sock"

    def command(self, folder: Folder) -> list[str]:
        """Return program and arguments, and write what they name."""
        data = folder.root / self.name
        data.mkdir(mode=0o700, exist_ok=True)
        if self.name == DOCKERD:
            config = folder.run / "dockerd.json"
            config.write_text(json.dumps(_engine_config(self, folder, data), indent=2), "utf-8")
            return [self.path, "--config-file", str(config)]
        words = [
            self.path,
            "--root", str(data),
            "--addr", f"unix://{self.socket(folder)}",
            # A containerd that runs here belongs to somebody else.
            "--oci-worker=true", "--containerd-worker=false", "--oci-worker-net=host",
            "--allow-insecure-entitlement=network.host",
        ]  # fmt: skip
        if not self.rootlesskit:
            return words
        state = folder.run / "rootlesskit"
        # With a process namespace of its own, nothing it starts outlives it.
        return [self.rootlesskit, "--state-dir", str(state), "--pidns", *words]


def find_program(env: Mapping[str, str] = os.environ) -> Program | None:
    """Return the daemon to start, ``buildkitd`` before ``dockerd``; None when there is none.

    For a user who is not root, ``buildkitd`` needs ``rootlesskit``, and ``dockerd`` is not started.

    Args:
        env: The environment, whose ``PATH`` is searched.
    """
    if not sys.platform.startswith("linux"):
        return None
    is_root = os.geteuid() == 0
    path = env.get("PATH", os.defpath)
    rootlesskit = "" if is_root else shutil.which("rootlesskit", path=path) or ""
    buildkitd = shutil.which(BUILDKITD, path=path)
    if buildkitd and (is_root or rootlesskit):
        return Program(BUILDKITD, buildkitd, rootlesskit)
    dockerd = shutil.which(DOCKERD, path=path) if is_root else None
    return Program(DOCKERD, dockerd) if dockerd else None


def passed_on(env: Mapping[str, str]) -> dict[str, str]:
    """Return what of a build's environment a daemon may have that outlives it: no tokens."""
    return {name: value for name, value in env.items() if name.upper() in _PASSED_ON}


def _engine_config(program: Program, folder: Folder, data: Path) -> dict[str, object]:
    config: dict[str, object] = {
        "data-root": str(data),
        "exec-root": str(folder.run / "exec"),
        "pidfile": str(folder.run / "dockerd.pid"),
        "hosts": [f"unix://{program.socket(folder)}"],
        "features": {"containerd-snapshotter": True},
        "builder": {"Entitlements": {"network-host": True}},
        # The machine's network is left as it is: no bridge, no rules.
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "shutdown-timeout": 5,
    }
    if not _has_overlay(data):
        config["storage-driver"] = "native"
    return config


def _has_overlay(folder: Path) -> bool:
    """Whether overlayfs works here, by trying it; it does not on another overlay."""
    probe = folder / "overlay-probe"
    for name in ("lower", "upper", "work", "merged"):
        (probe / name).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
    merged = str(probe / "merged")
    try:
        for words in (
            ["mount", "-t", "overlay", "overlay", "-o", options, merged],
            ["umount", merged],
        ):
            subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - no shell
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        shutil.rmtree(probe, ignore_errors=True)
    return True
