"""`WWW-Authenticate`: what a registry asks for when it says 401."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf"({_WORD})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]*))")
_SCHEME = re.compile(rf"({_WORD})(?=\s|,|$)")
_SEPARATOR = re.compile(r"[\s,]+")
_OTHER = re.compile(r"[^\s,]+")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to log in that a server offers.

    Attributes:
        scheme: Lower case: ``bearer``, ``basic`` or one we do not know.
        parameters: By lower-case name, unquoted: ``realm``, ``service``, ``scope``, ``error``.
    """

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Read a ``WWW-Authenticate`` value that may hold several challenges.

    Args:
        header: The value; several header lines joined by ``, ``.

    Returns:
        The challenges in the order given; what cannot be read is left out.

    Source: RFC 9110 §11.6.1 (one value may list several challenges, and commas stand both
    between challenges and between parameters).
    """
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(header):
        if separator := _SEPARATOR.match(header, position):
            position = separator.end()
        elif found and (parameter := _PARAMETER.match(header, position)):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(name.lower(), value)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append((scheme.group(1).lower(), {}))
            position = scheme.end()
        else:
            other = _OTHER.match(header, position)
            position = other.end() if other else len(header)
    return [Challenge(scheme, parameters) for scheme, parameters in found]
