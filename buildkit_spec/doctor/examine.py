"""What stands in the way of a build here, looked at from the first to the last: see `examine`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from buildkit_spec import llb
from buildkit_spec.client import BuildOutput, Client, Endpoint, Gateway, Tls, Wish
from buildkit_spec.doctor.finding import Finding, bad
from buildkit_spec.doctor.images import ImageQuestion, look_at
from buildkit_spec.errors import (
    BuildkitSpecError,
    CertificateError,
    DaemonNotFoundError,
    SolveError,
)
from buildkit_spec.host import find_ca_bundle, find_indexes, find_proxies
from buildkit_spec.reach import find_reachable
from buildkit_spec.values import Platform, StatusUpdate
from buildkit_spec.values.user import home_directory

SOON = timedelta(days=30)
"""A certificate that ends so soon is told of."""

SKEW_S = 30.0
"""Clocks may differ by so much: tokens hold for a minute at the least."""

_FREE_BYTES = 1 << 30
_HOST_NETWORK = "network.host"
_LAYERED = ("mergeop", "diffop")


def examine(
    wish: Wish,
    env: Mapping[str, str],
    images: Iterable[ImageQuestion] = (),
    *,
    needs_host_network: bool = False,
) -> Iterator[Finding]:
    """Look at daemon, machine and registries, and tell of each as it is known; nothing is raised.

    Args:
        wish: What is said of the daemon.
        env: The environment.
        images: Images that a build deals with.
        needs_host_network: Whether a step of the build has the daemon's own network.
    """
    needs_host_network |= env.get("BUILDKIT_SPEC_NETWORK") == "host"
    try:
        endpoint = find_reachable(wish, env)
    except DaemonNotFoundError as error:
        yield _embedded(error, env)
    except BuildkitSpecError as error:
        yield bad("address", error)
    else:
        yield Finding("address", "ok", f"{endpoint}: {endpoint.why}")
        if endpoint.tls is not None:
            yield from _certificates(endpoint.tls)
        for address in endpoint.addresses:
            yield from _daemon(endpoint.only(address), needs_host_network)
    yield from _machine(env)
    for image in images:
        yield from look_at(image)


def _embedded(error: DaemonNotFoundError, env: Mapping[str, str]) -> Finding:
    """Say what a build does where no daemon is named and none runs."""
    from buildkit_spec.daemon import find_program

    is_never = error.is_set or env.get("BUILDKIT_SPEC_DAEMON") == "never"
    program = None if is_never else find_program(env)
    if program is None:
        return bad("address", error)
    return Finding(
        "address", "ok", f"none is set and none runs: a build starts {program.path} of its own"
    )


def _certificates(tls: Tls) -> Iterator[Finding]:
    from buildkit_spec.certs import read_certificates

    for kind, file in (("the authority's", tls.ca), ("our own", tls.cert)):
        if file is None:
            continue
        try:
            found = read_certificates(file)
        except CertificateError as error:
            yield bad("certificate", error)
            continue
        for one in found:
            message = f"{kind}, {one.subject}, until {one.not_after:%Y-%m-%d}{one.trouble()}"
            renew = "buildkit-spec certs renew, where they were made"
            if one.trouble():
                yield Finding("certificate", "bad", message, renew)
            elif one.not_after - datetime.now(timezone.utc) < SOON:
                yield Finding("certificate", "warn", message, renew)
            else:
                yield Finding("certificate", "ok", message)


def _daemon(endpoint: Endpoint, needs_host_network: bool) -> Iterator[Finding]:
    try:
        with endpoint.connect() as client:
            info = client.info()
            version = f"{info.package} {info.version}".strip() or "one that tells no version"
            yield Finding("daemon", "ok", f"{endpoint} answers: {version}")
            platforms = dict.fromkeys(
                one for worker in client.workers() for one in worker.platforms
            )
            yield Finding("platforms", "ok", ", ".join(map(str, platforms)))
            yield from _abilities(client)
            yield _entitlements(client, needs_host_network)
            records = client.disk_usage()
    except BuildkitSpecError as error:
        yield bad("daemon", error)
        return
    used = sum(one.size_bytes for one in records)
    free = sum(one.size_bytes for one in records if not one.is_in_use and not one.is_shared)
    yield Finding(
        "cache", "ok", f"{len(records)} records, {_gb(used)}, of which prune can free {_gb(free)}"
    )


def _abilities(client: Client) -> Iterator[Finding]:
    """Build a file, and look at what the daemon can do and what time it has."""
    missing: list[str] = []
    times: list[float] = []

    def build(gateway: Gateway) -> BuildOutput:
        missing.extend(name for name in _LAYERED if not gateway.llb_caps.supports(name))
        file = llb.mkfile("/now", f"{time.time_ns()}")
        state = llb.scratch().file(file, name="[doctor] look at the clock")
        return BuildOutput({Platform("linux", "amd64"): gateway.solve(state.marshal())})

    def tell(update: StatusUpdate) -> None:
        times.extend(one.started.timestamp() for one in update.vertices if one.started is not None)

    before = time.time()
    client.build(build, on_status=tell, is_internal=True)
    after = time.time()
    yield (
        Finding(
            "layers",
            "warn",
            f"it lacks {' and '.join(missing)}: an image is built step after step",
            "Docker Engine 23 or newer, or buildkitd 0.10 or newer",
        )
        if missing
        else Finding("layers", "ok", "built side by side, and merged")
    )
    if client.has_image_exporter():
        yield Finding("pushes", "ok", "by BuildKit itself")
    else:
        yield Finding(
            "pushes",
            "warn",
            "by the Docker Engine, layer after layer",
            'set "features": {"containerd-snapshotter": true} in /etc/docker/daemon.json',
        )
    if times:
        skew_s = max(before - times[0], times[0] - after, 0.0)
        message = f"the daemon's differs by {skew_s:.0f} s from this machine's"
        if skew_s > SKEW_S:
            remedy = "timedatectl set-ntp true, on both: tokens and certificates depend on it"
            yield Finding("clock", "bad", message, remedy)
        else:
            yield Finding("clock", "ok", "the daemon has this machine's time")


def _entitlements(client: Client, needs_host_network: bool) -> Finding:
    """Begin a build with the daemon's own network: a daemon refuses that at once, or never."""
    output = BuildOutput({Platform("linux", "amd64"): None})
    try:
        client.build(lambda _: output, entitlements=(_HOST_NETWORK,), is_internal=True)
    except SolveError as error:
        if needs_host_network:
            return bad("entitlements", error)
        return Finding(
            "entitlements",
            "ok",
            f"{_HOST_NETWORK} is not allowed: only specs with network: host need it",
            error.remedy,
        )
    return Finding("entitlements", "ok", f"{_HOST_NETWORK} is allowed")


def _machine(env: Mapping[str, str]) -> Iterator[Finding]:
    home = home_directory(env)
    cache = next(one for one in (home / ".cache", home, Path("/")) if one.is_dir())
    free = shutil.disk_usage(cache).free
    message = f"{_gb(free)} free at {cache}"
    if free < _FREE_BYTES:
        yield Finding("disk", "bad", message, "make room: uv and locks are kept there")
    else:
        yield Finding("disk", "ok", message)
    bundle = find_ca_bundle(env)
    yield Finding(
        "certificates", "ok", f"{bundle} is lent to build steps" if bundle else "no CA bundle here"
    )
    proxies = find_proxies(env)
    yield Finding("proxies", "ok", ", ".join(proxies) if proxies else "none are set")
    indexes = find_indexes(env)
    named = bool(indexes.default) + len(indexes.extra)
    yield Finding(
        "index",
        "ok",
        f"{named} set by uv's or pip's configuration" if named else "uv's own default",
    )


def _gb(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
