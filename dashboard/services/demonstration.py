"""The demo: invented people, and things broken on purpose; never on an AWS account."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final
from urllib.request import Request, urlopen

from memory_core import MemoryService, Settings, redeploy_test
from memory_core.doctor.demo_director import PEOPLE, DemoDirector, DemoState, Scene
from memory_core.errors import DemoRefused, SettingsError
from memory_core.settings import child_environment

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import Health, T, connection
from . import jobs, memory_calls

_ROOT: Final = PEOPLE.parents[2]
_BUCKET: Final = "holdfast-demo"
_LOAD: Final = "demo/load"
_WAIT_S: Final = 10.0


@requires(Role.VIEWER)
def director() -> DemoDirector | None:
    """Return the director for this storage, None if a demo must not touch it."""
    try:
        return _director()
    except (DemoRefused, SettingsError):
        return None


@requires(Role.VIEWER)
def is_all(health: Health) -> bool:
    """Return whether only the invented people are stored here."""
    if not health.status or health.status.backend != "chroma" or not (place := director()):
        return False
    return health.status.users <= len(place.state.people) > 0


@requires(Role.OPERATOR)
def start_load() -> None:
    """Start to load the invented people; `load_job` returns the job."""
    jobs.board().submit(
        lambda job: memory_calls.write(lambda service: _director().load(service, job)),
        subject="Load invented people",
        fingerprint=_LOAD,
    )


@requires(Role.VIEWER)
def load_job() -> jobs.Job | None:
    """Return the newest job that loads the invented people."""
    return jobs.board().latest(_LOAD)


@requires(Role.VIEWER)
def is_loading() -> bool:
    """Return whether the invented people are being loaded."""
    job = load_job()
    return job is not None and not job.finished


@requires(Role.OPERATOR)
def simulate_on_stand_in() -> str:
    """Start a simulation against its own stand-in for S3 Vectors; return the id of the job."""

    def work(progress: jobs.Progress) -> redeploy_test.Report:
        with _stand_in() as environ:
            return redeploy_test.simulate(environ=environ, on_step=progress.step)

    subject = "A new deployment, simulated on a stand-in for Amazon S3 Vectors"
    return jobs.board().submit(work, subject=subject, fingerprint="demo/stand-in")


@requires(Role.OPERATOR)
def begin(scene: str) -> Scene:
    """Break something on purpose."""
    return _closed(lambda: _director().begin(scene, _service))


@requires(Role.OPERATOR)
def put_right(scene: str) -> Scene:
    """Repair what a scene broke."""
    return _closed(lambda: _director().put_right(scene, _service))


@requires(Role.OPERATOR)
def reset() -> DemoState:
    """Remove everything that the demo made."""
    return _closed(lambda: _director().reset(_service))


def _director() -> DemoDirector:
    return DemoDirector(Settings.from_env())


@contextmanager
def _stand_in() -> Iterator[dict[str, str]]:
    """Run a stand-in with an empty bucket; yield the variables that lead to it alone.

    Raises:
        DemoRefused: it does not start; only a checkout with the tools for tests has it.
    """
    command = [sys.executable, "-m", "standin"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            if not server.stdout or not (line := server.stdout.readline()):
                raise DemoRefused(
                    "the stand-in does not start here; use a checkout and `make demo`"
                )
            ready = json.loads(line)
            urlopen(Request(f"{ready['url_s3']}/{_BUCKET}", method="PUT"), timeout=_WAIT_S).close()
            kept = {
                name: value
                for name, value in child_environment().items()
                if not name.startswith(("AWS_", "CHROMA_", "MEMORY_"))
            }
            # The verdict is about the stand-in, so it is deleted with it.
            with TemporaryDirectory(prefix="holdfast-stand-in-") as folder:
                given = {"AWS_S3_BUCKET": _BUCKET, "MEMORY_DATA_DIR": folder}
                yield {**kept, **ready["environ"], **given}
        finally:
            server.terminate()


@contextmanager
def _service() -> Iterator[MemoryService]:
    with connection().writing() as service:
        yield service
    connection().close(_WAIT_S)


def _closed(work: Callable[[], T]) -> T:
    """Do the work with the store closed; a page that asks meanwhile opens it again."""
    connection().close(_WAIT_S)
    try:
        return work()
    finally:
        connection().close(_WAIT_S)
        memory_calls.forget_reads()
