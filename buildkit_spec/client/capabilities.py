"""What a daemon says it can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkit_spec._pb import caps


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A list of capabilities, of the gateway or of graphs.

    Attributes:
        enabled: Names of those that it has.
        disabled: Why not, by name, for those that are known but switched off; may be empty text.

    Source: ``util/apicaps``.
    """

    enabled: frozenset[str] = frozenset()
    disabled: Mapping[str, str] = field(default_factory=dict)

    def supports(self, name: str) -> bool:
        """Whether it has the capability, such as ``mergeop``."""
        return name in self.enabled

    def reason(self, name: str) -> str:
        """Return why it has not; empty when it has, or when it does not say."""
        if name in self.enabled:
            return ""
        return self.disabled.get(name) or (
            "it is switched off" if name in self.disabled else "the daemon does not know it"
        )


def decode_capabilities(listed: Iterable[caps.APICap]) -> Capabilities:
    """Return a daemon's list as a value."""
    enabled, disabled = set(), {}
    for cap in listed:
        if cap.Enabled:
            enabled.add(cap.ID)
        else:
            disabled[cap.ID] = cap.DisabledReasonMsg or cap.DisabledReason
    return Capabilities(frozenset(enabled), disabled)
