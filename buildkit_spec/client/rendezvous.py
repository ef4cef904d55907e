"""Rendezvous hashing: which builders of a pool to try for a key, the same everywhere.

Every builder gets a weight for the key, and the highest goes first. A builder that comes or goes
moves only the keys that are its own: the order of the others among each other stays. Source: Thaler
and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def ranked(key: str, names: Iterable[str]) -> list[str]:
    """Return *names*, the first choice for *key* first.

    Args:
        key: What stands for the build.
        names: Of the builders; they must be stable, and distinct.
    """
    return sorted(set(names), key=lambda name: (_weight(key, name), name), reverse=True)


def _weight(key: str, name: str) -> bytes:
    # Each part has its own digest, so no two pairs run into the same text.
    parts = (hashlib.sha256(part.encode(errors="surrogateescape")).digest() for part in (key, name))
    return hashlib.sha256(b"".join(parts)).digest()
