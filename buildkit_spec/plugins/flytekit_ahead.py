"""Which image specs flytekit is going to ask for next: those of the same workflow.

flytekit asks for one image, waits, and asks for the next. What its tasks want is public, though:
`FlyteEntities` has every task and workflow of the process.
"""

from __future__ import annotations

import copy
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from buildkit_spec.plugins.flytekit_entities import Found, groups


def companions(spec: Any) -> list[Any]:
    """Return the other specs that will be asked for, each as flytekit will hand it over.

    They are copies; a base image in them may still be a spec. Only those whose form is certain:
    what copies files in another way than *spec* does is left to its own turn, and so is what stands
    on a base of another builder, which may call it anything.

    Args:
        spec: The spec that flytekit asks for now: a task's, or the base of one.
    """
    wanted = fresh(spec).id, spec.id
    for group in groups():
        for lead in group:
            if any(fresh(one).id in wanted for one in _chain(lead.spec)):
                return _prepared(spec, lead, group)
    return []


def is_base(spec: Any) -> bool:
    """Whether *spec* is the base image of another one.

    The tag of that one covers its base's name: it must be the same before and after the build.
    """
    name = plain_name(spec)
    return any(
        plain_name(fresh(base)) == name
        for group in groups()
        for lead in group
        for base in _chain(lead.spec)[1:]
    )


def plain_name(spec: Any) -> str:
    """Return registry, name and tag, as flytekit has them before anything is built.

    The spec keeps its tag from then on: it must not be one that flytekit may still fill in.
    """
    name = f"{spec.name}:{spec.tag}"
    return f"{spec.registry}/{name}" if spec.registry else name


def fresh(spec: Any) -> Any:
    """Return a copy of a spec that has not computed its id and tag yet."""
    made = copy.copy(spec)
    made.__dict__.pop("id", None)
    made.__dict__.pop("tag", None)
    return made


def _prepared(spec: Any, lead: Found, group: list[Found]) -> list[Any]:
    from flytekit.core.python_auto_container import update_image_spec_copy_handling

    settings = None if lead.is_as_is else _settings_of(lead.spec)
    found: dict[str, Any] = {}
    for one in group:
        made = fresh(copy.deepcopy(one.spec))
        if not one.is_as_is:
            if settings is None:
                continue
            update_image_spec_copy_handling(made, settings)
            if settings.fast_serialization_settings.enabled and made.source_root:
                continue
        if all(each.builder == spec.builder for each in _chain(made)):
            with suppress(OSError, ValueError):  # it has no tag: flytekit tells when it comes to it
                plain_name(made)
                found.setdefault(made.id, made)
    return list(found.values())


def _settings_of(spec: Any) -> Any:
    """Return the settings that gave a spec its source files; None when it does not show."""
    from flytekit.constants import CopyFileDetection

    mode, root = spec.source_copy_mode, spec.source_root
    is_fast = mode is None
    if not is_fast and (
        mode is not CopyFileDetection.LOADED_MODULES or not Path(root or "").is_absolute()
    ):
        return None  # the task itself may have chosen so: nothing is known of the others
    return SimpleNamespace(
        source_root=root, fast_serialization_settings=SimpleNamespace(enabled=is_fast)
    )


def _chain(spec: Any) -> list[Any]:
    chain = [spec]
    while hasattr(chain[-1].base_image, "base_image"):
        chain.append(chain[-1].base_image)
    return chain
