"""What this machine lends to a build: CA bundle, proxies, package indexes, the uv binary."""

from __future__ import annotations

from buildkit_spec.host.indexes import PackageIndexes, find_indexes
from buildkit_spec.host.network import find_ca_bundle, find_proxies
from buildkit_spec.host.uv import uv_directory

__all__ = [
    "PackageIndexes",
    "find_ca_bundle",
    "find_indexes",
    "find_proxies",
    "uv_directory",
]
