"""Every scene of a demo is found by the doctor, put right, and removed without a trace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from memory_core import Settings, open_service
from memory_core.doctor import diagnose
from memory_core.doctor.demo_director import SCENES, DemoDirector, DemoState
from memory_core.errors import DemoRefused
from standin import StandIn
from tests.support.invented_people import invite_few

PLACES = ("chroma", "stand-in")
OF_ANY_STORE = ("other-form", "second-program", "other-embedder")
"""What is done to vectors and undone by the service, whatever keeps them."""


@pytest.fixture(scope="module", autouse=True)
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        invite_few(patch, tmp_path_factory.mktemp("people"))
        yield


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


def stage(director: DemoDirector, name: str) -> None:
    """Begin a scene and put it right; assert what is found before and after."""
    if name not in {scene.name for scene in director.scenes()}:
        with pytest.raises(DemoRefused, match=f"there is no scene '{name}' here"):
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


@pytest.mark.parametrize("name", [scene.name for scene in SCENES if scene.name not in OF_ANY_STORE])
def test_a_scene_is_found_and_put_right(director: DemoDirector, name: str) -> None:
    stage(director, name)


@pytest.mark.parametrize("environ", ["chroma"], indirect=True)
@pytest.mark.parametrize("name", OF_ANY_STORE)
def test_a_scene_of_any_store_is_found_and_put_right(director: DemoDirector, name: str) -> None:
    stage(director, name)


def test_a_reset_removes_what_the_demo_made_and_nothing_else(
    director: DemoDirector, environ: dict[str, str], cloud: StandIn
) -> None:
    with open_quietly() as service:
        service.add_text_memory("real@example.com", "Was here before")
    director.begin("lost-vectors", open_quietly)
    director.begin("wipe", open_quietly)
    # What a demo has loaded elsewhere is not to be removed here.
    elsewhere = {**environ, **cloud.environ(), "AWS_S3_BUCKET": "other"}
    assert DemoDirector(Settings.from_env(elsewhere)).state.people == ()
    made = director.reset(open_quietly)
    assert len(made.people) == 3
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
    with pytest.raises(DemoRefused, match="no invented people are loaded"):
        director.begin("lost-vectors", open_quietly)
    with open_quietly() as service:
        service.add_text_memory("alice@example.com", "My own")
        (deleted,) = service.add_text_memory("bob@example.com", "Can be brought back")
        service.delete_memory("bob@example.com", deleted.id)
        assert not {"alice@example.com", "bob@example.com"} & {*director.load(service)}
        director.reset(lambda: service)
    with open_quietly() as service:
        assert [user.user_id for user in service.users()] == ["alice@example.com"]
        assert service.restore_memory("bob@example.com", deleted.id).ids == (deleted.id,)


def test_a_wipe_that_is_cut_off_or_put_right_twice_at_once_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    monkeypatch.setenv("MEMORY_DATA_DIR", str(folder))
    monkeypatch.setenv("CHROMA_PATH", str(tmp_path / "vectors"))
    with open_quietly() as service:
        service.add_text_memory("ann", "My own")
    (folder / "of another program").mkdir()
    director = DemoDirector(Settings.from_env())
    director.begin("wipe", open_quietly)
    assert {path.name for path in folder.iterdir() if "." not in path.name} == {
        "of another program"
    }
    assert not (tmp_path / "vectors").exists()
    # As after kill -9 while the folders are brought back, with the note of it lost.
    (folder / "ledger.demo-kept").rename(folder / "ledger")
    (folder / "demo.json").unlink()
    with director._alone(), pytest.raises(DemoRefused, match="another demo is running here"):
        DemoDirector(Settings.from_env()).put_right("wipe", open_quietly)
    director.put_right("wipe", open_quietly)
    assert director.state == DemoState()
    with open_quietly() as service:
        assert [memory.memory for memory in service.list_memories("ann")] == ["My own"]
        assert service.audit().clean
    monkeypatch.setenv("CHROMA_PATH", str(tmp_path))
    with pytest.raises(DemoRefused, match="CHROMA_PATH contains MEMORY_DATA_DIR"):
        DemoDirector(Settings.from_env()).begin("wipe", open_quietly)


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEMORY_DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(DemoRefused, match=r"cannot change '.*file.*Not a directory; let this"):
        DemoDirector(Settings.from_env()).begin("wipe", open_quietly)


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
