"""What registries want to see: the logins of `docker login`, credential helpers included.

The docker SDK knows all the places where docker keeps them; here, off the hot path, its imports
are worth their 100 ms.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from outrig.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def for_pull(reference: str) -> Mapping[str, str]:
    """Headers for the registry of one image; none when nobody has logged in there."""
    from docker import auth, errors  # noqa: PLC0415 - see above

    try:
        registry, _ = auth.resolve_repository_name(reference)
        with _quiet():
            found = auth.load_config().resolve_authconfig(registry)
    except errors.DockerException as error:
        raise EngineError(
            f"the login for {reference} cannot be read: {error}", hint="docker login"
        ) from error
    return {"X-Registry-Auth": _encoded(found)} if found else {}


def for_build(show: Callable[[str], None]) -> Mapping[str, str]:
    """Headers for every registry, because a Dockerfile may name any.

    A broken credential helper is told to `show`, and no reason not to build: which registries the
    Dockerfile needs is not known here.
    """
    from docker import auth, errors  # noqa: PLC0415 - see above

    try:
        with _quiet():
            config: Any = auth.load_config()  # half of it has no types
            found = config.get_all_credentials()
    except errors.DockerException as error:
        show(f"docker's logins cannot be read, and none is used: {error}")
        return {}
    return {"X-Registry-Config": _encoded(found)} if found else {}


def _encoded(found: Any) -> str:
    from docker import auth  # noqa: PLC0415 - see above

    return bytes(auth.encode_header(found)).decode("ascii")


@contextmanager
def _quiet() -> Iterator[None]:
    """The SDK warns of a missing helper on stderr, before it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
