"""The daemon: addresses and dialling, its API, the gateway of a build.

Names are imported when they are first used: finding a daemon's address needs no gRPC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit_spec._lazy import lazy_names

if TYPE_CHECKING:
    from buildkit_spec.client._build import RunBuild, SolveResult
    from buildkit_spec.client.address import Address
    from buildkit_spec.client.capabilities import Capabilities
    from buildkit_spec.client.client import Client
    from buildkit_spec.client.delivery import Delivery, Order
    from buildkit_spec.client.endpoint import Endpoint, Wish, find_endpoint
    from buildkit_spec.client.engine_store import engine_exporter, refuse_deadly
    from buildkit_spec.client.exporters import (
        CacheEntry,
        Exporter,
        image_exporter,
        needed_capabilities,
    )
    from buildkit_spec.client.gateway import Gateway
    from buildkit_spec.client.local_caches import LocalCaches
    from buildkit_spec.client.questions import GatewayQuestions, name_certificates
    from buildkit_spec.client.records import CacheRecord, DaemonInfo, Worker
    from buildkit_spec.client.result import BuildOutput, FileStat, Ref
    from buildkit_spec.client.tls import Tls

__all__ = [
    "Address",
    "BuildOutput",
    "CacheEntry",
    "CacheRecord",
    "Capabilities",
    "Client",
    "DaemonInfo",
    "Delivery",
    "Endpoint",
    "Exporter",
    "FileStat",
    "Gateway",
    "GatewayQuestions",
    "LocalCaches",
    "Order",
    "Ref",
    "RunBuild",
    "SolveResult",
    "Tls",
    "Wish",
    "Worker",
    "engine_exporter",
    "find_endpoint",
    "image_exporter",
    "name_certificates",
    "needed_capabilities",
    "refuse_deadly",
]

_MODULES = {
    "Address": "address",
    "BuildOutput": "result",
    "CacheEntry": "exporters",
    "CacheRecord": "records",
    "Capabilities": "capabilities",
    "Client": "client",
    "DaemonInfo": "records",
    "Delivery": "delivery",
    "Endpoint": "endpoint",
    "Exporter": "exporters",
    "FileStat": "result",
    "Gateway": "gateway",
    "GatewayQuestions": "questions",
    "LocalCaches": "local_caches",
    "Order": "delivery",
    "Ref": "result",
    "RunBuild": "_build",
    "SolveResult": "_build",
    "Tls": "tls",
    "Wish": "endpoint",
    "Worker": "records",
    "engine_exporter": "engine_store",
    "find_endpoint": "endpoint",
    "image_exporter": "exporters",
    "name_certificates": "questions",
    "needed_capabilities": "exporters",
    "refuse_deadly": "engine_store",
}


__getattr__ = lazy_names(__name__, _MODULES)
