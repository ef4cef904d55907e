"""Caches elsewhere: where they are, what can be said of them, and their logins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from buildkit_spec.spec.frozen import FrozenDict
from buildkit_spec.spec.images import image_reference
from buildkit_spec.spec.output_options import COMPRESSION_LEVELS
from buildkit_spec.spec.problems import Problems, Refusal, unknown_field
from buildkit_spec.spec.scalars import Unquoted, any_text, line, list_of

Check = Callable[[str], str]
"""Returns what is right for an attribute, in words, when the value is wrong; else nothing."""


def _one_of(*choices: str) -> Check:
    return lambda value: "" if value in choices else f"one of: {', '.join(choices)}"


def _number(value: str) -> str:
    return "" if re.fullmatch("[1-9][0-9]{0,8}", value) else "a whole number from 1"


def _duration(value: str) -> str:
    # Source: Go, time.ParseDuration.
    is_right = re.fullmatch(r"(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+", value)
    return "" if is_right else "a duration such as 10m or 1h30m"


def _url(value: str) -> str:
    return "" if re.match(r"https?://[^/]", value) else "an address such as https://…"


def _digest(value: str) -> str:
    return "" if re.fullmatch("sha256:[0-9a-f]{64}", value) else "sha256: and 64 hex digits"


def _level(value: str) -> str:
    highest = max(COMPRESSION_LEVELS.values())
    is_right = re.fullmatch("[0-9]{1,2}", value) and int(value) <= highest
    return "" if is_right else f"a whole number from 0 to {highest}"


def _some(value: str) -> str:
    return "" if value else "leave it out, or write something"


def _any(_: str) -> str:
    return ""


def _image(value: str) -> str:
    image_reference(value)
    return ""


_switch = _one_of("true", "false")
_EXPORT: Mapping[str, Check] = {"mode": _one_of("min", "max"), "ignore-error": _switch}
_MANIFEST: Mapping[str, Check] = {
    "image-manifest": _switch,
    "oci-mediatypes": _switch,
    "compression": _one_of(*COMPRESSION_LEVELS),
    "compression-level": _level,
    "force-compression": _switch,
}
_PLACES: Mapping[str, Check] = {
    "name": _some,
    "prefix": _any,
    "manifests_prefix": _any,
    "blobs_prefix": _any,
}
_ATTRIBUTES: Mapping[str, Mapping[str, Check]] = {
    "registry": {"ref": _image, "registry.insecure": _switch, **_MANIFEST, **_EXPORT},
    "inline": {"mode": _one_of("min"), "ignore-error": _switch},
    "local": {
        "src": _some,
        "dest": _some,
        "tag": _some,
        "digest": _digest,
        **_MANIFEST,
        **_EXPORT,
    },
    "gha": {
        "scope": _some,
        "timeout": _duration,
        "url": _some,
        "url_v2": _some,
        "repository": _some,
        "version": _one_of("1", "2"),
        **_EXPORT,
    },
    "s3": {
        "bucket": _some,
        "region": _some,
        **_PLACES,
        "endpoint_url": _url,
        "touch_refresh": _duration,
        "use_path_style": _switch,
        "upload_parallelism": _number,
        "disable_accept_encoding": _switch,
        "retry_mode": _one_of("standard", "adaptive"),
        "retry_max_attempts": _number,
        **_EXPORT,
    },
    "azblob": {
        "account_url": _url,
        "account_name": _some,
        "container": _some,
        **_PLACES,
        **_EXPORT,
    },
}
"""What can be said of a cache, by its type: of a source too, so that one line can be written twice.

BuildKit passes over what it does not know, and takes ``mdoe=max`` for no mode.
Source: ``cache/remotecache``, a package each; ``util/compression``, ``control/control.go``.
"""

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "registry": ("ref",),
    "s3": ("bucket", "region"),
    "azblob": ("account_url",),
}
"""Attributes without which a cache cannot be found, by its type."""

CACHE_LOGINS: Mapping[str, Mapping[str, str]] = {
    "gha": {
        "token": "ACTIONS_RUNTIME_TOKEN",
        "url": "ACTIONS_CACHE_URL",
        "url_v2": "ACTIONS_RESULTS_URL",
    },
    "s3": {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    },
    "azblob": {"secret_access_key": "AZURE_STORAGE_KEY"},
}
"""Variables that hold what a spec must not, by type of cache and attribute.

