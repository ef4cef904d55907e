"""Conda packages: an environment of their own, made by ``micromamba``, first on the path."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan import inside
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.plan.steps import Context, run

HOME = "/opt/conda"
INTERPRETER = f"{HOME}/bin/python3"

_PROGRAM = f"{RUN_DIR}/micromamba"
_CACHE_DIR = f"{RUN_DIR}/conda-cache"
_USER_DIR = "/dev/shm/home"  # noqa: S108 - in the step
_DEFAULT_CHANNEL = "conda-forge"

# Only without --no-env it reads where its caches are; otherwise they are below the home directory,
# where it also notes what environments there are. So that is not the image's, but the step's own,
# which has the user's logins all the same. Source: libmamba, ``configuration.cpp``
# (``env_var_configured``), ``environments_manager.cpp``, ``context.cpp``.
# The history holds times. Compiled files check the time of their source, which is set to the epoch
# behind this: so they are made anew, and check nothing.
_SCRIPT = f"""set -e
for login in .netrc .mamba/auth/authentication.json; do
  if [ -e "/root/$login" ]; then
    mkdir -p "$(dirname "$HOME/$login")"
    ln -s "/root/$login" "$HOME/$login"
  fi
done
"$0" create --yes --quiet --no-rc --prefix {HOME} --override-channels "$@"
: > {HOME}/conda-meta/history
if [ -x {INTERPRETER} ]; then
  find {HOME} -name '*.pyc' -delete
  {INTERPRETER} {inside.COMPILE} {HOME}/lib
fi
"""


def install(context: Context, state: llb.State, *, needs_python: bool) -> llb.State:
    """Make an environment at `HOME` that holds the spec's conda packages.

    Python, if the packages bring it, is of the version the spec asks for.

    Args:
        context: The platform's context.
        state: The file system to make it in.
        needs_python: Whether it holds that Python in any case.
    """
    spec = context.spec
    channels = spec.conda_channels or (_DEFAULT_CHANNEL,)
    packages = sorted(set(spec.conda_packages or ()))
    python = f"python={spec.python_version}" if spec.python_version else ""
    if needs_python and python:
        packages.append(python)
    image = llb.image(
        spec.builder_config.micromamba_image,
        platform=context.platform,
        name=context.name("conda", f"micromamba from {spec.builder_config.micromamba_image}"),
    )
    arguments = [part for channel in channels for part in ("--channel", channel)]
    return run(
        context,
        state,
        ["/bin/sh", "-c", _SCRIPT, _PROGRAM, *arguments, *packages],
        name=context.name("conda", f"install {' '.join(packages)}"),
        env={
            "CONDA_PKGS_DIRS": _CACHE_DIR,
            "HOME": _USER_DIR,
            "MAMBA_ROOT_PREFIX": "/dev/shm/mamba",  # noqa: S108 - in the step
            "PYTHONHASHSEED": "0",
            "XDG_CACHE_HOME": f"{_CACHE_DIR}/user",
            **({"MAMBA_PINNED_PACKAGES": python} if python else {}),
        },
        mounts=[
            inside.compiler(context.name("conda", "write what compiles")),
            llb.Bind(_PROGRAM, source=image, selector="/usr/bin/micromamba", readonly=True),
            llb.CacheMount(
                _CACHE_DIR,
                id=f"buildkit-spec-conda-{context.platform.architecture}",
                sharing=llb.CacheSharing.LOCKED,
            ),
        ],
    )


def config(base: ImageConfig) -> ImageConfig:
    """Return the image config with the environment activated.

    Scripts of packages that run on activation (``etc/conda/activate.d``) do not: a container has no
    shell that would activate anything.
    """
    return base.with_env(
        {
            "PATH": f"{HOME}/bin:{base.path}",
            "CONDA_PREFIX": HOME,
            "CONDA_DEFAULT_ENV": HOME,
        }
    )
