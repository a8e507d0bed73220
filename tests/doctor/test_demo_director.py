"""Every scene of a demo is found by the doctor, put right, and removed without a trace."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from memory_core import Settings, open_service
from memory_core.doctor import diagnose
from memory_core.doctor.demo_director import SCENES, DemoDirector, DemoState
from memory_core.errors import DemoRefused
from standin import StandIn

PLACES = ("chroma", "stand-in")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """A stand-in of its own: faults of a demo are for all who use it."""
    with StandIn() as running:
        running.client("s3").create_bucket(Bucket="demo")
        yield running


@pytest.fixture(params=PLACES, scope="module")
def environ(
    request: pytest.FixtureRequest, cloud: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The variables of a place with everybody loaded."""
    variables = {"MEMORY_DATA_DIR": str(tmp_path_factory.mktemp("demo"))}
    if request.param == "stand-in":
        variables |= {**cloud.environ(), "AWS_S3_BUCKET": "demo"}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        with open_service() as service:
            DemoDirector(Settings.from_env()).load(service)
    return variables


@pytest.fixture
def director(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> DemoDirector:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return DemoDirector(Settings.from_env())


open_quietly = partial(open_service, migrate=False)


def found(scene_tags: tuple[str, ...]) -> set[str]:
    return {finding.id for finding in diagnose(tags=scene_tags).findings}


@pytest.mark.parametrize("name", [scene.name for scene in SCENES])
def test_a_scene_is_found_and_put_right(director: DemoDirector, name: str) -> None:
    if name not in {scene.name for scene in director.scenes()}:
        with pytest.raises(DemoRefused, match=f"no scene '{name}' here"):
            director.begin(name, open_quietly)
        return
    with open_quietly() as service:
        before = {user.user_id: user.memories for user in service.users()}
    scene = director.begin(name, open_quietly)
    with pytest.raises(DemoRefused, match="is under way; put it right first"):
        director.begin(name, open_quietly)
    on_s3_nothing_is_lost = name == "wipe" and director.stand_in is not None
    assert (scene.finding in found(scene.tags)) is not on_s3_nothing_is_lost
    director.put_right(name, open_quietly)
    assert scene.finding not in found(scene.tags)
    with open_quietly() as service:
        after = {user.user_id: user.memories for user in service.users()}
        assert service.audit().clean
    adopted = 1 if name in ("other-form", "second-program") else 0
    assert sum(after.values()) == sum(before.values()) + adopted
    assert before.keys() == after.keys()


def test_a_reset_removes_what_the_demo_made_and_nothing_else(director: DemoDirector) -> None:
    with open_quietly() as service:
        service.add_text_memory("real@example.com", "Was here before")
    director.begin("lost-vectors", open_quietly)
    director.begin("wipe", open_quietly)
    made = director.reset(open_quietly)
    assert len(made.people) == 12
    assert made.scenes == ("lost-vectors", "wipe")
    assert director.state == DemoState()
    with open_quietly() as service:
        assert [user.user_id for user in service.users()] == ["real@example.com"]
        assert service.audit().clean
        noted = [
            entry.detail for entry in service.activity.page().entries if entry.action == "demo"
        ]
        assert {"load", "break lost-vectors", "reset"} <= {*noted}
        assert director.load(service) == made.people


def test_a_person_who_has_memories_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_DATA_DIR", str(tmp_path))
    director = DemoDirector(Settings.from_env())
    with pytest.raises(DemoRefused, match="nobody is loaded yet"):
        director.begin("lost-vectors", open_quietly)
    with open_quietly() as service:
        service.add_text_memory("alice@example.com", "My own")
        assert "alice@example.com" not in director.load(service)
        director.reset(lambda: service)
    with open_quietly() as service:
        assert [user.user_id for user in service.users()] == ["alice@example.com"]


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x"},
        {"AWS_S3_BUCKET": "mine"},
        {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_S3_BUCKET": "mine"},
    ],
)
def test_nothing_is_broken_where_an_account_can_be_reached(variables: dict[str, str]) -> None:
    with pytest.raises(DemoRefused, match="a demo breaks things on purpose, and AWS is set up"):
        DemoDirector(Settings.from_env(variables))
