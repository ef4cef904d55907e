"""Which pieces of a build cache are meant, as users of buildx and buildctl write it.

Source: buildx ``commands/prune.go``, ``toBuildkitPruneInfo``; ``client/prune.go``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from buildkit_spec.errors import InvalidValueError
from buildkit_spec.values.quantity import parse_duration_s

KEYS = (
    *("id", "type", "description", "parents"),
    *("inuse", "mutable", "immutable", "shared", "private"),
)
"""What a daemon filters by. Source: ``cache/manager.go``, ``adaptUsageInfo``."""

_AGES = ("until", "unused-for")
_PLAIN = re.compile(r"[\w./:@^$*+-]+")
_ONE = re.compile(r"([a-z-]+)(?:(==|!=|~=|=)(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CacheFilter:
    """Some pieces of a cache.

    Attributes:
        expressions: As the daemon takes them: a piece has to fit one of these.
        unused_for_s: And must not have been used for so long, in seconds; None when nothing is
            said.
    """

    expressions: tuple[str, ...] = ()
    unused_for_s: float | None = None


def parse_filters(texts: Iterable[str]) -> CacheFilter:
    """Read filters; a piece has to fit all of them.

    Args:
        texts: Each ``key=value`` (``==`` too), ``key!=value``, ``key~=pattern``, a key alone, such
            as ``shared``, or ``until=24h``. Several may stand in one text, with commas.

    Raises:
        InvalidValueError: One has another form, or a key that no daemon knows.
    """
    wanted: list[str] = []
    unused_for_s: float | None = None
    for text in (part for one in texts for part in one.split(",") if part):
        found = _ONE.fullmatch(text.strip())
        key, sign, value = found.groups() if found is not None else ("", None, None)
        if key in _AGES:
            if sign not in {"=", "=="}:
                raise InvalidValueError(text, f"{key} is a time: write {key}=24h")
            if unused_for_s is not None:
                raise InvalidValueError(text, "only one time can be said")
            unused_for_s = parse_duration_s(value or "")
        elif key not in KEYS:
            known = ", ".join((*KEYS, *_AGES))
            raise InvalidValueError(text, "it filters by nothing", remedy=f"one of: {known}")
        elif sign is None:
            wanted.append(key)
        elif key == "id" and sign == "=":
            wanted.append(f"id~={_quoted('^' + re.escape(value or ''))}")  # as `du` shows it
        else:
            wanted.append(f"{key}{'==' if sign == '=' else sign}{_quoted(value or '')}")
    return CacheFilter((",".join(wanted),) if wanted else (), unused_for_s)


def _quoted(value: str) -> str:
    """Return a value as the daemon reads it. Source: containerd ``pkg/filters/parser.go``."""
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
