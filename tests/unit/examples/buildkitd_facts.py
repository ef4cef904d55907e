"""What buildkitd.toml may hold, and the flags of buildkitd: BuildKit passes over keys it has not.

Source: BuildKit, ``cmd/buildkitd/config/config.go``, ``gcpolicy.go`` and ``main.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TEXTS = [str]
SIZE = re.compile(r"\d+%|\d+(\.\d+)? ?([kmgtp]i?)?b?", re.IGNORECASE)
DURATION = re.compile(r"\d+|(\d+(\.\d+)?(ns|us|ms|s|m|h))+")
ANY_NAME = "*"

_GC_RULE = {
    "all": bool,
    "filters": TEXTS,
    "keepDuration": DURATION,
    "reservedSpace": SIZE,
    "maxUsedSpace": SIZE,
    "minFreeSpace": SIZE,
}
_WORKER = {
    "labels": {ANY_NAME: str},
    "platforms": TEXTS,
    "snapshotter": str,
    "rootless": bool,
    "defaultCgroupParent": str,
    "apparmor-profile": str,
    "selinux": bool,
    "max-parallelism": int,
    "gc": bool,
    "reservedSpace": SIZE,
    "maxUsedSpace": SIZE,
    "minFreeSpace": SIZE,
    "gcpolicy": [_GC_RULE],
    "networkMode": str,
    "cniConfigPath": str,
    "cniBinaryPath": str,
    "cniPoolSize": int,
    "bridgeName": str,
    "bridgeSubnet": str,
}
CONFIG: dict[str, Any] = {
    "root": str,
    "insecure-entitlements": TEXTS,
    "proxyNetwork": bool,
    "provenanceEnvDir": str,
    "log": {"format": str, "level": str},
    "grpc": {
        "address": TEXTS,
        "debugAddress": str,
        "uid": int,
        "gid": int,
        "securityDescriptor": str,
        "tls": {"cert": str, "key": str, "ca": str},
    },
    "otel": {"socketPath": str},
    "cdi": {"disabled": bool, "specDirs": TEXTS, "autoAllowed": TEXTS},
    "worker": {
        "oci": {
            **_WORKER,
            "enabled": bool,
            "noProcessSandbox": bool,
            "binary": str,
            "proxySnapshotterPath": str,
            "stargzSnapshotter": {ANY_NAME: object},
        },
        "containerd": {
            **_WORKER,
            "address": str,
            "enabled": bool,
            "namespace": str,
            "runtime": {"name": str, "path": str, "options": {ANY_NAME: object}},
        },
    },
    "registry": {
        ANY_NAME: {
            "mirrors": TEXTS,
            "http": bool,
            "insecure": bool,
            "ca": TEXTS,
            "keypair": [{"key": str, "cert": str}],
            "tlsconfigdir": TEXTS,
        }
    },
    "dns": {"nameservers": TEXTS, "options": TEXTS, "searchDomains": TEXTS},
    "history": {"maxAge": DURATION, "maxEntries": int},
    "frontend": {
        "dockerfile.v0": {"enabled": bool},
        "gateway.v0": {"enabled": bool, "allowedRepositories": TEXTS},
    },
    "system": {"platformsCacheMaxAge": DURATION, "maxRegistryConcurrency": int},
}

FLAGS = {
    "--addr",
    "--allow-insecure-entitlement",
    "--config",
    "--group",
    "--oci-worker-no-process-sandbox",
    "--root",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
}
"""Those that may be of use here."""


def problems(value: object, expected: Any = CONFIG, at: str = "") -> Iterator[str]:
    """Yield where a configuration has what BuildKit has not."""
    if isinstance(expected, Mapping) and isinstance(value, Mapping):
        for key, inner in value.items():
            if key in expected or ANY_NAME in expected:
                yield from problems(inner, expected.get(key, expected.get(ANY_NAME)), f"{at}.{key}")
            else:
                yield f"{at}.{key}: unknown"
    elif isinstance(expected, list) and isinstance(value, list):
        for number, inner in enumerate(value):
            yield from problems(inner, expected[0], f"{at}[{number}]")
    elif isinstance(expected, re.Pattern):
        if not (isinstance(value, str) and expected.fullmatch(value)):
            yield f"{at}: {value!r} is no size or time"
    elif not isinstance(expected, type) or not isinstance(value, expected):
        yield f"{at}: {value!r} is of another type"
