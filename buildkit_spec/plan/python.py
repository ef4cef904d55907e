"""Python packages: installed with ``uv`` into the image's own interpreter."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from buildkit_spec import llb
from buildkit_spec.plan import uv
from buildkit_spec.plan.settings import RUN_DIR, UV_CONFIG_SECRET
from buildkit_spec.plan.steps import Context, run
from buildkit_spec.spec import RequirementFile

_REQUIREMENTS_DIR = f"{RUN_DIR}/requirements"
_CACHE_DIR = f"{RUN_DIR}/uv-cache"
_CONFIG_PATH = f"{RUN_DIR}/uv.toml"


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
        requirements: The requirement files with what they include, as they are to be mounted.
    """
    spec = context.spec
    program, uv_mounts = uv.mount(context.spec.builder_config, context.platform)
    packages = sorted(set(spec.packages or ()))
    listed = "\n".join(packages) + "\n"
    files = llb.scratch().file(
        llb.mkfile("/packages.txt", listed.encode(), mode=0o644),
        name=context.name("python", "write the list of packages"),
    )
    args = [program, "pip", "install", "--python", context.probe.python]
    args += ["--break-system-packages", "--requirements", f"{_REQUIREMENTS_DIR}/packages.txt"]
    for file in requirements:
        files = files.file(
            *_parents(file.path),
            llb.mkfile(f"/{file.path}", file.content, mode=0o644),
            name=context.name("python", f"write {file.path}"),
        )
        if file.is_root:
            args += ["--requirements", f"{_REQUIREMENTS_DIR}/{file.path}"]
    args += shlex.split(spec.pip_extra_args or "")
    secrets = [
        llb.Secret(target, id=f"{context.prefix}pip-{index}", mode=0o400)
        for index, (_, target) in enumerate(spec.pip_secret_mounts or ())
    ]
    what = " ".join([*packages, *(f"-r {file.path}" for file in requirements if file.is_root)])
    return run(
        context,
        state,
        args,
        name=context.name("python", f"install {what}"),
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
            llb.Bind(_REQUIREMENTS_DIR, source=files, readonly=True),
            llb.CacheMount(_CACHE_DIR, id="buildkit-spec-uv", sharing=llb.CacheSharing.SHARED),
            llb.Secret(_CONFIG_PATH, id=f"{context.prefix}{UV_CONFIG_SECRET}", mode=0o400),
            *secrets,
        ],
    )


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


def _parents(path: str) -> list[llb.FileAction]:
    directory = path.rpartition("/")[0]
    return [llb.mkdir(f"/{directory}", mode=0o755, parents=True)] if directory else []
