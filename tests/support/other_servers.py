"""Stand-ins with the manners of other servers, and the settings that lead there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from memory_core import Settings
from standin import StandIn
from standin.profiles import profile_of


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
