"""@frozen: immutable, slotted, keyword-only values whose classes cost next to nothing to make.

What `dataclass(frozen=True, slots=True, kw_only=True)` does for a value: a constructor, equality,
a hash and a repr. The standard one compiles these anew for each class, 0.6 ms each; a run loads
eighty classes, and that was a quarter of what outrig adds to `docker run`. (A NamedTuple takes
0.3 ms.) Here all values share the same methods, and type checkers still see a dataclass (PEP 681).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeVar, dataclass_transform, overload

    V = TypeVar("V")


class Given:
    """A field's default that is made afresh for each value, or that has something said of it."""

    __slots__ = ("default", "factory", "metadata")

    def __init__(
        self, default: Any, factory: Callable[[], Any] | None, metadata: Mapping[str, Any]
    ) -> None:
        self.default = default
        self.factory = factory
        self.metadata = metadata

    def make(self) -> Any:
        return self.factory() if self.factory else self.default


def given(
    *,
    default: Any = None,
    factory: Callable[[], Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """A field with a default made by `factory`, or with metadata (`dataclasses.field`)."""
    return Given(default, factory, metadata or {})


def _init(self: Any, *args: Any, **named: Any) -> None:
    fields = self._fields
    if named.keys() == fields.keys() and not args:  # as nearly always
        for name, value in named.items():
            object.__setattr__(self, name, value)
        return
    if len(args) > len(fields):
        raise TypeError(f"{type(self).__name__} has {len(fields)} fields, not {len(args)}")
    named |= zip(fields, args, strict=False)
    for name, default in fields.items():
        if name in named:
            value = named.pop(name)
        elif default is None:
            raise TypeError(f"{type(self).__name__} needs {name}")
        else:
            value = default.make()
        object.__setattr__(self, name, value)
    if named:
        raise TypeError(f"{type(self).__name__} has no {', '.join(named)}")


def _refuse(self: Any, name: str, _value: object = None) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} is frozen")


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self._fields)


def _equal(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), *_values(self)))


def _shown(self: Any) -> str:
    given = (f"{name}={getattr(self, name)!r}" for name in self._fields)
    return f"{type(self).__name__}({', '.join(given)})"


_SHARED = {
    "__init__": _init,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _shown,
    "__reduce__": lambda self: (type(self), _values(self)),
}


if TYPE_CHECKING:

    @overload
    def frozen(cls: type[V]) -> type[V]: ...
    @overload
    def frozen(*, kw_only: bool) -> Callable[[type[V]], type[V]]: ...
    @dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(given,))
    def frozen(cls: type[V] | None = None, *, kw_only: bool = True) -> Any:
        """Make a class of annotated fields a value.

        `kw_only` is for type checkers: False where fields may be given by position.
        """
        raise NotImplementedError  # for type checkers alone; what runs is the other branch

else:

    def frozen(cls: Any = None, *, kw_only: bool = True) -> Any:  # noqa: ARG001
        return frozen if cls is None else _made(cls)


def _made(cls: type[Any]) -> type[Any]:
    space = dict(cls.__dict__)
    fields = {name: _default(space, name) for name in space.get("__annotations__", {})}
    for name in (*fields, "__dict__", "__weakref__"):
        space.pop(name, None)
    space |= {
        **_SHARED,
        "__slots__": tuple(fields),
        "__match_args__": tuple(fields),
        "_fields": fields,
    }
    return type(cls.__name__, (), space)


def _default(space: Mapping[str, Any], name: str) -> Given | None:
    if name not in space:
        return None
    default = space[name]
    return default if isinstance(default, Given) else Given(default, None, {})


def fields(cls: Any) -> Iterator[tuple[str, Given]]:
    """The fields that have a default, in their order."""
    return ((name, found) for name, found in cls._fields.items() if found)


def replace(value: V, /, **changes: Any) -> V:
    """The same value with some fields changed (`dataclasses.replace`)."""
    return type(value)(**{**as_dict(value), **changes})


def as_dict(value: Any) -> dict[str, Any]:
    """The fields of a value by name; values in it stay values (unlike `dataclasses.asdict`)."""
    return {name: getattr(value, name) for name in value._fields}
