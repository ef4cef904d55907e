"""The two daemons of a suite: Docker Engine, which contains BuildKit, and a registry."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
from pathlib import Path

from _engine import EngineFailure, network, processes, say
from _engine.layout import CONTAINERD, Layout, State
from _engine.run import run, succeeds

_FIRST_PORT = 5000


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def engine_version(layout: Layout) -> str:
    """Version of the engine that answers on the suite's socket, or an empty text."""
    connection = _UnixConnection(layout.socket)
    try:
        connection.request("GET", "/version")
        return str(json.load(connection.getresponse())["Version"])
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return ""
    finally:
        connection.close()


def registry_answers(layout: Layout, port: int) -> str:
    """`yes` when the suite's registry runs and answers on a port, else an empty text."""
    if not processes.pid_of(layout, processes.REGISTRY):
        return ""  # whatever answers there is somebody else's
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return "yes" if answer.status == 200 else ""


def engine_config(layout: Layout, state: State) -> dict[str, object]:
    """daemon.json: everything below the private folder, no firewall rules, all entitlements."""
    config: dict[str, object] = {
        "data-root": str(layout.data),
        "exec-root": str(layout.exec_root),
        "pidfile": str(layout.home / "docker.pid"),
        "hosts": [f"unix://{layout.socket}"],
        "features": {"containerd-snapshotter": layout.store == CONTAINERD},
        "builder": {"Entitlements": {"network-host": True, "security-insecure": True}},
        "bridge": layout.bridge if state.network == network.BRIDGE else "none",
        "iptables": False,
        "ip6tables": False,
        "userland-proxy": False,
        "shutdown-timeout": 5,
    }
    if state.network == network.BRIDGE:
        config |= {"mtu": network.mtu(), "dns": network.nameservers()}
    if not _has_overlay(layout.data):
        config["storage-driver"] = "native" if layout.store == CONTAINERD else "vfs"
    return config


def registry_config(
    storage: Path,
    port: int,
    *,
    htpasswd: Path | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> dict[str, object]:
    """Configuration of a registry on a loopback port.

    Args:
        storage: Folder for its contents.
        port: TCP port on 127.0.0.1.
        htpasswd: File with bcrypt passwords, for a registry that asks for a login.
        certificate: Certificate and key in PEM, for a registry over TLS.
    """
    endpoint: dict[str, object] = {"addr": f"127.0.0.1:{port}"}
    if certificate:
        endpoint["tls"] = {"certificate": str(certificate[0]), "key": str(certificate[1])}
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": endpoint,
    }
    if htpasswd:
        config["auth"] = {"htpasswd": {"realm": "registry", "path": str(htpasswd)}}
    return config


def start_engine(layout: Layout, state: State) -> None:
    """Start the suite's engine and fill in its version.

    Raises:
        EngineFailure: It does not come up.
    """
    for folder in (layout.data, layout.exec_root):
        folder.mkdir(parents=True, exist_ok=True)
    # Engine 20.10 would give the bridge its address of last time, which another may have by now.
    shutil.rmtree(layout.data / "network", ignore_errors=True)
    config = layout.home / "daemon.json"
    config.write_text(json.dumps(engine_config(layout, state), indent=2) + "\n", "utf-8")
    say(f"starting the engine of {layout.name} (step network: {state.network})")
    command: list[str | Path] = [layout.programs / "usr/sbin/dockerd", "--config-file", config]
    processes.start(layout, "dockerd", command, lambda: engine_version(layout))


def start_registry(layout: Layout, state: State) -> None:
    """Start the suite's registry on its port of last time, or on a free one.

    Raises:
        EngineFailure: It does not come up.
    """
    wanted = _FIRST_PORT + layout.every().index(layout)
    state.registry_port = _free_port(state.registry_port, wanted)
    layout.registry_data.mkdir(parents=True, exist_ok=True)
    config = layout.home / "registry.yml"  # JSON is YAML
    settings = registry_config(layout.registry_data, state.registry_port)
    config.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    say(f"starting a registry on 127.0.0.1:{state.registry_port}")
    command: list[str | Path] = [layout.registry_binary, "serve", config]
    processes.start(
        layout, processes.REGISTRY, command, lambda: registry_answers(layout, state.registry_port)
    )


def mount_cgroups() -> bool:
    """Mount the cgroup tree where a bare machine has none; whether that was needed."""
    mounts = Path("/proc/self/mounts").read_text("utf-8", errors="replace")
    if any(line.split()[2] in {"cgroup", "cgroup2"} for line in mounts.splitlines()):
        return False
    say("mounting /sys/fs/cgroup, which this machine lacks")
    run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"])
    return True


def unmount_cgroups(layout: Layout, state: State) -> None:
    """Undo `mount_cgroups`, unless another engine still needs it."""
    if state.is_cgroup_mounted and not any(map(processes.is_any_running, layout.every())):
        succeeds(["umount", "/sys/fs/cgroup"])
        state.is_cgroup_mounted = False


def purge(layout: Layout) -> None:
    """Remove the engine's folder, and the base image when it was the last; it must be down.

    Raises:
        EngineFailure: Something is still mounted in it.
    """
    try:
        shutil.rmtree(layout.home, ignore_errors=not layout.home.exists())
    except OSError as exc:
        raise EngineFailure(f"{layout.home} cannot be removed: {exc}") from exc
    if not any(one.home.exists() for one in layout.every()):
        shutil.rmtree(layout.base, ignore_errors=True)


def _free_port(*wanted: int) -> int:
    for port in (*(port for port in wanted if port), 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise EngineFailure("no free port on 127.0.0.1")


def _has_overlay(data: Path) -> bool:
    """Whether overlayfs works on the data folder; it does not on another overlay."""
    probe = data / "overlay-probe"
    for name in ("lower", "upper", "work", "merged"):
        (probe / name).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
    works = succeeds(["mount", "-t", "overlay", "overlay", "-o", options, probe / "merged"])
    if works:
        run(["umount", probe / "merged"])
    shutil.rmtree(probe, ignore_errors=True)
    return works
