"""Runs inside a build: tell uv how long an index's answers hold."""

from __future__ import annotations

import functools
import os
import re
import subprocess

_VARIABLE = "UV_CONFIG_FILE"
_CACHED = 'cache-control = { api = "max-age=600", files = "max-age=365000000, immutable" }\n'


def set_indexes(uv: str, scratch: str) -> None:
    """Add the public index to uv's configuration, if it is the default one.

    Where answers do not say how long they hold, uv asks again for every package of a lock. For an
    index that is configured it can be told; where the public one is, it knows itself.

    Args:
        uv: The program.
        scratch: Folder for the configuration.
    """
    given = os.environ.get(_VARIABLE)
    text = ""
    if given:
        with open(given, encoding="utf-8") as file:
            text = file.read()
    if "default = true" in text:
        return
    public = public_index(uv)
    if public:
        path = os.path.join(scratch, "uv.toml")
        entry = f'\n[[index]]\nurl = "{public}"\ndefault = true\n{_CACHED}'
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + entry)
        os.environ[_VARIABLE] = path


@functools.lru_cache(maxsize=None)  # noqa: UP033 - Python 3.8 has no other
def public_index(uv: str) -> str:
    """Return the index that uv asks where none is configured; empty when it does not say."""
    usage = subprocess.run([uv, "pip", "compile", "--help"], capture_output=True, check=False)
    public = re.search(rb"--default-index\b.*?<(https://[^\s<>]+)>", usage.stdout, re.DOTALL)
    return public.group(1).decode() if public else ""
