"""A system for the doctor to look at: healthy on S3 or on ChromaDB, and then damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core.doctor import Diagnosis, diagnose
from standin import StandIn
from tests.support.s3_front import Watch, watched

ANN, BOB = "ann@example.com", "bob@example.com"
TEXTS = ((ANN, "Likes green tea"), (ANN, "Allergic to rye bread"), (BOB, "Plays the oboe"))
ALWAYS = {
    "s3": {"environment.I001", "credentials.I001", "backend.I001"},
    "chroma": {"environment.I001", "backend.I001"},
}
"""What is said of every healthy system: for comparison, and no more than that."""

_numbers = count(1)


def fill(service: MemoryService) -> list[str]:
    """Save the texts; return their ids."""
    return [service.add_text_memory(user, text)[0].id for user, text in TEXTS]


@dataclass
class System:
    """One installation; `environ` is all that it is configured with."""

    kind: str
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    stack: ExitStack
    standin: StandIn | None = None
    environ: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def cloud(self) -> StandIn:
        assert self.standin is not None
        return self.standin

    def set(self, **environ: str) -> None:
        """Set variables, in the process too: boto3 reads its own there."""
        self.environ |= environ
        for name, value in environ.items():
            if name.startswith("AWS_"):
                self.monkeypatch.setenv(name, value)

    def drop(self, *names: str) -> None:
        for name in names:
            self.environ.pop(name, None)
            self.monkeypatch.delenv(name, raising=False)

    def watch(self, watch: Watch) -> None:
        """Put something before AWS."""
        self.set(**self.stack.enter_context(watched(self.cloud, watch)))

    def open(self, **environ: str) -> MemoryService:
        settings = Settings.from_env({**self.environ, **environ})
        service = open_service(settings)
        self.stack.callback(service.close)
        return service

    def vectors(self, operation: str, **members: Any) -> Any:
        """Do something to the index behind the service's back."""
        location = self.open_location()
        index = {"vectorBucketName": location["vector bucket"], "indexName": location["index"]}
        return getattr(self.cloud.client("s3vectors"), operation)(**{**index, **members})

    def open_location(self) -> Mapping[str, str]:
        return self.open().status().location

    def replace_index(self, **members: Any) -> None:
        """Delete the index and make another one in its place."""
        from memory_core.model.limits import NON_FILTERABLE_KEYS

        with self.open() as service:
            location = service.status().location
        index = {"vectorBucketName": location["vector bucket"], "indexName": location["index"]}
        client = self.cloud.client("s3vectors")
        client.delete_index(**index)
        metadata = {
            "nonFilterableMetadataKeys": list(NON_FILTERABLE_KEYS),
            "textSearchConfigurations": [{"metadataKey": "data"}],
        }
        client.create_index(**{
            **index, "dataType": "float32", "dimension": 256, "distanceMetric": "cosine",
            "metadataConfiguration": metadata, **members,
        })  # fmt: skip

    def diagnose(self, *tags: Any, **options: Any) -> Diagnosis:
        return diagnose(self.environ, tags=tags, **options)

    def found(self, *tags: Any, **options: Any) -> set[str]:
        """Diagnose, and return what is said beyond what always is."""
        return {one.id for one in self.diagnose(*tags, **options).findings} - ALWAYS[self.kind]


MakeSystem = Callable[..., System]


def on_s3(system: System, healthy: System | None = None) -> None:
    """Give the system an empty bucket on its stand-in, or that of another."""
    if healthy:
        bucket = healthy.environ["AWS_S3_BUCKET"]
    else:
        bucket = f"doctor-{next(_numbers)}"
        system.cloud.client("s3").create_bucket(Bucket=bucket)
    system.set(
        **system.cloud.environ(),
        AWS_S3_BUCKET=bucket,
        AWS_CONFIG_FILE=str(system.folder / "aws-config"),
        AWS_SHARED_CREDENTIALS_FILE=str(system.folder / "aws-credentials"),
        AWS_EC2_METADATA_DISABLED="true",
    )
    if healthy:
        system.ids = healthy.ids


def on_chroma(system: System, healthy: Path | None) -> None:
    """Give the system a copy of a filled folder, on what counts as a mounted disk."""
    if healthy:
        shutil.copytree(healthy, system.data_dir)
        system.ids = (healthy.parent / "ids").read_text().split()
    system.monkeypatch.setattr(
        "memory_core.storage.backend._mount_point", lambda path: system.folder.resolve()
    )
