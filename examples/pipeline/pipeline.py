"""Two images of one pipeline: what they share is built once, as a base that is a spec itself.

`buildkit-spec build pipeline.py` builds all of them, `… pipeline.py:train` one and its base.
REGISTRY and BASE_IMAGE name your registry and your Python image.
"""

import os
from pathlib import Path

from buildkit_spec import CopyMode, ImageSpec

registry = os.environ.get("REGISTRY", "localhost:5000") + "/examples"

common = ImageSpec(
    name="common",
    registry=registry,
    base_image=os.environ.get("BASE_IMAGE", "python:3.11-slim"),
    packages=["humanize==4.12.3"],
)

train = ImageSpec(
    name="train",
    registry=registry,
    base_image=common,
    packages=["tabulate==0.9.0"],
    env={"STAGE": "train", "GREETING": 'it\'s "quoted" & $kept'},
    source_root=Path(__file__).with_name("src"),
    source_copy_mode=CopyMode.ALL,
    entrypoint=["python3", "/root/train.py"],
)

serve = train.with_env({"STAGE": "serve"}).with_apt_packages(["tree"])
