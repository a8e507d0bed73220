"""What a deployment is made from: the blueprint, the container's file, the two scripts.

The container is not built: its CMD is run on what it would copy, in a folder and an environment
that have nothing else, and serves a person by way of the login until it is told to stop.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path

import httpx
import pytest
import yaml
from packaging.markers import Marker
from packaging.utils import canonicalize_name
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets import Origin, Subprotocol
from websockets.sync.client import connect

from dashboard import health
from memory_core import Settings, open_service, redeploy_test
from memory_core.redeploy_test.records import report_of
from memory_core.render import activity_log
from standin.httpd import App, Request
from tests.support.paths import ROOT
from tests.support.ports import held_port
from tests.support.s3_bench import open_bench
from tests.support.s3_front import changes, watched
from tests.support.staff import SECRET, entries, sign_in

WITHIN_S = 90
MOST_MB = 512
FIRST = {"RENDER": "true", "RENDER_GIT_COMMIT": "a" * 8, "RENDER_INSTANCE_ID": "srv-1"}
NEXT = {"RENDER": "true", "RENDER_GIT_COMMIT": "b" * 8, "RENDER_INSTANCE_ID": "srv-2"}
SERVICE = yaml.safe_load((ROOT / "render.yaml").read_text())["services"][0]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
SETTINGS = (ROOT / "memory_core" / "settings.py").read_text()


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.M)


def command() -> list[str]:
    """Return what the container runs."""
    return json.loads(instructions("CMD")[0])


def kept_out(path: str) -> bool:
    """Say whether .dockerignore keeps a file out of the image, by itself or by a folder."""
    patterns = [
        line.removeprefix("**/")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    parts = Path(path).parts
    names = {"/".join(parts[:end]) for end in range(1, len(parts) + 1)} | set(parts)
    return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)


def test_the_blueprint_builds_and_starts_as_the_container_does() -> None:
    assert SERVICE["type"] == "web"
    assert SERVICE["healthCheckPath"] == health.PATH
    assert "disk" not in SERVICE
    assert SERVICE["buildCommand"] in instructions("RUN")
    assert SERVICE["startCommand"].split() == command()
    assert 30 < SERVICE["maxShutdownDelaySeconds"] <= 300


def test_the_blueprint_names_variables_that_are_read_and_holds_no_secret() -> None:
    read = set(re.findall(r'(?:read\.\w+|_text)\(\s*"([A-Z0-9_]+)"', SETTINGS))
    # boto3 and the host read the other two.
    known = read | {"AWS_SECRET_ACCESS_KEY", "PYTHON_VERSION"}
    variables = {one["key"]: one for one in SERVICE["envVars"]}
    assert variables.keys() <= known
    assert {"DASHBOARD_USERS", "DASHBOARD_SECRET", "MEMORY_ACTIVITY_KEY"} <= variables.keys()
    for name, one in variables.items():
        if re.search("KEY|SECRET|USERS|BUCKET", name):
            assert one.get("sync") is False or one.get("generateValue") is True, name
            assert "value" not in one, name


def test_what_the_image_needs_is_in_it_and_what_it_must_not_have_is_not() -> None:
    for line in instructions("COPY"):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert not kept_out(source)
    for needed in (
        "app.py",
        "dashboard/ui/assets/mark.png",
        ".streamlit/config.toml",
        "pages/x.py",
    ):
        assert not kept_out(needed)
    for secret in (".streamlit/secrets.toml", ".env", "data/ledger/x", ".git/config", "a/b.log"):
        assert kept_out(secret)
    assert instructions("USER") == ["holdfast"]


def pins(name: str) -> dict[str, str]:
    """Return the versions in a file of requirements or a lock, without those of other platforms."""
    lines = (ROOT / name).read_text().splitlines()
    matches = (re.fullmatch(r"([\w.-]+)==([\w.]+)(?: ;(.+?))?(?: \\)?", line) for line in lines)
    return {
        canonicalize_name(match[1]): match[2]
        for match in matches
        if match and (not match[3] or Marker(match[3].strip()).evaluate())
    }


def test_what_is_installed_is_what_the_files_pin() -> None:
    script = (ROOT / "scripts" / "install.sh").read_text()
    assert "--require-hashes --requirement requirements.lock" in script
    run, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: version(name) for name in run | dev} == run | dev
    constraints = pins("constraints.txt")
    assert pins("requirements.txt").items() <= run.items() & constraints.items()
    also = pins("requirements-dev.txt") | pins("examples/fastapi_backend/requirements.txt")
    assert also.items() <= (run | dev).items()
    assert (run | dev).items() <= constraints.items()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.split(r"^(?=[\w-]+==)", text, flags=re.M)[1:]
    assert packages
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text


class Server:
    """The process that the container's CMD starts."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.log = process, log
        self.address = f"http://127.0.0.1:{port}"

    def wait_for_storage(self) -> str:
        """Wait until it answers and knows its storage; return the word."""
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                answer = httpx.get(f"{self.address}/health").raise_for_status().json()
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            assert answer["alive"] is True
            if answer["storage"] != "opening":
                return answer["storage"]
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def peak_mb(self) -> float:
        """Return the most memory that it ever had, so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the image would hold, and what Python has compiled of it already."""
    code = tmp_path_factory.mktemp("image")
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in found.stdout.splitlines():
        if not kept_out(name) and (ROOT / name).is_file():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            # With its time, by which Python knows what it has compiled.
            shutil.copy2(ROOT / name, code / name)
            if (compiled := Path(cache_from_source(str(ROOT / name)))).is_file():
                kept = Path(cache_from_source(str(code / name)))
                kept.parent.mkdir(exist_ok=True)
                shutil.copy2(compiled, kept)
    return code


