"""Each damage is really done, and the doctor says exactly what it should of it.

A healthy system has nothing to say but for comparison. No damage makes it say more than one thing,
unless two things are true.
"""

from __future__ import annotations

import pytest

from memory_core.doctor import KINDS, Level

from .conftest import MakeSystem
from .damages import SETUP, Damage
from .damages_of_data import DATA
from .system import ALWAYS

DAMAGES = [*SETUP, *DATA]


def test_every_finding_has_its_damage() -> None:
    damaged = {one for damage in DAMAGES for one in damage.expected}
    assert damaged | ALWAYS["s3"] == {kind.id for kind in KINDS}


@pytest.mark.parametrize("kind", ["s3", "chroma"])
def test_a_healthy_system_has_nothing_to_say(make_system: MakeSystem, kind: str) -> None:
    diagnosis = make_system(kind).diagnose("data", "deep")
    assert {one.id for one in diagnosis.findings} == ALWAYS[kind]
    assert diagnosis.worst is Level.INFO
    assert diagnosis.sentence == "Nothing wrong was found."
    assert {one.state.value for one in diagnosis.checks} == {"ok", "not needed"}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: f"{one.expected[0]}, {one.name}")
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
