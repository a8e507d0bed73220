"""A real deployment of the example backend whose memories are on its disk: all of them are lost.

That they outlive a deployment on S3 is in tests/browser/test_deployment.py.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.deployment import DOCUMENT, POST, deployed


def test_on_chroma_the_next_version_knows_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with deployed(disk, "version-1") as backend:
        backend.save_as_alice()
        session = backend.sign_in("alice@example.com ")
        assert [one["memory"] for one in session["memories"]] == [DOCUMENT, POST]
    assert not disk.exists()
    with deployed(disk, "version-2") as backend:
        session = backend.sign_in("alice@example.com ")
        assert (session["count"], session["memories"]) == (0, [])
        assert (session["backend"], session["persistent"]) == ("chroma", False)
        backend.wait_for_line("Local ChromaDB will be lost on deployment")
