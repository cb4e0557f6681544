"""The whole book: the modules that provoke enter their faults into it when they are imported, in this order."""

from __future__ import annotations

from tests.engine.faults import of_aws, of_checks, of_connection, of_mysql, of_replication
from tests.engine.faults.book import BOOK

__all__ = ["BOOK", "of_aws", "of_checks", "of_connection", "of_mysql", "of_replication"]
