"""The daemon: addresses and dialling, its API, the gateway of a build."""

from __future__ import annotations

from buildkit_spec.client._build import RunBuild, SolveResult
from buildkit_spec.client.address import Address
from buildkit_spec.client.client import Client
from buildkit_spec.client.exporters import Exporter, image_exporter
from buildkit_spec.client.find import find_address
from buildkit_spec.client.gateway import BuildOutput, Capabilities, FileStat, Gateway, Ref
from buildkit_spec.client.records import CacheRecord, DaemonInfo, Worker

__all__ = [
    "Address",
    "BuildOutput",
    "CacheRecord",
    "Capabilities",
    "Client",
    "DaemonInfo",
    "Exporter",
    "FileStat",
    "Gateway",
    "Ref",
    "RunBuild",
    "SolveResult",
    "Worker",
    "find_address",
    "image_exporter",
]
