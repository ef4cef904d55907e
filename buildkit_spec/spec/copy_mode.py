"""`CopyMode`: which files of the source root go into the image."""

from __future__ import annotations

from enum import Enum

from buildkit_spec.spec.problems import Refusal


class CopyMode(Enum):
    """Which files of ``source_root`` go into the image; names as in flytekit.

    Attributes:
        LOADED_MODULES: The Python files that are loaded from there. When none is, as for a YAML
            file, this means the same as `ALL`.
        ALL: Every file that ``.gitignore``, ``.dockerignore`` and the standard rules leave.
        NO_COPY: None.

    Source: flytekit ``constants.py``, ``CopyFileDetection``.
    """

    LOADED_MODULES = "auto"
    ALL = "all"
    NO_COPY = "none"

    @classmethod
    def read(cls, value: object) -> CopyMode:
        """Read ``auto``, ``all`` or ``none``, a member's name, or a member of flytekit's own enum.

        Raises:
            Refusal: It is something else: flytekit would copy everything for it.
        """
        word = value.name if isinstance(value, Enum) else value
        if isinstance(word, str):
            for mode in cls:
                if word.lower() in {mode.value, mode.name.lower()}:
                    return mode
        raise Refusal("is no copy mode", "one of: auto, all, none")
