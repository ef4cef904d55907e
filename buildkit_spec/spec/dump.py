"""A spec as plain data, as YAML, and for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from buildkit_spec.spec.checked import Checked
from buildkit_spec.spec.logins import hidden_logins
from buildkit_spec.values.secret import EnvSecret, FileSecret


def plain(value: Any) -> Any:
    """Return *value* as YAML has it: of a spec the fields that were given, in their order."""
    if isinstance(value, Checked):
        value = value.given
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, FileSecret):
        return f"file:{value.path}"
    if isinstance(value, EnvSecret):
        return f"env:{value.name}"
    return value


def shown(value: Any) -> Any:
    """Return plain data with the login of every URL hidden."""
    if isinstance(value, dict):
        return {key: shown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shown(one) for one in value]
    return hidden_logins(value) if isinstance(value, str) else value
