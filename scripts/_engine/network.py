"""A bridge of our own for build steps, or the host's network where no bridge works.

The daemon runs with `iptables: false`: Docker's chains have fixed names, so a second engine that
starts would rewrite the first one's rules. Three rules naming our bridge do the same job.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from _engine import EngineFailure
from _engine.debian import machine_sources
from _engine.layout import Layout, State
from _engine.run import admin_path, run, succeeds

BRIDGE, HOST = "bridge", "host"
_PROBE_TIMEOUT_S = 8

# Waits until the parent has moved the cable's end "step0" in, then behaves as a build step would.
_PROBE = """
read -r _ || exit 9
mount --bind "$1" /etc/resolv.conf
ip link set lo up; ip addr add "$2" dev step0; ip link set step0 up; ip route add default via "$3"
exec "$4" -c 'import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()' "$5" "$6"
"""


def nameservers() -> list[str]:
    """Nameservers a build step can use: those of this machine that are not on its loopback."""
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        try:
            text = Path(path).read_text("utf-8")
        except OSError:
            continue
        found = re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)
        usable = [name for name in found if not _is_loopback(name)]
        if usable:
            return usable
    return []


def mtu() -> int:
    """MTU of the interface with the default route; a larger one inside steps loses packets."""
    try:
        routes = json.loads(run(["ip", "-j", "route", "show", "default"]) or "[]")
        links = json.loads(run(["ip", "-j", "link", "show", routes[0]["dev"]]))
        return int(links[0]["mtu"])
    except (EngineFailure, ValueError, LookupError):
        return 1500


def choose(layout: Layout, state: State) -> None:
    """Set up the bridge and decide, by trying it, whether steps may use it; fills in `state`."""
    state.network, state.subnet, state.iptables = HOST, "", ""
    try:
        state.subnet = _create_bridge(layout)
        state.iptables = _masquerade(layout, state.subnet)
        state.network_reason = _try_step(layout, state.subnet)
        state.network = BRIDGE
    except EngineFailure as exc:
        remove(layout, state)
        state.network_reason = " ".join(str(exc).split())


def is_up(layout: Layout) -> bool:
    return Path("/sys/class/net", layout.bridge).exists()


def remove(layout: Layout, state: State) -> None:
    """Take the bridge and its rules away; does nothing where they are not there."""
    if state.iptables and state.subnet:
        for table, *rule in _rules(layout.bridge, state.subnet):
            while succeeds([state.iptables, "-w", "-t", table, "-D", *rule]):
                pass
    if is_up(layout):
        succeeds(["ip", "link", "del", layout.bridge])


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return True


def _rules(bridge: str, subnet: str) -> list[list[str]]:
    """Table, chain and the rest of each rule."""
    return [
        ["nat", "POSTROUTING", "-s", subnet, "!", "-o", bridge, "-j", "MASQUERADE"],
        ["filter", "FORWARD", "-i", bridge, "-j", "ACCEPT"],
        ["filter", "FORWARD", "-o", bridge, "-j", "ACCEPT"],
    ]


def _create_bridge(layout: Layout) -> str:
    if is_up(layout):
        run(["ip", "link", "del", layout.bridge])
    subnet = _free_subnet()
    gateway = next(subnet.hosts())
    # Without an address of its own a bridge takes its ports' lowest: it changes as steps come and
    # go, and what the others send to the old one is lost until they ask again.
    number = hashlib.sha256(layout.bridge.encode()).hexdigest()
    mac = ":".join(["02", *(number[at : at + 2] for at in range(0, 10, 2))])
    options = ["address", mac, "mtu", str(mtu()), "type", "bridge"]
    run(["ip", "link", "add", layout.bridge, *options])
    run(["ip", "addr", "add", f"{gateway}/{subnet.prefixlen}", "dev", layout.bridge])
    run(["ip", "link", "set", layout.bridge, "up"])
    try:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    except OSError as exc:
        raise EngineFailure(f"ip_forward cannot be set: {exc}") from exc
    return str(subnet)


def _free_subnet() -> ipaddress.IPv4Network:
    taken: list[ipaddress.IPv4Network] = []
    for route in json.loads(run(["ip", "-4", "-j", "route", "show", "table", "all"]) or "[]"):
        with contextlib.suppress(ValueError):
            taken.append(ipaddress.IPv4Network(route.get("dst", ""), strict=False))
    for name in nameservers():
        with contextlib.suppress(ValueError):
            taken.append(ipaddress.IPv4Network(name))
    for third in range(40, 240):
        subnet = ipaddress.IPv4Network(f"172.30.{third}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise EngineFailure("no free subnet in 172.30.0.0/16")


def _masquerade(layout: Layout, subnet: str) -> str:
    """Add the rules by whichever iptables the kernel takes them from; returns its name."""
    failure = EngineFailure("iptables is not installed")
    for program in ("iptables", "iptables-legacy"):
        try:
            for table, *rule in _rules(layout.bridge, subnet):
                if not succeeds([program, "-w", "-t", table, "-C", *rule]):
                    run([program, "-w", "-t", table, "-I", *rule])
        except EngineFailure as exc:
            failure = exc
        else:
            return program
    raise failure


def _mirror_address() -> tuple[str, int]:
    """Host and port this machine's apt talks to: its proxy, or else the mirror."""
    mirror = machine_sources()[0].uri
    scheme = mirror.split(":")[0].removeprefix("mirror+")
    for key in (f"Acquire::{scheme}::Proxy", f"Acquire::{scheme}::proxy"):
        output = run(["apt-config", "shell", "PROXY", key])
        if match := re.search(r"PROXY='([^']+)'", output):
            mirror = match[1]
            break
    else:
        mirror = os.environ.get(f"{scheme}_proxy") or mirror
    parts = urllib.parse.urlsplit(mirror)
    if not parts.hostname:
        raise EngineFailure("the machine's mirror is not a network address")
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _try_step(layout: Layout, subnet: str) -> str:
    """Reach the package mirror from a network namespace on the bridge, name lookup included.

    Returns:
        What was found, for `status`.

    Raises:
        EngineFailure: A step on the bridge could not reach what this machine can.
    """
    try:
        host, port = _mirror_address()
        socket.create_connection((host, port), 5).close()
    except (EngineFailure, OSError):
        return "bridge and NAT can be set up; no mirror in reach to try them on"
    gateway, address = (str(each) for each in list(ipaddress.IPv4Network(subnet).hosts())[:2])
    cable = f"v{layout.bridge}"
    with tempfile.NamedTemporaryFile("w", suffix=".resolv") as resolv:
        resolv.write("".join(f"nameserver {name}\n" for name in nameservers()))
        resolv.flush()
        words = [resolv.name, f"{address}/24", gateway, sys.executable, host, str(port)]
        step = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-ec", _PROBE, "sh", *words],
            env={**os.environ, "PATH": admin_path()},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            _wait_for_namespace(step.pid)
            peer = ["peer", "name", "step0", "netns", str(step.pid)]
            run(["ip", "link", "add", cable, "mtu", str(mtu()), "type", "veth", *peer])
            run(["ip", "link", "set", cable, "master", layout.bridge, "up"])
            output, _ = step.communicate("go\n", timeout=_PROBE_TIMEOUT_S)
        except subprocess.TimeoutExpired as exc:
            raise EngineFailure("a step on the bridge did not reach the mirror in time") from exc
        finally:
            step.kill()
            step.wait()
            succeeds(["ip", "link", "del", cable])
    if step.returncode:
        last = output.strip().splitlines()[-1:] or [f"code {step.returncode}"]
        raise EngineFailure(f"a step on the bridge does not reach the mirror: {last[0]}")
    return "a step on the bridge reached the package mirror by name"


def _wait_for_namespace(pid: int) -> None:
    """Wait until a child of `unshare` is in a network namespace of its own."""
    own = Path("/proc/self/ns/net").readlink()
    for _ in range(200):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/ns/net").readlink() != own:
                return
        time.sleep(0.01)
    raise EngineFailure("no network namespace can be made")
