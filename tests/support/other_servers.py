"""Stand-ins with the manners of other servers, and the settings that lead there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from memory_core import Settings
from memory_core.model.server_card import ServerManners
from standin import StandIn
from standin.profiles import profile_of

MANNERS = {
    "ceph": ServerManners(segments=1, odd_keys=False, filters_after=True),
    "noobaa": ServerManners(
        fixed_schema=True,
        odd_keys=False,
        needs_rows=True,
        atomic_puts=False,
        lists_all=False,
        body_bytes=4 * 1024 * 1024 - 64 * 1024,
    ),
    "s3mock": ServerManners(top_k=100),
    "floci": ServerManners(segments=1, describes_keys=False),
    "supabase": ServerManners(top_k=100),
}
"""What is found of each profile when it is tried: tests/storage/test_server_probe.py tries it."""


@contextmanager
def server(profile: str, **changes: object) -> Iterator[tuple[StandIn, Settings]]:
    """A stand-in of a profile with a bucket in it; its credentials are in the environment."""
    with (
        StandIn(profile=profile_of(profile, **changes)) as standin,
        pytest.MonkeyPatch.context() as patch,
    ):
        bucket = f"documents-{profile}"
        standin.client("s3").create_bucket(Bucket=bucket)
        shared = standin.profile.manners.vector_bucket == "shared"
        environ = {
            **standin.environ(),
            "AWS_S3_BUCKET": bucket,
            "MEMORY_VECTOR_BUCKET": bucket if shared else "vectors",
            "MEMORY_DATA_DIR": "no-such-folder",
            "MEMORY_EMBEDDER": "local",
        }
        for name, value in standin.environ().items():
            patch.setenv(name, value)
        yield standin, Settings.from_env(environ)
