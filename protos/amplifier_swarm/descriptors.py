"""The limit of open file descriptors of a daemon."""

import resource
from contextlib import suppress


def raise_descriptor_limit(wanted: int | None = None) -> int:
    """Raises the soft limit to `wanted`, or as far as the hard limit allows; returns the limit in force.

    Without `wanted` the soft limit becomes the hard limit. The limit is never lowered. Child processes inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = hard if wanted is None else min(wanted, hard)
    if target > soft:
        # A container may forbid it: then the old limit stays.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
