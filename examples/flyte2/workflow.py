"""Two tasks in two images, built by ``flyte build`` through BuildKit.

REGISTRY is where they go, BASE_IMAGE a Debian image with Python 3.11::

    flyte --config config.yaml build --all workflow.py
"""

import os
from pathlib import Path

import flyte

base = flyte.Image.from_base(os.environ["BASE_IMAGE"]).clone(
    registry=os.environ["REGISTRY"], name="workflow", python_version=(3, 11), extendable=True
)

prepare_image = (
    base.clone(name="prepare")
    .with_apt_packages("jq")
    .with_pip_packages("six")
    .with_env_vars({"DATA": "/srv/data", "PATH": "/srv/bin:$PATH"})
    .with_workdir("/srv")
    .with_commands(["mkdir -p bin data && printf '#!/bin/sh\\necho tool\\n' > bin/tool"])
    .with_commands(["chmod +x bin/tool && tool > $DATA/made"])
    .with_source_file(Path(__file__))
)

train_image = base.clone(name="train").with_pip_packages("six", "tabulate")

prepare = flyte.TaskEnvironment(name="prepare", image=prepare_image)
train = flyte.TaskEnvironment(name="train", image=train_image)


@prepare.task
async def rows(count: int = 3) -> int:
    """Count the rows."""
    return count


@train.task
async def fit(count: int = 3) -> str:
    """Fit nothing."""
    return f"fitted {count} rows"
