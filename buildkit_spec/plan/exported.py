"""Locks of projects, ``uv.lock`` and ``poetry.lock``, as pinned lines: read by their own tools."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildkit_spec import llb
from buildkit_spec.plan import uv
from buildkit_spec.plan.pinned import Pinned, from_pylock
from buildkit_spec.plan.questions import Questions
from buildkit_spec.plan.settings import RUN_DIR
from buildkit_spec.plan.steps import Context, run
from buildkit_spec.spec import RequirementFile, RequirementKind

_PROJECT_DIR = f"{RUN_DIR}/project"
_OUTPUT_DIR = f"{RUN_DIR}/exported"
_HAS_PROJECT = re.compile(rb"^\[project\]", re.MULTILINE)
_OF_THIS_MACHINE = re.compile(rb"^(?:-e )?(?:\S+ @ )?file://(?:[^\n]*\\\n)*[^\n]*\n", re.MULTILINE)
_OWN_VERSION = re.compile(rb"^[ \t]*required-version[ \t]*=.*$", re.MULTILINE)

# Whether the lock is up to date is asked without the index first, which may be slow; with it where
# that says nothing, as of a package never seen here. An index that is silent says nothing too.
_UV_SCRIPT = """set -e
project=$1; output=$2; shift 2
check() { env -u UV_CONFIG_FILE "$uv" lock --check --project "$project" "$@" 2>&1; }
uv=$0
said=$(check --offline) || said=$said$(check) || case "$said" in *"needs to be updated"*)
  echo "uv.lock does not fit its pyproject.toml any more" >&2; exit 1;;
*"unsupported"*"schema version"*|*"newer version of uv"*)
  echo "uv.lock was written by a newer uv: builder_config.uv_version names one" >&2; exit 1;;
esac
"$0" export --quiet --frozen --format pylock.toml --no-emit-workspace \\
  --project "$project" --output-file "$output" "$@" >/dev/null
"""

# Poetry lives in a cache of uv's, never in the image. It writes beside what it reads.
_POETRY_SCRIPT = """set -e
project=$1; output=$2; shift 2
cp -r "$project" /dev/shm/project
export HOME=/dev/shm POETRY_VIRTUALENVS_CREATE=false POETRY_CACHE_DIR=/dev/shm/poetry
cd /dev/shm/project
uvx() { "$uv" tool run --quiet --from 'poetry>=2.1,<3' --with 'poetry-plugin-export>=1.9,<2' "$@"; }
uv=$0
uvx poetry check --lock --quiet || {
  echo "poetry.lock does not fit its pyproject.toml any more" >&2; exit 1; }
uvx poetry export --quiet --format requirements.txt --output "$output" "$@"
"""


def export(
    context: Context, questions: Questions, state: llb.State, files: Sequence[RequirementFile]
) -> Pinned:
    """Return what the lock of a project names, with hashes and markers.

    The project itself, and the members of its workspace, are not in it.

    Args:
        context: The platform's context; its probe names the interpreter.
        questions: Who runs the tool.
        state: The file system to run it in.
        files: The lock, first, and the files of its project.

    Raises:
        SolveError: The lock does not fit its project, or cannot be read.
    """
    lock = files[0]
    folder = lock.path.rpartition("/")[0]
    is_uv = RequirementKind.of(lock.path) is RequirementKind.UV_LOCK
    options = context.spec.builder_options
    if is_uv:
        arguments = ["--no-default-groups", *_flags("--group", options.dependency_groups)]
        arguments += _flags("--extra", options.extras)
        projects = [file for file in files if file.path == f"{folder}/pyproject.toml".lstrip("/")]
        if not any(_HAS_PROJECT.search(file.content) for file in projects):
            arguments.append("--all-packages")  # the root is nothing but the workspace
    else:
        arguments = [*_flags("--with", options.dependency_groups)]
        arguments += _flags("--extras", options.extras)
    result = "/pylock.toml" if is_uv else "/requirements.txt"
    program, mounts = uv.mount(context.spec.builder_config, context.platform)
    answer = run(
        context,
        state,
        [
            "/bin/sh",
            "-c",
            _UV_SCRIPT if is_uv else _POETRY_SCRIPT,
            program,
            f"{_PROJECT_DIR}/{folder}".rstrip("/"),
            f"{_OUTPUT_DIR}{result}",
            *arguments,
        ],
        name=context.name("lock", f"read {lock.path}"),
        env={**uv.ENV, "UV_PYTHON": context.probe.python},
        mounts=[
            *mounts,
            *uv.working_mounts(context),
            llb.Bind(_PROJECT_DIR, source=_project(context, files), readonly=True),
            llb.Bind(_OUTPUT_DIR, source=llb.scratch()),
        ],
        output=_OUTPUT_DIR,
    )
    content = questions.read_file(answer, result, context.platform)
    if is_uv:
        return from_pylock(RequirementFile(f"{lock.path}.toml", content, is_root=True))
    # What is of this machine is sent, and installed beside the lock.
    content = _OF_THIS_MACHINE.sub(b"", content)
    return Pinned(RequirementFile(f"{lock.path}.txt", content, is_root=True))


def _flags(flag: str, values: Sequence[str]) -> list[str]:
    return [part for value in sorted(set(values)) for part in (flag, value)]


def _project(context: Context, files: Sequence[RequirementFile]) -> llb.State:
    actions: list[llb.FileAction] = []
    for file in files:
        folder = f"/{file.path}".rpartition("/")[0]
        if folder:
            actions.append(llb.mkdir(folder, mode=0o755, parents=True))
        # Which uv people are to use does not say which one can read it.
        content = _OWN_VERSION.sub(b"", file.content)
        actions.append(llb.mkfile(f"/{file.path}", content, mode=0o644))
    return llb.scratch().file(*actions, name=context.name("lock", "write the project's lock"))
