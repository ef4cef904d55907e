"""Plain data as YAML text that reads back as it was."""

from __future__ import annotations

from typing import Any

import yaml

_UNSAFE = frozenset("\x85\u2028\u2029\ufeff")
"""Signs that PyYAML writes as they are and reads as line breaks or not at all."""


class _Dumper(yaml.SafeDumper):
    pass


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if not _UNSAFE.isdisjoint(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)


def yaml_text(data: Any) -> str:
    """Return *data* (mappings, lists, text, booleans) as YAML, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
