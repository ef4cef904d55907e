"""Programs that run inside a build, with the image's own Python: mounted, never in the image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from buildkit_spec import llb
from buildkit_spec.plan.settings import RUN_DIR

COMPILE = f"-S -s -B -W ignore {RUN_DIR}/compile/bytecode.py"
"""An interpreter's arguments, before a folder: compile what is below it. Wants `compiler`."""

_IMPORTED = {
    "lock.py": ("indexes.py", "uv_indexes.py"),
    "install.py": ("bytecode.py", "uv_indexes.py"),
}

ORDER = "order.json"
"""What a program is to do: its one argument."""


@cache
def _text(name: str) -> bytes:
    return (files(__name__) / name).read_bytes()


def program_files(name: str, order: Mapping[str, object]) -> tuple[llb.FileAction, ...]:
    """Return what writes the program *name*, such as ``lock.py``, and its order beside it."""
    text = json.dumps(order, sort_keys=True).encode()
    return (
        *(llb.mkfile(f"/{one}", _text(one), mode=0o644) for one in (name, *_IMPORTED[name])),
        llb.mkfile(f"/{ORDER}", text, mode=0o644),
    )


def compiler(name: str) -> llb.Bind:
    """Return the mount that `COMPILE` needs; *name* is shown for it."""
    program = llb.scratch().file(
        llb.mkfile("/bytecode.py", _text("bytecode.py"), mode=0o644), name=name
    )
    return llb.Bind(f"{RUN_DIR}/compile", source=program, readonly=True)


def command(interpreter: str, directory: str, name: str) -> list[str]:
    """Return the command that runs the program *name* where its files are mounted."""
    # Not isolated altogether: what lies beside the program is imported by it.
    return [interpreter, "-B", "-s", f"{directory}/{name}", f"{directory}/{ORDER}"]
