"""`redeploy-test` in real processes: what is another deployment and what not, and exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from memory_core.cli import cli
from standin import StandIn
from tests.support.command_line import CommandLine, Result
from tests.support.forked_workers import fork_workers
from tests.support.installation import MakeInstallation
from tests.support.zygote import Zygote

KEYS = {"verdict", "level", "written", "survived", "probes", "environment", "reason", "control"}


@pytest.fixture
def shell(zygote: Zygote, install: MakeInstallation, tmp_path: Path) -> CommandLine:
    environ = {k: v for k, v in install("s3").environ.items() if k.startswith("AWS_")}
    return CommandLine(zygote, tmp_path, **environ)


def begin(shell: CommandLine, **environ: str) -> dict[str, Any]:
    receipt = str(shell.folder / "receipt.json")
    arguments = ("begin", "--receipt", receipt, "--probes", "2", "--json")
    document = shell.run("redeploy-test", *arguments, **environ).document
    assert (document["probes"], document["acknowledged"]) == (2, 2)
    return dict(document)


def verify(shell: CommandLine, document: dict[str, Any], **environ: str) -> tuple[Result, Any]:
    arguments = ("verify", "--receipt", document["receipt"], "--json")
    result = shell.run("redeploy-test", *arguments, **environ)
    assert result.err == ""
    said = json.loads(result.out)
    assert said.keys() >= KEYS
    assert [sorted({"id", "state"} & one.keys()) for one in said["probes"]] == [["id", "state"]] * 2
    assert {"before", "after"} == said["environment"].keys()
    return result, said


def test_a_process_that_is_started_again_is_no_deployment(shell: CommandLine) -> None:
    document = begin(shell)
    result, said = verify(shell, document)
    assert (result.code, said["verdict"]) == (1, "INCONCLUSIVE")
    assert "the process was started again, but on the same disk" in said["reason"]
    elsewhere = {"MEMORY_DATA_DIR": str(shell.folder / "another folder of the same disk")}
    result, said = verify(shell, document, **elsewhere)
    assert (result.code, said["verdict"]) == (1, "INCONCLUSIVE"), said["reason"]
    shutil.rmtree(shell.data_dir)
    result, said = verify(shell, document)
    assert (result.code, said["verdict"], said["survived"]) == (0, "PASS", 2)
    assert "the local disk is a new one" in said["reason"]


def test_another_instance_is_a_deployment_and_the_code_will_do(shell: CommandLine) -> None:
    document = begin(shell, RENDER_INSTANCE_ID="first")
    result = shell.run(
        "redeploy-test", "verify", "--code", document["code"].lower(), RENDER_INSTANCE_ID="second"
    )
    assert (result.code, result.out[:5]) == (0, "PASS:"), result
    assert "recount finds 0" in result.out


def test_what_is_not_usable_is_code_2(shell: CommandLine) -> None:
    broken = shell.folder / "broken.json"
    broken.write_text("{}")
    for arguments in (
        ["verify"],
        ["verify", "--code", "ABC"],
        ["verify", "--receipt", str(broken)],
        ["verify", "--receipt", str(broken), "--code", "ABC"],
        ["begin", "--receipt", str(shell.folder / "no folder" / "receipt.json")],
        ["begin", "--receipt", str(broken), "--probes", "0"],
        ["simulate", "--level", "earthquake"],
        ["simulate", "--probes", "201"],
    ):
        result = shell.run("redeploy-test", *arguments)
        assert (result.code, result.out) == (2, ""), (arguments, result)
        assert "Traceback" not in result.err


def test_a_backend_that_does_not_answer_is_code_3(shell: CommandLine, standin: StandIn) -> None:
    standin.set_switches(deny_actions=("s3:PutObject",))
    receipt = str(shell.folder / "receipt.json")
    result = shell.run("redeploy-test", "begin", "--receipt", receipt)
    assert (result.code, result.out) == (3, ""), result
    assert "s3:PutObject" in result.err


@pytest.mark.process
def test_simulate_fails_where_memories_do_not_survive(
    zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With new interpreters tests/browser/test_redeploy.py does the same.
    fork_workers(monkeypatch, zygote, tmp_path)
    result = CliRunner().invoke(cli, ["redeploy-test", "simulate", "--probes", "1", "--json"])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["verdict"]) == (1, "FAIL")
    assert (said["survived"], said["written"]) == (0, 1)
    assert said.keys() >= KEYS
    assert said["control"] == {"written": 1, "survived": 0}
