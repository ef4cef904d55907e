"""The graphs of vectors.json, made with our API: one function a vector, named like it."""

from __future__ import annotations

from llb_graphs import execs, files, sources, whole
from llb_graphs.common import GRAPHS

__all__ = ["GRAPHS", "MARSHAL_OPTIONS", "NOT_OFFERED", "execs", "files", "sources", "whole"]

MARSHAL_OPTIONS: dict[str, dict[str, str]] = {
    "local_unique_default": {"local_unique_id": "unique-2"}
}
"""What beside the platform is given to the marshal call, by the vector's name."""

NOT_OFFERED = {
    "image_resolved_config": "the plan reads image configs; a state does not",
    "image_resolve_digest": "the plan resolves digests; a state does not",
    "image_config_applied": "the plan reads image configs; a state does not",
    "image_config_no_workdir": "the plan reads image configs; a state does not",
    "image_blob": "no source for single blobs of an image",
    "local_metadata_only": "no transfer of metadata alone",
    "git_mtime_commit": "no policy for a checkout's timestamps",
    "exec_linux_resources": "no limits on memory and processors",
    "passthrough": "no passthrough op",
    "export_cache": "no choice of what is exported to caches",
    "worker_constraints": "no choice of workers",
    "marshal_default_metadata": "metadata is given to vertices, not to marshal calls",
    "source_map": "vertices do not tell lines of a file",
    "platform_of_exec": "platforms are given to states, in their usual spelling",
    "platform_os_version_features": "platforms have no OS version or features",
    "caps_default_path_supported": "marshalling asks no daemon; the plan sets PATH",
    "caps_default_path_unsupported": "marshalling asks no daemon; the plan sets PATH",
    "caps_default_path_own_path": "marshalling asks no daemon; the plan sets PATH",
    "caps_ssh_and_path": "marshalling asks no daemon; the plan sets PATH",
}
"""Vectors of what we do not offer, and why. Their definitions are still loaded and printed."""
