"""What a reader of a replica sees of a write to the source."""

from __future__ import annotations

from dev.workload.database import rows, value
from tests.engine.deployment import Deployment
from tests.waiting import until

__all__ = ["require_read", "write"]


def write(deployment: Deployment, note: str) -> None:
    """Write a note to the source as the application does."""
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = %s WHERE id <= 10", note)


def require_read(deployment: Deployment, identifier: str, note: str) -> None:
    """Require that a reader of this name sees a write soon."""

    def note_arrived() -> bool:
        with deployment.connected(identifier, application=True) as connection:
            return int(value(connection, "SELECT COUNT(*) FROM orders WHERE note = %s", note)) == 10

    until(note_arrived)
