"""The user the image runs as: made when the base has none of that name."""

from __future__ import annotations

from buildkit_spec import llb
from buildkit_spec.plan.steps import Context, run

# The working directory must be theirs: /root is closed to everybody else in most base images.
_SCRIPT = r"""set -e
case "$3" in *[!0-9]*)
  grep -q "^$3:" /etc/group || groupadd "$3" 2>/dev/null || addgroup "$3"
esac
case "$1" in *[!0-9]*)
  id -u "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh "$1" 2>/dev/null \
    || adduser -D -s /bin/sh "$1"
esac
mkdir -p "$2"
chown "$1" "$2"
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
  /var/log/lastlog /var/log/faillog
"""


def make(context: Context, state: llb.State, user: str, workdir: str) -> llb.State:
    """Make sure that *user* exists and owns *workdir*.

    Args:
        context: The platform's context.
        state: The file system to make it in.
        user: Name or number, with ``:group`` behind it or not; a group is made as the user is.
        workdir: Absolute path; made when it is not there.
    """
    name, _, group = user.partition(":")
    return run(
        context,
        state,
        ["/bin/sh", "-c", _SCRIPT, "user", name, workdir, *([group] if group else [])],
        name=context.name("user", f"make user {user}"),
    )
