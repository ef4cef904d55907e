"""What stands in the way of a build here, looked at from the first to the last: see `examine`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

from buildkit_spec import llb
from buildkit_spec.client import BuildOutput, Client, Endpoint, Gateway, Tls, Wish
from buildkit_spec.errors import BuildkitSpecError, CertificateError, RegistryAuthError
from buildkit_spec.host import find_ca_bundle, find_indexes, find_proxies
from buildkit_spec.reach import find_reachable
from buildkit_spec.registry import Registry
from buildkit_spec.values import Platform, Reference, StatusUpdate
from buildkit_spec.values.user import home_directory

Level = Literal["ok", "warn", "bad"]

SOON = timedelta(days=30)
"""A certificate that ends so soon is told of."""

SKEW_S = 30.0
"""Clocks may differ by so much: tokens hold for a minute at the least."""

_FREE_BYTES = 1 << 30
_LAYERED = ("mergeop", "diffop")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What: ``address``, ``certificate``, ``daemon``, ``platforms``, ``layers``,
            ``pushes``, ``clock``, ``cache``, ``disk``, ``certificates``, ``proxies``, ``index``,
            ``registry``.
        level: ``bad`` where a build will fail, ``warn`` where it is slower or soon will.
        message: How it is.
        remedy: A command or a sentence; empty when there is nothing to do.
    """

    subject: str
    level: Level
    message: str
    remedy: str = ""


def examine(
    wish: Wish, env: Mapping[str, str], registry: Registry, images: Sequence[Reference] = ()
) -> Iterator[Finding]:
    """Look at daemon, machine and registries, and tell of each as it is known; nothing is raised.

    Args:
        wish: What is said of the daemon.
        env: The environment.
        registry: Asks the registries.
        images: Images whose registries count.
    """
    try:
        endpoint = find_reachable(wish, env)
    except BuildkitSpecError as error:
        yield _bad("address", error)
    else:
        yield Finding("address", "ok", f"{endpoint}: {endpoint.why}")
        if endpoint.tls is not None:
            yield from _certificates(endpoint.tls)
        for address in endpoint.addresses:
            yield from _daemon(endpoint.only(address))
    yield from _machine(env)
    for image in images:
        yield _image(registry, image)


def _bad(subject: str, error: BuildkitSpecError) -> Finding:
    return Finding(subject, "bad", error.message, error.remedy)


def _certificates(tls: Tls) -> Iterator[Finding]:
    from buildkit_spec.certs import read_certificates

    for kind, file in (("the authority's", tls.ca), ("our own", tls.cert)):
        if file is None:
            continue
        try:
            found = read_certificates(file)
        except CertificateError as error:
            yield _bad("certificate", error)
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


def _daemon(endpoint: Endpoint) -> Iterator[Finding]:
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
            records = client.disk_usage()
    except BuildkitSpecError as error:
        yield _bad("daemon", error)
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


def _image(registry: Registry, image: Reference) -> Finding:
    try:
        login = registry.logins.credentials(image.registry, image.repository)
        who = "with a login" if login is not None else "without a login"
        there = registry.exists(image)
    except RegistryAuthError as error:
        return Finding("registry", "bad", error.message, error.remedy)
    except BuildkitSpecError as error:
        return _bad("registry", error)
    return Finding(
        "registry", "ok", f"{image.registry}, {who}: {image} {'is' if there else 'is not'} there"
    )


def _gb(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB"


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level of all."""
    order: tuple[Level, ...] = ("ok", "warn", "bad")
    return max((one.level for one in findings), key=order.index, default="ok")
