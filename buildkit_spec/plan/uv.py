"""The ``uv`` program inside a build: mounted into the steps that need it.

It is in the image only where ``builder_options.uv_path`` wants it.
"""

from __future__ import annotations

from collections.abc import Sequence

from buildkit_spec import llb
from buildkit_spec.plan.settings import RUN_DIR, UV_CONFIG_SECRET
from buildkit_spec.plan.steps import Context
from buildkit_spec.spec import BuilderConfig
from buildkit_spec.values import Platform

CACHE_DIR = f"{RUN_DIR}/uv-cache"
_DIR = f"{RUN_DIR}/uv"
_CONFIG_PATH = f"{RUN_DIR}/uv.toml"

_CACHED = 'cache-control = { api = "max-age=600", files = "max-age=365000000, immutable" }\n'

ENV = {
    "UV_CACHE_DIR": CACHE_DIR,
    "UV_CONFIG_FILE": _CONFIG_PATH,
    "UV_LINK_MODE": "copy",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}
"""Environment of every step that runs it."""


def local_name(platform: Platform) -> str:
    """Return the name of the local source that holds the program for *platform*."""
    return f"uv-{platform.architecture}"


def mount(config: BuilderConfig, platform: Platform) -> tuple[str, tuple[llb.Mount, ...]]:
    """Return the program to call and the mounts that bring it.

    Args:
        config: Says where the program comes from.
        platform: What the step runs on.
    """
    if config.uv == "base":
        return "uv", ()
    holder = _holder(config, platform)
    if config.uv == "image":
        return f"{_DIR}/uv", (llb.Bind(f"{_DIR}/uv", source=holder, selector="/uv", readonly=True),)
    return f"{_DIR}/uv", (llb.Bind(_DIR, source=holder, readonly=True),)


def place(context: Context, state: llb.State, path: str) -> llb.State:
    """Put the program into the image: no index is asked for it.

    Args:
        context: The platform's context; its tools do not come from the base image.
        state: The file system to put it into.
        path: Where it is to stand, absolute.
    """
    return state.file(
        llb.copy(
            _holder(context.spec.builder_config, context.platform),
            "/uv",
            path,
            create_dest_path=True,
            timestamp_s=context.settings.epoch_s,
        ),
        name=context.name("uv", f"copy uv to {path}"),
    )


def _holder(config: BuilderConfig, platform: Platform) -> llb.State:
    """Return a file system with the program at ``/uv``."""
    if config.uv == "image":
        return llb.image(config.uv_image, platform=platform, name=f"[uv] uv from {config.uv_image}")
    name = local_name(platform)
    return llb.local(
        name, shared_key_hint=f"buildkit-spec-{name}", name=f"[uv] send uv for {platform}"
    )


def working_mounts(context: Context) -> tuple[llb.Mount, ...]:
    """Return the mounts of a step that asks an index: cache, indexes, logins.

    Index URLs come in a secret file, because they may carry a password.
    """
    return (
        llb.CacheMount(CACHE_DIR, id="buildkit-spec-uv", sharing=llb.CacheSharing.SHARED),
        llb.Secret(_CONFIG_PATH, id=f"{context.prefix}{UV_CONFIG_SECRET}", mode=0o400),
        *(
            llb.Secret(target, id=f"{context.prefix}pip-{index}", mode=0o400)
            for index, (_, target) in enumerate(context.spec.pip_secret_mounts or ())
        ),
    )


def config_file(index: str, extra_indexes: Sequence[str], *, is_public: bool) -> bytes:
    """Return the ``uv.toml`` that names the indexes; a comment alone when there is none.

    It is never empty: BuildKit before 0.9 (Docker Engine 20.10) does not mount an empty secret.
    Extra indexes come first, as uv looks at the default one last.

    Args:
        index: URL of the default one; may be empty.
        extra_indexes: URLs of the others.
        is_public: Whether nobody needs to log in: then what an index says of a package holds for
            ten minutes. Many do not say how long, and would be asked for every package again. One
            with logins is asked every time, as other users share the cache.
    """
    entries = [_entry(url, is_public=is_public) for url in extra_indexes]
    if index:
        entries.append(_entry(index, is_public=is_public) + "default = true\n")
    return "\n".join(["# by buildkit-spec", *entries]).encode()


def _entry(url: str, *, is_public: bool) -> str:
    is_cached = is_public and "@" not in url
    return f"[[index]]\nurl = {_toml(url)}\n" + (_CACHED if is_cached else "")


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
