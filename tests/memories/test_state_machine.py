"""A user's memories behave like a dictionary, whatever is done in whatever order and process."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.support.state_machine import MemoriesMachine

MemoriesMachine.TestCase.settings = settings(
    max_examples=14,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMemories = MemoriesMachine.TestCase
