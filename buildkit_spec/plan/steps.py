"""Running a command in a plan: network, proxies and CA bundle as every step needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildkit_spec import llb
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.probe import Probe
from buildkit_spec.plan.settings import (
    CA_PATH,
    CA_PATH_SECRET,
    CA_SECRET,
    CA_VARIABLES,
    RUN_DIR,
    Settings,
)
from buildkit_spec.spec import ImageSpec
from buildkit_spec.spec.environment import IMAGE_ID
from buildkit_spec.spec.materials import step_secret_id
from buildkit_spec.values import Platform

# Times of what a step made are set to the epoch as it ends, so that a layer is the same whenever it
# is made, also by daemons that cannot rewrite times on export. Mounts are left alone.
_SETTLED = f"""mark=/dev/shm/.began
touch -d @$(($(date +%s) - 2)) $mark 2>/dev/null
"$@" || exit
find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path {RUN_DIR} \\) -prune \\
  -o -newer $mark -exec touch -h -d @$SOURCE_DATE_EPOCH {{}} + 2>/dev/null || true
"""

_WRAPPER = ("/bin/sh", "-c", _SETTLED, "step")

_NETWORKS = {
    "default": llb.Network.SANDBOX,
    "host": llb.Network.HOST,
    "none": llb.Network.NONE,
}


@dataclass(frozen=True, slots=True)
class Context:
    """What every concern of one platform's plan sees.

    Attributes:
        spec: What the user asked for.
        platform: What the image runs on.
        settings: The builder's side.
        config: The base image's config.
        probe: What the base image holds.
        prefix: Goes before names of stages, local sources and secrets of a base image's spec.
        label: Goes before a stage's name in vertex names: the platform when there are several.
        has_secret_env: Whether the daemon can set a variable from a secret.
        is_anew: Whether steps run though the daemon has their results.
        is_building: Whether steps build packages from source: they see the base image's
            environment, and the ssh agent if the spec lets them.
    """

    spec: ImageSpec
    platform: Platform
    settings: Settings
    config: ImageConfig
    probe: Probe
    prefix: str = ""
    label: str = ""
    has_secret_env: bool = True
    is_anew: bool = False
    is_building: bool = False

    def name(self, stage: str, text: str) -> str:
        """Return the name of a vertex: ``[stage] text``, with the platform before it if needed."""
        place = f"{self.label} {self.prefix}{stage}".strip()
        return f"[{place}] {text}"


def run(
    context: Context,
    state: llb.State,
    args: Sequence[str],
    *,
    name: str,
    env: Mapping[str, str] | None = None,
    mounts: Sequence[llb.Mount] = (),
    output: str = "/",
    is_settled: bool = False,
    cwd: str = "/",
) -> llb.State:
    """Run *args* as root on *state* and return the file system after it.

    The CA bundle comes in as a secret and the proxies as proxy environment: neither is part of the
    cache key or of a layer, so two machines share the cache whatever their proxies are.

    Args:
        context: The platform's context.
        state: The file system to run in.
        args: Program and arguments.
        name: What progress displays call the step.
        env: Further environment variables.
        mounts: What the step finds mounted.
        output: Mount whose file system is returned; the root by default.
        is_settled: Whether the program itself sets the times of what it makes to
            ``SOURCE_DATE_EPOCH``; otherwise that is done behind it.
        cwd: Folder it runs in; made when it is not there.

    Source: ``solver/llbsolver/ops/exec.go``, ``CacheMap``.
    """
    if output == "/" and not is_settled:
        args = [*_WRAPPER, *args]
    network = context.spec.builder_options.network or context.settings.network
    ca_env: dict[str, str] = {}
    secret_env: tuple[llb.SecretEnv, ...] = ()
    if context.has_secret_env:
        secret_env = tuple(
            llb.SecretEnv(variable, CA_PATH_SECRET, optional=True) for variable in CA_VARIABLES
        )
    elif context.settings.ca_bundle or context.spec.builder_options.ca_bundle:
        ca_env = dict.fromkeys(CA_VARIABLES, CA_PATH)
    mounted = [llb.Secret(CA_PATH, id=CA_SECRET, mode=0o444, optional=True), *mounts]
    for place in sorted(context.spec.builder_options.step_secrets):
        id = f"{context.prefix}{step_secret_id(place)}"
        if place.startswith("/"):
            mounted.append(llb.Secret(place, id=id))
        else:
            secret_env += (llb.SecretEnv(place, id),)
    if context.is_building and context.spec.builder_options.ssh:
        mounted.append(llb.SSH(id="default"))
    step = state.run(
        args,
        name=name,
        meta=llb.Meta(ignore_cache=context.is_anew or context.spec.builder_options.no_cache),
        env={
            **(_base_env(context) if context.is_building else {}),
            "PATH": context.config.path,
            "SOURCE_DATE_EPOCH": str(context.settings.epoch_s),
            **ca_env,
            **dict(sorted(context.spec.builder_options.build_env.items())),
            **(env or {}),
        },
        user="0:0",
        cwd=cwd,
        mounts=mounted,
        secret_env=secret_env,
        network=_NETWORKS[network],
        proxy=_proxy(context.settings.proxies),
    )
    return step.root if output == "/" else step.mount(output)


def _base_env(context: Context) -> dict[str, str]:
    """Return the base image's environment, but for what is not a build's.

    Its id is another one for every change of its spec, uv is told what to do by this one, and what
    Python is told would be told to our own programs, such as to import the user's modules.
    """
    return {
        name: value
        for name, value in context.config.env.items()
        if name != IMAGE_ID and not name.startswith(("UV_", "PYTHON"))
    }


def own_command(args: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments that `run` was given, of those the step was run with."""
    return tuple(args[len(_WRAPPER) :] if tuple(args[: len(_WRAPPER)]) == _WRAPPER else args)


def _proxy(proxies: Mapping[str, str]) -> llb.Proxy | None:
    if not proxies:
        return None
    return llb.Proxy(
        http=proxies.get("http_proxy", ""),
        https=proxies.get("https_proxy", ""),
        ftp=proxies.get("ftp_proxy", ""),
        no=proxies.get("no_proxy", ""),
        all=proxies.get("all_proxy", ""),
    )