Source: ``cache/remotecache``; the variables are those of the runner, the AWS and the Azure tools.
"""

_SECRETS = frozenset({"token", "ghtoken", "access_key_id", "secret_access_key", "session_token"})
_TEXT_PAIR = re.compile(r"^[a-z0-9_.-]+=")


def cache_source(value: object) -> FrozenDict[str, str]:
    """Return where caches come from: see `cache_target`.

    Raises:
        Refusal: Nothing can be read from there, likewise.
    """
    entry = _cache(value, "src")
    if entry["type"] == "inline":
        raise Refusal(
            "an inline cache is in an image, and is found there", "write the image's name"
        )
    return entry


def cache_target(value: object) -> FrozenDict[str, str]:
    """Return where caches go to, as attributes with their ``type``.

    Args:
        value: A mapping, a text such as ``type=registry,ref=ghcr.io/me/cache``, or a reference.

    Raises:
        Refusal: The type is unknown, lacks an attribute it needs, or has none of a name; a value is
            wrong; or a login is written there. With all of it.
    """
    return _cache(value, "dest")


def _cache(value: object, place: str) -> FrozenDict[str, str]:
    attributes = _attributes(value)
    kind = attributes.pop("type", "registry")
    if kind not in _ATTRIBUTES:
        raise Refusal(f"{kind!r} is no type of cache", f"one of: {', '.join(_ATTRIBUTES)}")
    problems, known = Problems(), _ATTRIBUTES[kind]
    needed = (place,) if kind == "local" else _NEEDED.get(kind, ())
    for name in needed:
        if not attributes.get(name):
            with problems.under(""):
                raise Refusal(f"a cache of type {kind} needs {name}", f"{name}=…")
    for name, given in sorted(attributes.items()):
        if name in needed and not given:
            continue  # told already
        with problems.under(""):
            if name in _SECRETS:
                _refuse_secret(kind, name)
            if name not in known:
                remedy = unknown_field(name, known).remedy
                raise Refusal(f"{name!r} is no attribute of a cache of type {kind}", remedy)
            if right := known[name](given):
                raise Refusal(f"{name} is {given!r}", right)
    problems.refuse()
    return FrozenDict({**attributes, "type": kind})


def _refuse_secret(kind: str, name: str) -> None:
    variable = CACHE_LOGINS.get(kind, {}).get(name)
    raise Refusal(
        f"{name} is a secret, which a spec does not keep",
        f"set {variable} where the build is started" if variable else "leave it out",
    )


cache_sources, cache_targets = list_of(cache_source), list_of(cache_target)


def caches_with_logins(
    entries: Iterable[Mapping[str, str]], env: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Yield caches with the logins that the environment has for them.

    Those without a login that they need are left out, see `missing_login`.

    Args:
        entries: Attributes with their ``type``.
        env: The environment.
    """
    for entry in entries:
        names = CACHE_LOGINS.get(entry["type"], {}).items()
        logins = {name: env[variable] for name, variable in names if env.get(variable)}
        if not missing_login(entry, env):
            yield {**logins, **entry}


def missing_login(entry: Mapping[str, str], env: Mapping[str, str]) -> str:
    """Return the variable without which a cache cannot be used, or nothing.

    Caches of GitHub's are for its runners alone; the same spec can be built on a desk.

    Args:
        entry: Attributes with their ``type``.
        env: The environment.
    """
    if entry["type"] != "gha":
        return ""  # the daemon may have its own
    variables = CACHE_LOGINS["gha"]
    if not env.get(variables["token"]):
        return variables["token"]
    has_url = any(entry.get(name) or env.get(variables[name]) for name in ("url", "url_v2"))
    return "" if has_url else variables["url_v2"]


def _attributes(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        problems, found = Problems(), {}
        for key, one in value.items():
            with problems.under(str(key)):
                found[line(key)] = _scalar(one)
        problems.refuse()
        return found
    written = line(value)
    if not _TEXT_PAIR.match(written):
        return {"type": "registry", "ref": written}
    pairs = [part.partition("=") for part in written.split(",")]
    if not all(sign for _, sign, _ in pairs):
        raise Refusal("is no list of key=value, parted by commas", "type=registry,ref=…,mode=max")
    return {key.strip(): one.strip() for key, _, one in pairs}


def _scalar(value: object) -> str:
    if isinstance(value, Unquoted):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else any_text(value)
