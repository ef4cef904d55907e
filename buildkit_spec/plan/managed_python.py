"""A Python of the image's own, where the base has none or another: fetched and placed by ``uv``."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan import inside, uv
from buildkit_spec.plan.image_config import ImageConfig
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.plan.steps import Context, run

_HOME = "/opt/python"
INTERPRETER = f"{_HOME}/bin/python3"

_CACHE_DIR = f"{RUN_DIR}/python-cache"

# uv's folder names the exact version and platform; the link beside it does not.
_SCRIPT = f"""set -e
"$0" python install --no-bin --install-dir /opt/python-versions "$1"
rm -rf /opt/python-versions/.temp /opt/python-versions/.lock /opt/python-versions/.gitignore
for home in /opt/python-versions/*; do
  if [ -x "$home/bin/python3" ] && [ ! -L "$home" ]; then ln -s "$home" /opt/python; fi
done
find /opt/python-versions -name '*.pyc' -delete
/opt/python/bin/python3 {inside.COMPILE} /opt/python/lib
/opt/python/bin/python3 -B -c ''
"""


def install(context: Context, state: llb.State, version: str) -> llb.State:
    """Place Python *version* in the image, such that `INTERPRETER` is it.

    It comes from where uv has it from, or from ``builder_config.python_mirror``.

    Args:
        context: The platform's context.
        state: The file system to place it in.
        version: Such as ``3.12``, or more exact.
    """
    config = context.spec.builder_config
    program, mounts = uv.mount(config, context.platform)
    env = {
        **uv.ENV,
        "PYTHONHASHSEED": "0",
        "UV_PYTHON_DOWNLOADS": "manual",
        "UV_PYTHON_CACHE_DIR": _CACHE_DIR,
    }
    if config.python_mirror:
        env["UV_PYTHON_INSTALL_MIRROR"] = config.python_mirror
    if config.python_downloads:
        env["UV_PYTHON_DOWNLOADS_JSON_URL"] = config.python_downloads
    return run(
        context,
        state,
        ["/bin/sh", "-c", _SCRIPT, program, version],
        name=context.name("interpreter", f"install Python {version}"),
        env=env,
        mounts=[
            *mounts,
            *uv.working_mounts(context),
            inside.compiler(context.name("interpreter", "write what compiles")),
            llb.CacheMount(_CACHE_DIR, id="buildkit-spec-python"),
            llb.Tmpfs("/tmp"),  # noqa: S108 - in the step
        ],
    )


def config(base: ImageConfig) -> ImageConfig:
    """Return the image config with the interpreter first on the path."""
    return base.with_env({"PATH": f"{_HOME}/bin:{base.path}"})
