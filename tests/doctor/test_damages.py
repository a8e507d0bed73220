"""Each damage is really done, and the doctor says exactly what it should of it.

A healthy system has nothing to say but for comparison. No damage makes it say more than one thing,
unless two things are true.
"""

from __future__ import annotations

import pytest

from memory_core.doctor import KINDS, Level
from memory_core.redeploy_test import leftovers
from tests.support.doctor_damages import SETUP, Damage, expiring
from tests.support.doctor_damages_of_data import DATA, opened_by_another, overwritten_vectors
from tests.support.doctor_damages_of_memories import MEMORIES
from tests.support.doctor_system import ALWAYS, MakeSystem

DAMAGES = [*SETUP, *DATA, *MEMORIES]
STARTING = (expiring, opened_by_another, overwritten_vectors)
"""Those that start a process."""


def test_every_finding_has_its_damage() -> None:
    damaged = {one for damage in DAMAGES for one in damage.expected}
    assert damaged | ALWAYS["s3"] == {kind.id for kind in KINDS}


@pytest.mark.parametrize("kind", ["s3", "chroma"])
def test_a_healthy_system_has_nothing_to_say(make_system: MakeSystem, kind: str) -> None:
    diagnosis = make_system(kind).diagnose("data", "deep")
    assert {one.id for one in diagnosis.findings} == ALWAYS[kind]
    assert diagnosis.worst is Level.INFO
    assert diagnosis.sentence == "Nothing wrong was found; the tag live tests saving, too."
    assert {one.state.value for one in diagnosis.checks} == {"ok", "not needed"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(
            damage,
            id=f"{damage.expected[0]}, {damage.name}",
            marks=[pytest.mark.process] if damage.do in STARTING else [],
        )
        for damage in DAMAGES
    ],
)
def test_a_damage_is_found_and_nothing_else(make_system: MakeSystem, damage: Damage) -> None:
    system = make_system(damage.kind, filled=damage.filled)
    damage.do(system)
    diagnosis = system.diagnose(*damage.tags)
    found = sorted(one.id for one in diagnosis.findings)
    wanted = ALWAYS[damage.kind].difference(damage.not_said).union(damage.expected)
    assert found == sorted(wanted), [(one.id, one.detail) for one in diagnosis.findings]
    for one in diagnosis.findings:
        assert len(one.title) < 80
        assert one.consequence
        assert one.detail.endswith(".")
        assert bool(one.fixes) == (one.level is not Level.INFO)


def test_looking_changes_nothing(make_system: MakeSystem) -> None:
    system = make_system("s3")
    system.cloud.reset_requests()
    system.diagnose("data", "deep")
    asked = {one.operation for one in system.cloud.requests()}
    assert {"ListObjectsV2", "GetIndex", "ListVectors", "QueryVectors"} <= asked
    assert all(one.startswith(("Get", "Head", "List", "Query")) for one in asked)


def test_looking_at_nothing_makes_nothing(make_system: MakeSystem) -> None:
    system = make_system("chroma", filled=False)
    system.diagnose("data", "deep")
    assert not system.data_dir.exists()


@pytest.mark.parametrize("kind", ["s3", "chroma"])
def test_what_is_written_to_try_it_is_gone_afterwards(make_system: MakeSystem, kind: str) -> None:
    system = make_system(kind)
    assert system.found("live") == {"probe.I001"}
    with system.open() as service:
        assert set(service.parts.store.keys()) == set(system.ids)
        assert [one.memories for one in service.users()] == [2, 1]
        assert leftovers(service) == []
        assert list(service.parts.backend.objects.list("redeploy/")) == []
