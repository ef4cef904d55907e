"""Two tasks, each in an image of its own: what flytekit's user guide shows, without TensorFlow."""

from flytekit import ImageSpec, task, workflow

REGISTRY = "localhost:30000"  # one you can push to; this is the demo cluster's

lists_image = ImageSpec(
    name="flyte-lists",
    builder="buildkit",
    packages=["sortedcontainers==2.4.0"],
    registry=REGISTRY,
)

words_image = ImageSpec(
    name="flyte-words",
    builder="buildkit",
    env={"GREETING": "hello from its image"},
    commands=["echo built > /opt/state"],
    registry=REGISTRY,
)

if lists_image.is_container():
    from sortedcontainers import SortedList


@task(container_image=lists_image)
def smallest(numbers: list[int]) -> int:
    return SortedList(numbers)[0]


@task(container_image=words_image)
def greet(number: int) -> str:
    import os

    return f"{os.environ.get('GREETING', 'hello')}: {number}"


@workflow
def wf(numbers: list[int] = [3, 1, 2]) -> str:  # noqa: B006 - flytekit copies it
    return greet(number=smallest(numbers=numbers))
