"""LLB: the graph a build is made of, from immutable states to the bytes a daemon takes.

Pure: no network, no clock, no randomness. Ids that must differ between builds are arguments.
"""

from __future__ import annotations

from buildkit_spec.llb._actions import ActionChain, Chown, FileAction
from buildkit_spec.llb._context import Context, ExtraHost, Network, Security, Ulimit
from buildkit_spec.llb._exec import shlex
from buildkit_spec.llb._merge import diff, merge
from buildkit_spec.llb._source import Differ, ResolveMode, image, local, oci_layout, scratch
from buildkit_spec.llb._web_source import git, http
from buildkit_spec.llb.actions import copy, mkdir, mkfile, rm, symlink
from buildkit_spec.llb.definition import Definition
from buildkit_spec.llb.meta import Meta, ProgressGroup
from buildkit_spec.llb.mounts import (
    SSH,
    Bind,
    CacheMount,
    CacheSharing,
    CDIDevice,
    ContentCache,
    Mount,
    Proxy,
    Secret,
    SecretEnv,
    Tmpfs,
)
from buildkit_spec.llb.state import Run, State

__all__ = [
    "SSH",
    "ActionChain",
    "Bind",
    "CDIDevice",
    "CacheMount",
    "CacheSharing",
    "Chown",
    "ContentCache",
    "Context",
    "Definition",
    "Differ",
    "ExtraHost",
    "FileAction",
    "Meta",
    "Mount",
    "Network",
    "ProgressGroup",
    "Proxy",
    "ResolveMode",
    "Run",
    "Secret",
    "SecretEnv",
    "Security",
    "State",
    "Tmpfs",
    "Ulimit",
    "copy",
    "diff",
    "git",
    "http",
    "image",
    "local",
    "merge",
    "mkdir",
    "mkfile",
    "oci_layout",
    "rm",
    "scratch",
    "shlex",
    "symlink",
]
