"""Python packages: installed with ``uv`` into the image's own interpreter."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from buildkit_spec import llb
from buildkit_spec.plan import uv
from buildkit_spec.plan.settings import RUN_DIR, UV_CONFIG_SECRET
from buildkit_spec.plan.steps import Context, run
from buildkit_spec.spec import RequirementFile, RequirementKind

_FILES_DIR = f"{RUN_DIR}/requirements"
_PACKAGES = "packages.txt"
_GIVEN = "given"
_CACHE_DIR = f"{RUN_DIR}/uv-cache"
_CONFIG_PATH = f"{RUN_DIR}/uv.toml"

# The lock becomes a list of pinned, hashed requirements; hashes are verified as they are installed.
_FROM_UV_LOCK = """set -e
project=$1
shift
"$0" export --quiet --frozen --no-dev --no-emit-workspace --no-header --project "$project" \\
  --output-file /dev/shm/locked.txt
"$@" --requirements /dev/shm/locked.txt
"""


def install(
    context: Context, state: llb.State, requirements: Sequence[RequirementFile]
) -> llb.State:
    """Install the spec's packages and requirement files.

    The resolver runs in the image, with its interpreter and for its platform. Index URLs reach it
    in a secret file, because they may carry a password; what of them is no secret is part of the
    cache key, so that another index installs anew.

    Args:
        context: The platform's context; its probe names the interpreter.
        state: The file system to install into.
        requirements: The requirement files with what they include.
    """
    spec = context.spec
    program, uv_mounts = uv.mount(spec.builder_config, context.platform)
    packages = sorted(set(spec.packages or ()))
    roots = [file.path for file in requirements if file.is_root]
    secrets = [
        llb.Secret(target, id=f"{context.prefix}pip-{index}", mode=0o400)
        for index, (_, target) in enumerate(spec.pip_secret_mounts or ())
    ]
    return run(
        context,
        state,
        _arguments(context, program, packages, roots),
        name=context.name("python", " ".join(["install", *packages, *(f"-r {r}" for r in roots)])),
        env={
            "UV_CACHE_DIR": _CACHE_DIR,
            "UV_COMPILE_BYTECODE": "1",
            "UV_CONFIG_FILE": _CONFIG_PATH,
            "UV_LINK_MODE": "copy",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            # Compiled files that hold no timestamp: uv hands this to the interpreter.
            "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
            **_index_key(spec.pip_index, spec.pip_extra_index_url),
        },
        mounts=[
            *uv_mounts,
            llb.Bind(_FILES_DIR, source=_files(context, packages, requirements), readonly=True),
            llb.CacheMount(_CACHE_DIR, id="buildkit-spec-uv", sharing=llb.CacheSharing.SHARED),
            llb.Secret(_CONFIG_PATH, id=f"{context.prefix}{UV_CONFIG_SECRET}", mode=0o400),
            *secrets,
        ],
    )


def _files(
    context: Context, packages: Sequence[str], requirements: Sequence[RequirementFile]
) -> llb.State:
    """Return a file system with the list of packages and the requirement files in their layout."""
    listed = "".join(f"{package}\n" for package in packages)
    actions: list[llb.FileAction] = [llb.mkfile(f"/{_PACKAGES}", listed.encode(), mode=0o644)]
    for file in requirements:
        directory = f"/{_GIVEN}/{file.path}".rpartition("/")[0]
        actions.append(llb.mkdir(directory, mode=0o755, parents=True))
        actions.append(llb.mkfile(f"/{_GIVEN}/{file.path}", file.content, mode=0o644))
    name = context.name("python", "write the requirements")
    return llb.scratch().file(*actions, name=name)


def _arguments(
    context: Context, program: str, packages: Sequence[str], roots: Sequence[str]
) -> list[str]:
    install = [program, "pip", "install", "--python", context.probe.python]
    install += ["--break-system-packages", *shlex.split(context.spec.pip_extra_args or "")]
    if packages:
        install += ["--requirements", f"{_FILES_DIR}/{_PACKAGES}"]
    for root in roots:
        if RequirementKind.of(root) is RequirementKind.UV_LOCK:
            project = f"{_FILES_DIR}/{_GIVEN}/{root}".rpartition("/")[0]
            return ["/bin/sh", "-c", _FROM_UV_LOCK, program, project, *install]
        install += ["--requirements", f"{_FILES_DIR}/{_GIVEN}/{root}"]
    return install


def uv_config(index: str, extra_indexes: Sequence[str]) -> bytes:
    """Return the ``uv.toml`` that names the indexes; empty of entries when there is none.

    Extra indexes come first, as uv looks at the default one last.
    """
    entries = [f"[[index]]\nurl = {_toml(url)}\n" for url in extra_indexes]
    if index:
        entries.append(f"[[index]]\nurl = {_toml(index)}\ndefault = true\n")
    return "\n".join(entries).encode()


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _index_key(index: str | None, extra_indexes: Sequence[str] | None) -> dict[str, str]:
    urls = [*([index] if index else []), *(extra_indexes or ())]
    return {"BUILDKIT_SPEC_INDEXES": " ".join(map(_without_login, urls))} if urls else {}


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
