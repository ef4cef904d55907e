"""`Checked`: an object that never changes, of fields that are all checked before one is refused.

Every value of a spec is read by a function of our own, which knows what a YAML scalar was and what
to write instead; what is left for a base class is small, and a build that has nothing to do starts
in half the time of one that imports a larger one. Instances are fields of pydantic models all the
same: pydantic finds what it needs here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from buildkit_spec.errors import Problem, SpecValidationError
from buildkit_spec.spec.problems import Problems, Refusal, key_text, known_fields
from buildkit_spec.spec.scalars import kind_of

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[type], type]:
        """Return what leaves a class as it is: only type checkers look at it."""
        return lambda cls: cls


_C = TypeVar("_C", bound="Checked")


class Field:
    """One field: how it is read, and what it is when it is not given.

    Attributes:
        check: Returns the value of what was written, or raises `Refusal`.
        default: The value when it is not given.
    """

    def __init__(self, check: Callable[[Any], Any], default: object) -> None:
        self.check = check
        self.default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else vars(instance).get(self._name, self.default)

    def __set__(self, instance: object, value: object) -> None:
        raise FrozenInstanceError(f"{type(instance).__name__}.{self._name} cannot be changed")


def checked(check: Callable[[Any], Any], *, default: Any) -> Any:
    """Return a field of a `Checked` class; see `Field`."""
    return Field(check, default)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(checked,))
class Checked:
    """An object of checked fields; None stands for one that is not given.

    Raises:
        SpecValidationError: A field is unknown or a value is wrong; all problems at once.
    """

    _fields: ClassVar[Mapping[str, Field]] = {}

    if not TYPE_CHECKING:  # the fields give the signature

        def __init__(self, **data: Any) -> None:
            problems = self._fill(data)
            if problems:
                raise SpecValidationError(problems)

    def __init_subclass__(cls) -> None:
        own = {name: field for name, field in vars(cls).items() if isinstance(field, Field)}
        cls._fields = {**cls._fields, **own}

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """Return the names of all fields."""
        return tuple(cls._fields)

    @classmethod
    def read(cls: type[_C], value: object) -> _C:
        """Read a mapping, or take an instance as it is.

        Raises:
            Refusal: A key is unknown or a value is wrong; all of them at once.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise Refusal(f"is {kind_of(value)}, not a mapping", "write {key: value}")
        try:
            return cls(**{key_text(key): one for key, one in value.items()})
        except SpecValidationError as error:
            raise Refusal(problems=error.problems) from error

    @property
    def given(self) -> dict[str, Any]:
        """The fields that were given, in their order."""
        names = vars(self)["_given"]
        return {name: getattr(self, name) for name in self._fields if name in names}

    def _fill(self, data: Mapping[str, object]) -> list[Problem]:
        """Take the valid fields of *data* and return the problems of all others, in field order."""
        given, unknown = known_fields(data, self._fields)
        problems = Problems()
        for name in self._fields:
            if name in given:
                with problems.under(name):
                    vars(self)[name] = self._read_field(name, given[name])
        vars(self)["_given"] = frozenset(vars(self)) & frozenset(given)
        if not problems:
            with problems.under(""):
                self._settle()
        return problems + unknown

    def _read_field(self, name: str, value: object) -> object:
        try:
            return self._fields[name].check(value)
        except SpecValidationError as error:
            raise Refusal(problems=error.problems) from error

    def _settle(self) -> None:
        """Look at what binds several fields, when each of them is as it should be.

        Raises:
            Refusal: They exclude each other.
        """

    def _forget(self, name: str) -> None:
        """Take a field as not given."""
        vars(self)["_given"] -= {name}

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be changed")

    def _values(self) -> Iterator[object]:
        return (getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return tuple(self._values()) == tuple(other._values())

    def __hash__(self) -> int:
        return hash(tuple(self._values()))

    def __repr__(self) -> str:
        from buildkit_spec.spec.dump import plain, shown

        words = (f"{name}={value!r}" for name, value in shown(plain(self.given)).items())
        return f"{type(self).__name__}({', '.join(words)})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        from buildkit_spec.spec.dump import plain

        def read(value: object) -> object:
            try:
                return cls.read(value)
            except Refusal as refusal:
                raise ValueError(str(SpecValidationError(refusal.problems))) from refusal

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(plain)
        )
