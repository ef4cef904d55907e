"""Steps of arm64 on an amd64 machine: QEMU, and how the kernel is told to use it.

Source: the kernel's ``Documentation/admin-guide/binfmt-misc.rst``; QEMU's ``binfmt.d`` in Debian.
"""

from __future__ import annotations

from pathlib import Path

from _engine import EngineFailure, debian, say
from _engine.layout import Layout, State
from _engine.processes import mount_points
from _engine.run import run, succeeds

KERNEL = Path("/proc/sys/fs/binfmt_misc")
"""Where the kernel lists who runs the programs that it cannot run itself."""

_NAME = "buildkit-spec-arm64"
# Of an ELF header what every arm64 program has, and the mask of what counts: not the padding, nor
# whether it is position independent.
_MAGIC = bytes.fromhex("7f454c460201010000000000000000000200b700")
_MASK = bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff")
# QEMU is opened now, as no container has it; it gets the program open, and its first argument.
_FLAGS = "OPF"


def begin(layout: Layout, state: State) -> None:
    """Let this machine run programs for arm64, unless it does already.

    Args:
        layout: Where QEMU goes.
        state: Remembers what `end` is to undo.

    Raises:
        EngineFailure: The machine is none of amd64, its kernel has no binfmt_misc, or QEMU cannot
            be had.
    """
    debian_name = run(["dpkg", "--print-architecture"]).strip()
    if debian_name != "amd64":
        raise EngineFailure(f"arm64 is emulated on amd64 only; here is {debian_name}")
    if str(KERNEL) not in mount_points():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", KERNEL])
        state.is_binfmt_mounted = True
    if handler := _handler():
        say(f"arm64 programs run here already, by {handler}")
        return
    qemu = layout.home / "qemu-aarch64"
    if not qemu.exists():
        is_old = layout.suite == "oldstable"
        package = "qemu-user-static" if is_old else "qemu-user"
        inside = "./usr/bin/qemu-aarch64-static" if is_old else "./usr/bin/qemu-aarch64"
        debian.fetch_file(layout, package, inside, qemu)
    _write("register", f":{_NAME}:M::{_escaped(_MAGIC)}:{_escaped(_MASK)}:{qemu}:{_FLAGS}")
    state.emulator = _NAME
    say(f"arm64 programs run by {qemu} from now on")


def end(state: State) -> None:
    """Undo what `begin` did; what others registered stays."""
    if state.emulator and (KERNEL / state.emulator).exists():
        _write(state.emulator, "-1")
    state.emulator = ""
    if state.is_binfmt_mounted and not _others():
        succeeds(["umount", KERNEL])
    state.is_binfmt_mounted = False


def _handler() -> str:
    """Name of the handler that runs arm64 programs in containers; empty when there is none."""
    is_enabled = (KERNEL / "status").read_text("ascii").strip() == "enabled"
    return next((path.name for path in _others() if is_enabled and _fits(path)), "")


def _others() -> list[Path]:
    """Every handler there is."""
    if not KERNEL.is_dir():
        return []
    return [path for path in KERNEL.iterdir() if path.name not in {"register", "status"}]


def _fits(handler: Path) -> bool:
    first, *lines = handler.read_text("utf-8", errors="replace").splitlines()
    told = dict(line.replace(":", "").partition(" ")[::2] for line in lines)
    magic = bytes.fromhex(told.get("magic", ""))
    mask = bytes.fromhex(told.get("mask", "")) or b"\xff" * len(magic)
    is_match = len(magic) <= len(_MAGIC) and all(
        ours & bits == theirs & bits
        for ours, theirs, bits in zip(_MAGIC, magic, mask, strict=False)
    )
    return (
        first == "enabled"
        and "F" in told.get("flags", "")
        and told.get("offset") == "0"
        and bool(magic)
        and is_match
    )


def _write(name: str, text: str) -> None:
    try:
        (KERNEL / name).write_text(text, "ascii")
    except OSError as exc:
        raise EngineFailure(f"the kernel refuses this of {KERNEL / name}: {exc}") from exc


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)
