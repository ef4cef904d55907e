"""What of a spec says on which builder of a pool its cache is likely to be.

It must not change from one build of an image to the next, or each change would lose the cache that
the build is to find: so no contents, no tag, no commands, environment or copied files. Packages do
not count either, Debian's included: each group of them is a layer of its own on top of the base, so
one more of them leaves all others in the cache; and the package managers' download caches stay with
the builder. What makes every layer anew counts: base, Python, CUDA and platforms. Of the base only
the repository: when it goes from one release to the next, the download caches still help.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from buildkit_spec.values import Reference

if TYPE_CHECKING:
    from buildkit_spec.spec.model import ImageSpec


def affinity_key(spec: ImageSpec) -> str:
    """Return a text that is the same for builds of the same image, whatever is worked on in it.

    Raises:
        InvalidReferenceError: The base image is none.
    """
    base = spec.base_image
    if base is None:
        base_key = ""
    elif isinstance(base, str):
        reference = Reference.parse(base)
        base_key = f"{reference.registry}/{reference.repository}"
    else:
        base_key = affinity_key(base)
    parts = [
        spec.registry or "",
        spec.name,
        base_key,
        spec.python_version or "",
        spec.cuda or "",
        *sorted(map(str, spec.platforms())),
    ]
    return json.dumps(parts, separators=(",", ":"))
