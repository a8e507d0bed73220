"""Which store is used: the table of environments, and what counts as a disk that is kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from memory_core import BackendError, MemoryCoreError, Settings, SettingsError, open_service
from memory_core.embedders import Embedder
from memory_core.storage.backend import Backend, select_backend
from tests.support.paths import ROOT

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "s3cret"}
BUCKET = {"AWS_S3_BUCKET": "documents"}
REGION = {"AWS_REGION": "eu-central-1"}
WHOLE = {**KEYS, **BUCKET, **REGION}


@pytest.fixture(autouse=True)
def no_aws_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither files nor the metadata address of this machine answer for AWS."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: Embedder) -> Decide:
    return Decide(tmp_path, monkeypatch, embedder)


class Decide:
    """Sets an environment for good, as boto3 reads it too, and decides on it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, embedder: Embedder) -> None:
        self._patch = patch
        self._embedder = embedder
        self.environ = {"MEMORY_DATA_DIR": str(folder / "data")}

    def settings(self, environ: Mapping[str, str]) -> Settings:
        for name, value in environ.items():
            self._patch.setenv(name, value)
        return Settings.from_env({**self.environ, **environ})

    def __call__(self, environ: Mapping[str, str]) -> Backend:
        return select_backend(self.settings(environ), self._embedder)


def deciding(backend: Backend) -> str:
    (step,) = [step for step in backend.steps if step.deciding]
    return step.name


TABLE = [
    # environment, deciding step, what the reason names
    ({}, "ChromaDB", ["AWS_S3_BUCKET", "AWS_REGION", "credentials"]),
    ({"MEMORY_BACKEND": "chroma"}, "MEMORY_BACKEND", ["MEMORY_BACKEND=auto"]),
    ({**WHOLE, "MEMORY_BACKEND": "chroma"}, "MEMORY_BACKEND", ["MEMORY_BACKEND=auto"]),
    ({**BUCKET, **REGION}, "ChromaDB", ["half configured", "AWS credentials"]),
    ({**KEYS, **REGION}, "ChromaDB", ["half configured", "AWS_S3_BUCKET"]),
    ({**KEYS, **BUCKET}, "ChromaDB", ["half configured", "AWS_REGION"]),
    (BUCKET, "ChromaDB", ["AWS credentials and AWS_REGION"]),
    (REGION, "ChromaDB", ["AWS credentials and AWS_S3_BUCKET"]),
    (KEYS, "ChromaDB", ["AWS_S3_BUCKET and AWS_REGION"]),
]


@pytest.mark.parametrize(("environ", "step", "named"), TABLE)
def test_without_all_of_aws_it_is_chroma_and_the_reason_says_why(
    decide: Decide, environ: dict[str, str], step: str, named: list[str]
) -> None:
    backend = decide(environ)
    assert (backend.name, backend.persistent) == ("chroma", False)
    assert deciding(backend) == step
    assert all(word in backend.reason for word in named), backend.reason
    assert "lost on the next deployment" in backend.reason
    assert [step.name for step in backend.steps] == [
        "MEMORY_BACKEND", "AWS credentials", "AWS_S3_BUCKET", "AWS_REGION", "disk", "ChromaDB",
    ]  # fmt: skip


def test_half_of_the_credentials_is_named(decide: Decide) -> None:
    backend = decide({**BUCKET, **REGION, "AWS_ACCESS_KEY_ID": "AKIATEST"})
    (step,) = [step for step in backend.steps if step.name == "AWS credentials"]
    assert not step.ok
    assert "AWS_SECRET_ACCESS_KEY" in step.detail


def test_keys_with_characters_that_no_key_has_are_named_before_all_is_set(decide: Decide) -> None:
    spoiled = {name: f"{value}\r" for name, value in KEYS.items()}
    (step,) = [step for step in decide(spoiled).steps if step.name == "AWS credentials"]
    assert not step.ok
    assert "no key has is in AWS_ACCESS_KEY_ID and in AWS_SECRET_ACCESS_KEY, so" in step.detail
    with pytest.raises(SettingsError, match=r"no key has.*copy exactly what AWS shows"):
        decide({**spoiled, "MEMORY_BACKEND": "s3_vectors"})


def test_a_profile_that_does_not_exist_is_named(decide: Decide) -> None:
    backend = decide({**BUCKET, **REGION, "AWS_PROFILE": "nobody"})
    (step,) = [step for step in backend.steps if step.name == "AWS credentials"]
    assert not step.ok
    assert "nobody" in step.detail


def test_a_profile_counts_as_credentials(decide: Decide, tmp_path: Path) -> None:
    (tmp_path / "no-credentials").write_text(
        "[staff]\naws_access_key_id = AKIA\naws_secret_access_key = s\n"
    )
    backend = decide({**BUCKET, "AWS_PROFILE": "staff"})
    (step,) = [step for step in backend.steps if step.name == "AWS credentials"]
    assert step.ok
    assert "AWS_REGION is missing" in backend.reason


def test_no_secret_is_in_the_trace(decide: Decide) -> None:
    assert "s3cret" not in repr(decide({**KEYS, **BUCKET}))


@pytest.mark.parametrize("missing", [KEYS, BUCKET, REGION])
def test_s3_vectors_that_is_forced_without_what_it_needs_is_an_error(
    decide: Decide, missing: dict[str, str]
) -> None:
    environ = {name: value for name, value in WHOLE.items() if name not in missing}
    with pytest.raises(SettingsError) as caught:
        decide({**environ, "MEMORY_BACKEND": "s3_vectors"})
    wanted = "AWS credentials" if missing is KEYS else next(iter(missing))
    assert f"{wanted} {'are' if wanted.endswith('s') else 'is'} missing" in str(caught.value)


