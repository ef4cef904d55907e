"""OCI distribution: does an image exist, what does it stand for, and whose login says so."""

from __future__ import annotations

from buildkit_spec.registry.logins import Logins
from buildkit_spec.registry.manifests import Descriptor
from buildkit_spec.registry.registry import Registry

__all__ = ["Descriptor", "Logins", "Registry"]
