"""Imported where sandboxes are forked off: loads what each would load when it starts, or at its first requests."""

from __future__ import annotations

from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import create_backend_app

from dev.sandbox import hosted

__all__ = ["hosted"]

for _service in ("cloudwatch", "ec2", "kms", "secretsmanager", "sts"):
    create_backend_app(_service)
    get_service_model(_service)