def test_s3_that_does_not_work_is_an_error_and_never_chroma(decide: Decide, tmp_path: Path) -> None:
    nobody = dict.fromkeys(
        ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_S3VECTORS"),
        "http://127.0.0.1:9",
    )
    with pytest.raises(BackendError) as caught:
        open_service(decide.settings({**WHOLE, **nobody}))
    assert caught.value.backend == "s3_vectors"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("environ", [{}, {"MEMORY_BACKEND": "chroma"}, BUCKET])
def test_a_required_persistent_backend_that_is_not_there_is_an_error(
    decide: Decide, tmp_path: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        open_service(decide.settings({**environ, "MEMORY_REQUIRE_PERSISTENT": "1"}))
    assert "MEMORY_REQUIRE_PERSISTENT" in str(caught.value)
    assert "AWS_S3_BUCKET" in str(caught.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("environ", [{}, {"MEMORY_BACKEND": "chroma"}, KEYS, BUCKET])
def test_deciding_writes_nothing(decide: Decide, tmp_path: Path, environ: dict[str, str]) -> None:
    backend = decide(environ)
    assert list(backend.objects.list("")) == []
    assert list(tmp_path.rglob("*")) == []


def test_the_index_is_named_for_the_embedder_unless_it_has_a_name(decide: Decide) -> None:
    assert decide({}).location["collection"] == "mem0-wordllama-256"
    assert decide({"MEMORY_INDEX": "mine"}).location["collection"] == "mine"


def test_the_location_names_the_folders(decide: Decide, tmp_path: Path) -> None:
    location = decide({"CHROMA_PATH": str(tmp_path / "elsewhere")}).location
    assert location["folder"] == str(tmp_path / "elsewhere")
    assert location["ledger"] == str(tmp_path / "data" / "ledger")


def mounted(*kinds: str) -> list[str]:
    rows = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [place for _, place, kind, *_ in rows if kind in kinds and os.access(place, os.W_OK)]


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="needs Linux")
@pytest.mark.parametrize("kind", ["tmpfs", "devtmpfs", "ramfs"])
def test_a_mount_in_memory_is_no_disk_that_is_kept(decide: Decide, kind: str) -> None:
    places = mounted(kind)
    if not places:
        pytest.skip(f"no {kind} here")
    for place in places:
        backend = decide({"MEMORY_DATA_DIR": f"{place}/memories"})
        assert not backend.persistent, backend.reason


PROGRAM = """
import json, sys
from memory_core import Settings, SettingsError
from memory_core.storage.backend import select_backend
from memory_core.embedders.local import LocalEmbedder
found = []
for environ in json.loads(sys.argv[1]):
    backend = select_backend(Settings.from_env(environ), LocalEmbedder())
    found.append([backend.persistent, backend.reason, list(backend.log_lines)])
print(json.dumps(found))
"""


def in_own_mounts(
    tmp_path: Path, environs: list[dict[str, str]]
) -> list[tuple[bool, str, list[str]]]:
    """Decide where `kept`, `kept too` are disks and `passing`, `passing too` are memory.

    The mounts are those of one process and end with it.
    """
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("mke2fs")):
        pytest.skip("needs root, unshare and mke2fs")
    steps = ["set -e"]
    for name in ("kept", "kept too", "passing", "passing too"):
        (tmp_path / name).mkdir()
        what = "-t tmpfs none"
        if name.startswith("kept"):
            image = tmp_path / f"{name}.img".replace(" ", "-")
            with image.open("wb") as file:
                file.truncate(4_000_000)
            subprocess.run(["mke2fs", "-q", "-F", image], check=True, capture_output=True)
            what = f"-o loop '{image}'"
        steps.append(f"mount {what} '{tmp_path / name}' || exit 77")
    steps.append('exec "$0" "$@"')
    command = ["unshare", "-m", "sh", "-c", "\n".join(steps), sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        [*command, json.dumps(environs)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("may not mount here")
    assert done.returncode == 0, done.stderr
    found: list[tuple[bool, str, list[str]]] = json.loads(done.stdout)
    return found


def test_a_mounted_disk_of_its_own_counts_as_persistent(tmp_path: Path) -> None:
    def at(data: str, **more: str) -> dict[str, str]:
        return {"MEMORY_DATA_DIR": str(tmp_path / data), **more}

    required = {"MEMORY_REQUIRE_PERSISTENT": "1"}
    cases = {
        "below the mount": (at("kept/deep/data", **required), True),
        "the mount itself": (at("kept"), True),
        "a name with a space": (at("kept too/data"), True),
        "memory": (at("passing/data"), False),
        "memory, a name with a space": (at("passing too/data"), False),
        "chroma in memory": (at("kept/data", CHROMA_PATH=str(tmp_path / "passing/c")), False),
        "ledger in memory": (at("passing/data", CHROMA_PATH=str(tmp_path / "kept/c")), False),
        "beside the mount": (at("data"), False),
    }
    found = in_own_mounts(tmp_path, [environ for environ, _ in cases.values()])
    for (name, (_, wanted)), (persistent, reason, lines) in zip(cases.items(), found, strict=True):
        assert persistent is wanted, f"{name}: {reason}"
        assert ("WARNING" in "".join(lines)) is not wanted
        assert ("a mounted disk of its own" in reason) is wanted


@pytest.mark.parametrize(
    "environ", [{"MEMORY_BACKEND": "s3_vectors"}, {"MEMORY_REQUIRE_PERSISTENT": "1"}]
)
def test_an_error_of_the_decision_is_one_sentence(decide: Decide, environ: dict[str, str]) -> None:
    with pytest.raises(MemoryCoreError) as caught:
        decide(environ)
    assert "; " in str(caught.value), "says what to do"
    assert "\n" not in str(caught.value)
