"""The configuration that a session runs with is kept beside its record."""

from __future__ import annotations

from outrig.core import cascade
from outrig.errors import StoreError
from outrig.store import file, places, toml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outrig.runner.order import Order
    from outrig.runner.secrets import Values
    from outrig.store.creation import Held


def keep(held: Held, order: Order, known: Values) -> None:
    text = known.text(toml.text(cascade.as_table(order.config)))
    path = f"{held.directory}/{places.CONFIG}"
    try:
        file.replace(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
