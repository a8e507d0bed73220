"""The code on the pages for backend developers is as it must be to run."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import memory_core
from tests.support.paths import ROOT

PAGES = ("fastapi", "django", "worker", "from-mem0")


def blocks(page: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, re.S)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_code_that_takes_names_there_are(page: str) -> None:
    assert blocks(page)
    for block in blocks(page):
        imported = {
            alias.name
            for node in ast.walk(ast.parse(block))
            if isinstance(node, ast.ImportFrom) and node.module == "memory_core"
            for alias in node.names
        }
        assert imported <= set(memory_core.__all__)


def test_the_frame_for_fastapi_saves_answers_and_names_errors(data_dir: Path) -> None:
    from fastapi.testclient import TestClient

    (block,) = blocks("fastapi")
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(block, "fastapi.md", "exec", dont_inherit=True), names)
    with TestClient(names["app"]) as client:  # type: ignore[arg-type]
        saved = client.post("/posts", params={"text": "Likes tea"})
        assert (saved.status_code, saved.json()) == (200, ["Likes tea"])
        refused = client.post("/posts", params={"text": " "})
        assert refused.status_code == 400
        assert "empty" in refused.json()["detail"]


def test_the_worker_ends_in_order(data_dir: Path, tmp_path: Path) -> None:
    (block,) = blocks("worker")
    job = 'jobs.put(("Ann ", "Likes tea"))\n'
    (tmp_path / "worker.py").write_text(block.replace("ending = False\n", f"{job}ending = False\n"))
    with subprocess.Popen(
        [sys.executable, "worker.py"],
        cwd=tmp_path,
        env={"MEMORY_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout.read() == "closed\n"
    assert worker.returncode == 0
