"""RDS's API over real MySQL servers: one module per resource kind, each adds its actions to the registry."""

from __future__ import annotations
