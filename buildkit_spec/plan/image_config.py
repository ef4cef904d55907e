"""The image config: what a container runtime reads beside the layers.

Everything here is outside the layers, so changing it rebuilds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from buildkit_spec.errors import GraphError
from buildkit_spec.values import Platform

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """One platform's image config, as values.

    Attributes:
        env: Environment in the order it was set.
        user: User of the container; empty is root.
        workdir: Working directory; empty is ``/``.
        entrypoint: Program and first arguments; None when not set.
        cmd: Further arguments; None when not set.
        labels: Labels by key.
        rest: Every other member of the base's config document, kept as it was.
        config_rest: Every other member of its ``config`` object, kept as it was.

    Source: OCI image spec, *Image Configuration*.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)
    config_rest: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes, *, origin: str = "base image") -> ImageConfig:
        """Read an image config document (JSON, UTF-8).

        Args:
            data: The document; empty stands for an image without a config.
            origin: Whose config it is, for the error.

        Raises:
            GraphError: It is not a JSON object of the form the OCI spec gives.
        """
        try:
            document = json.loads(data or b"{}")
            config = dict(document.get("config") or {})
            env = dict(entry.partition("=")[::2] for entry in config.pop("Env", None) or [])
            entrypoint = config.pop("Entrypoint", None)
            cmd = config.pop("Cmd", None)
            return cls(
                env=env,
                user=config.pop("User", "") or "",
                workdir=config.pop("WorkingDir", "") or "",
                entrypoint=None if entrypoint is None else tuple(entrypoint),
                cmd=None if cmd is None else tuple(cmd),
                labels=dict(config.pop("Labels", None) or {}),
                rest={key: value for key, value in document.items() if key != "config"},
                config_rest=config,
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise GraphError(f"the config of {origin} is not an OCI image config") from error

    @property
    def path(self) -> str:
        """Its ``PATH``, or what a runtime assumes when it has none."""
        return self.env.get("PATH", DEFAULT_PATH)

    @property
    def layer_count(self) -> int:
        """How many layers the image it comes from has. Source: OCI image spec, ``rootfs``."""
        rootfs = self.rest.get("rootfs")
        layers = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        return len(layers) if isinstance(layers, list) else 0

    def with_env(self, env: Mapping[str, str]) -> ImageConfig:
        """Return it with *env* set; a variable that is there keeps its place."""
        return replace(self, env={**self.env, **env})

    def with_entrypoint(self, entrypoint: Sequence[str]) -> ImageConfig:
        """Return it with another entrypoint, and without the base's arguments for its own."""
        return replace(self, entrypoint=tuple(entrypoint) or None, cmd=None)

    def to_json(self, platform: Platform, *, created: str) -> bytes:
        """Write the document (JSON, UTF-8, keys sorted).

        The exporter fills ``rootfs`` and ``history`` in from the layers; the base's history goes
        with it so that it is kept.

        Args:
            platform: The platform the image runs on.
            created: RFC 3339 time.

        Source: ``exporter/containerimage/writer.go``, ``patchImageConfig``.
        """
        config: dict[str, Any] = dict(self.config_rest)
        config["Env"] = [f"{key}={value}" for key, value in self.env.items()]
        optional = {
            "User": self.user,
            "WorkingDir": self.workdir,
            "Entrypoint": None if self.entrypoint is None else list(self.entrypoint),
            "Cmd": None if self.cmd is None else list(self.cmd),
            "Labels": dict(self.labels),
        }
        config.update({key: value for key, value in optional.items() if value})
        document = {
            **self.rest,
            "architecture": platform.architecture,
            "config": config,
            "created": created,
            "os": platform.os,
        }
        if platform.variant:
            document["variant"] = platform.variant
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
