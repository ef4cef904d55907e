"""Our errors in Flyte 2's words: its layers' fields in place of a spec's."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from buildkit_spec.errors import Problem

_NETRC = (
    "secret_mounts=[flyte.Secret(key='netrc', mount=Path('/etc/flyte/secrets'))] behind"
    " with_env_vars({'NETRC': '/etc/flyte/secrets'})"
)
_WORDS = {
    "mount a .netrc with pip_secret_mounts": f"mount a .netrc: {_NETRC}",
    "pip_index and pip_secret_mounts": "index_url and secret_mounts",
    "pip_secret_mounts": "secret_mounts",
    "pip_index": "index_url",
    "pip_extra_index_url": "extra_index_urls",
    "pip_extra_args": "extra_args",
    "requirements: ": "with_requirements: ",
}
_ANY_WORD = re.compile("|".join(rf"(?<!\w){re.escape(word)}" for word in _WORDS))

_FIELDS = {
    "apt_packages": ("packages",),
    "builder_options.copy_to": ("dst",),
    "builder_options.dependency_groups": ("extra_args",),
    "builder_options.extras": ("extra_args",),
    "builder_options.run_in": ("",),
    "builder_options.step_secrets": ("secret_mounts",),
    "copy": ("src",),
    "packages": ("packages", "script", "wheel_dir"),
    "pip_extra_args": ("extra_args",),
    "pip_extra_index_url": ("extra_index_urls",),
    "pip_index": ("index_url",),
    "python_exec": ("",),
    "requirements": ("file", "uvlock", "poetry_lock", "pyproject", "script"),
    "source_root": ("src", "root_dir"),
}
"""Fields of a spec, and what they are called in a layer: the first one that it has."""


def problem(one: Problem, layer: Any, place: str) -> Problem:
    """Return a problem of a layer's part as one of the layer.

    Args:
        one: Names a field of a spec, or already one of the layer.
        layer: The layer.
        place: What it is called, such as ``layers[2]``.
    """
    head, rest = one.field, ""
    for name in sorted(_FIELDS, key=len, reverse=True):
        if re.match(rf"{re.escape(name)}(?![\w])", one.field):
            head, rest = name, one.field[len(name) :]
            break
    own = {field.name for field in fields(layer) if getattr(layer, field.name) is not None}
    called = next((name for name in _FIELDS.get(head, ()) if name in own), None)
    if called is None:
        called, rest = ("", "") if head in _FIELDS else (head, rest)
    if called not in {"packages", "commands"} and re.match(r"\[\d+\]", rest):
        rest = ""  # a number that we gave
    text = f"{place}.{called}{rest}".rstrip(".")
    return Problem(text, in_flytes_words(one.message), in_flytes_words(one.remedy))


def in_flytes_words(text: str) -> str:
    """Return a message or a remedy with Flyte's names of what it speaks of."""
    return _ANY_WORD.sub(lambda match: _WORDS[match[0]], text)
