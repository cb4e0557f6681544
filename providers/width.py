"""Makes the dynamic provider's host serve more than four steps at a time: most of them only wait.

The host (``python -m pulumi.dynamic``) has no setting for its threads. A pool creates threads as needed, up to a limit that it reads
each time, so in that process, which is ours alone, we raise the limit. If the host or the pool changes, four threads remain for
each worker and steps wait for each other; a test fails.
"""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

__all__ = ["WIDTH", "widen"]

WIDTH: Final = 16


def widen() -> None:
    """Raise the limit if this process is the dynamic provider's host, which has one pool by now."""
    if not hasattr(sys.modules["__main__"], "DynamicResourceProviderServicer"):
        return
    for pool in [obj for obj in gc.get_objects() if type(obj) is ThreadPoolExecutor]:
        pool._max_workers = max(pool._max_workers, WIDTH)  # noqa: SLF001 - there is no public way
