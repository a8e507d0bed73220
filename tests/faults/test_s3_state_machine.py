"""A user's memories on AWS behave like a dictionary, while requests fail in all calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from memory_core import MemoryService
from memory_core.embedders import Embedder
from tests.support.s3_worlds import Cloud, World, open_cloud
from tests.support.state_machine import MemoriesMachine

FAULTS = ["throttle", "error500", "error503", "timeout408", "drop_before", "drop_after"]


@pytest.fixture(autouse=True, scope="module")
def cloud(embedder: Embedder) -> Iterator[None]:
    with open_cloud(embedder) as opened:
        MemoriesOnAws.cloud = opened
        yield


class MemoriesOnAws(MemoriesMachine):
    """The same, on S3 Vectors, with requests that fail once."""

    cloud: Cloud
    world: World

    @initialize()
    def open(self) -> None:
        self.world = self.cloud.world()
        self.model: dict[str, dict[str, str]] = {}
        self.service = self._open()

    def teardown(self) -> None:
        self.cloud.bench.standin.clear_faults()
        self.world.assert_sound()

    def _open(self) -> MemoryService:
        return self.world.open()

    @rule()
    def reopen(self) -> None:
        self.service = self._open()

    @rule(faults=st.dictionaries(st.integers(1, 25), st.sampled_from(FAULTS), max_size=4))
    def fail(self, faults: dict[int, str]) -> None:
        standin = self.cloud.bench.standin
        standin.clear_faults()
        for at, action in faults.items():
            standin.add_fault(action, nth=at)


MemoriesOnAws.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMemoriesOnAws = MemoriesOnAws.TestCase
