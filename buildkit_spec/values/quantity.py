"""Durations and sizes as people write them."""

from __future__ import annotations

import math
import re

from buildkit_spec.errors import InvalidValueError

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = ("", "k", "m", "g", "t")
_MAX = 2**63 - 1


def parse_duration_s(text: str) -> float:
    """Read a duration such as ``90s``, ``36h``, ``1h30m`` or ``7d``; in seconds.

    Raises:
        InvalidValueError: It has another form.
    """
    written = text.strip()
    if written == "0":
        return 0.0
    parts = list(_PART.finditer(written))
    if not parts or "".join(part[0] for part in parts) != written:
        raise InvalidValueError(text, "a duration is written as 90s, 1h30m or 7d")
    return math.fsum(float(part[1]) * _SECONDS[part[2]] for part in parts)


def parse_size_bytes(text: str) -> int:
    """Read a size such as ``512MB`` or ``10GiB``: powers of 1000, with an ``i`` of 1024.

    Raises:
        InvalidValueError: It has another form, or is more than a daemon can be told.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InvalidValueError(text, "a size is written as 512MB, 10GB or 10GiB")
    base = 1024 if found[3] else 1000
    size = float(found[1]) * base ** _POWERS.index(found[2].lower())
    if size > _MAX:
        raise InvalidValueError(text, "it is more than any disk holds")
    return int(size)
