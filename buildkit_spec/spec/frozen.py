"""`FrozenDict`: a mapping that cannot change, so that a spec's identity cannot either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class FrozenDict(dict[_K, _V]):
    """A ``dict`` that refuses every change; equal to a ``dict`` with the same items.

    Raises:
        TypeError: It was to be changed.
    """

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError("an image spec cannot be changed; make another one with its with_* methods")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict[_K, _V]], tuple[Mapping[_K, _V]]]:
        # Pickle and deepcopy would otherwise set the items one by one.
        return FrozenDict, (dict(self),)