@contextmanager
def deployed(image: Path, folder: Path, **variables: str) -> Iterator[Server]:
    """Run the CMD in the image, with a disk of its own."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with held_port() as port, (folder / "log").open("w") as log:
        environ = {
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "MEMORY_DATA_DIR": str(folder / "data"),
            "PORT": str(port),
            "DASHBOARD_URL": f"http://127.0.0.1:{port}",
            "DASHBOARD_USERS": entries(),
            "DASHBOARD_SECRET": SECRET,
            **variables,
        }
        process = subprocess.Popen(command(), cwd=image, env=environ, stdout=log, stderr=log)
        try:
            yield Server(process, port, folder / "log")
        finally:
            process.kill()
            process.wait(30)


def open_page(server: Server, client: httpx.Client) -> str:
    """Open a page as a browser does, until its script has run; return all that was sent."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    said = b""
    with connect(
        server.address.replace("http", "ws") + "/_stcore/stream",
        subprotocols=[Subprotocol("streamlit")],
        additional_headers={"Cookie": cookies},
        origin=Origin(server.address),
        max_size=None,
    ) as socket:
        ask = BackMsg()
        ask.rerun_script.page_name = "memories"
        ask.rerun_script.query_string = "user=bob%40x.com&tab=Browse"
        socket.send(ask.SerializeToString())
        while b"complete." not in said:
            said += socket.recv(timeout=60)
    return said.decode(errors="replace")


def test_the_container_serves_staff_within_512_mb_and_ends_with_everything_written(
    image: Path, tmp_path: Path
) -> None:
    with open_bench() as bench:
        settings = Settings.from_env({**bench.environ, "MEMORY_DATA_DIR": str(tmp_path / "d")})
        with open_service(settings) as service:
            service.add_text_memory("bob@x.com", "likes rye")
            service.activity.flush()
            with (
                deployed(image, tmp_path, **bench.environ) as server,
                httpx.Client(base_url=server.address, timeout=60) as client,
            ):
                assert server.wait_for_storage() == "persistent"
                assert client.get("/").status_code == 303
                assert sign_in(client, "olaf").status_code == 303
                assert "1 memory, complete." in open_page(server, client)
                peak = server.peak_mb()
                assert server.stop() in (0, -signal.SIGTERM)
            print(f"peak {peak:.0f} MB")
            assert peak < MOST_MB
            # That a page was looked at had not been written yet when the signal came.
            entries = service.activity.page().entries
            assert [activity_log.entry_sentence(entry) for entry in entries] == [
                "olaf looked at the memories of bob@x.com",
                "olaf signed in",
                "library saved for bob@x.com: 1 memory",
            ]
            check = service.activity.check()
            assert check.whole
            assert f"the activity log ends at {activity_log.head_text(check)}" in (
                server.log.read_text()
            )


def test_a_job_under_way_comes_to_its_end_before_the_container_does(
    image: Path, tmp_path: Path
) -> None:
    under_way, ending = threading.Event(), threading.Event()
    ending.set()

    def hold(request: Request, app: App) -> None:
        """Keep the writes of the check, which begins by itself, until the end begins."""
        other = any(kind in request.path for kind in ("/starts/", "/census/"))
        if changes(request) and not other and not ending.is_set():
            under_way.set()
            ending.wait(WITHIN_S)

    with open_bench() as bench, watched(bench.standin, hold) as front:
        environ = {**bench.environ, **front}
        settings = Settings.from_env({**environ, **FIRST, "MEMORY_DATA_DIR": str(tmp_path / "d")})
        with open_service(settings) as service:
            begun = redeploy_test.begin(service, 2)
            objects = service.parts.backend.objects
            ending.clear()
            with deployed(image, tmp_path, **environ, **NEXT) as server:
                assert under_way.wait(WITHIN_S), server.log.read_text()
                assert report_of(objects, begun.run) is None
                server.process.send_signal(signal.SIGTERM)
                ending.set()
                assert server.process.wait(WITHIN_S) in (0, -signal.SIGTERM)
                assert "unfinished" not in server.log.read_text()
            report = report_of(objects, begun.run)
            assert report is not None, server.log.read_text()
            assert report.survived == 2
            assert service.activity.check().whole


def test_a_broken_storage_is_said_and_is_no_reason_to_restart(image: Path, tmp_path: Path) -> None:
    variables = {"MEMORY_REQUIRE_PERSISTENT": "1"}
    with deployed(image, tmp_path, **variables) as server:
        assert server.wait_for_storage() == "broken"
        for path in ("/health", "/_stcore/health"):
            assert httpx.get(server.address + path).status_code == 200
        assert "storage is not available: " in server.log.read_text()


def test_without_a_login_the_container_does_not_start(image: Path, tmp_path: Path) -> None:
    with deployed(image, tmp_path, DASHBOARD_USERS="") as server:
        assert server.process.wait(WITHIN_S) == 1
        assert "Holdfast does not start: PORT is set" in server.log.read_text()
