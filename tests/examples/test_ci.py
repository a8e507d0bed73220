"""The action for GitHub and the job for Render: their shell parts are run, the rest is read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

FOLDER = ROOT / "examples" / "ci"
ACTION = yaml.safe_load((FOLDER / "redeploy-test" / "action.yml").read_text())
(JOB,) = yaml.safe_load((FOLDER / "render.yaml").read_text())["services"]
(SERVICE,) = yaml.safe_load((ROOT / "render.yaml").read_text())["services"]


class Runner:
    """Runs the last step of the action as a runner does, in an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs, self.summary = folder / "outputs", folder / "summary"

    def run(self, commit: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        step = ACTION["runs"]["steps"][-1]
        values = {name: given.get("default", "") for name, given in ACTION["inputs"].items()}
        values |= {"receipt": str(self.folder / "receipt.json"), "probes": "2", **inputs}
        environ = {
            name: str(FOLDER / "redeploy-test")
            if "github.action_path" in expression
            else values[re.findall(r"inputs\.(\w+)", expression)[0]]
            for name, expression in step["env"].items()
        }
        return subprocess.run(
            [step["shell"], "-c", step["run"]],
            cwd=ROOT,
            env=environ
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(self.folder),
                "MEMORY_DATA_DIR": str(self.folder / "data"),
                "RENDER_GIT_COMMIT": commit,
                "GITHUB_OUTPUT": str(self.outputs),
                "GITHUB_STEP_SUMMARY": str(self.summary),
            },
            capture_output=True,
            text=True,
            check=False,
        )


def test_the_action_stores_probes_before_and_finds_them_after_a_deployment(
    tmp_path: Path,
) -> None:
    runner = Runner(tmp_path)
    begun = runner.run("first", mode="begin")
    assert (begun.returncode, begun.stdout.startswith("Stored 2 of 2 probes.")) == (0, True), begun
    assert not runner.outputs.exists()
    verified = runner.run("second", mode="verify")
    assert (verified.returncode, verified.stdout.startswith("PASS: ")) == (0, True), verified
    assert runner.outputs.read_text() == "verdict=PASS\n"
    assert "### Redeploy test, verify\n\nPASS: All that was stored" in runner.summary.read_text()


def test_a_phase_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    refused = Runner(tmp_path).run("first", mode="verfy")
    assert refused.returncode == 2
    assert "'verfy' is no phase; use simulate, begin or verify" in refused.stderr


def test_every_step_of_the_action_says_its_shell_and_installs_what_is_locked() -> None:
    steps = ACTION["runs"]["steps"]
    assert all("uses" in step or step["shell"] == "sh" for step in steps)
    assert (ROOT / "requirements.lock").exists()
    assert any("--require-hashes -r requirements.lock" in step.get("run", "") for step in steps)
    outputs: dict[str, Any] = ACTION["outputs"]
    assert outputs["verdict"]["value"] == f"${{{{ steps.{steps[-1]['id']}.outputs.verdict }}}}"


def test_the_job_runs_on_the_storage_of_the_service() -> None:
    assert (JOB["type"], JOB["buildCommand"]) == ("cron", SERVICE["buildCommand"])
    program, script, phase = JOB["startCommand"].split()
    assert (program, phase) == ("sh", "simulate")
    assert (ROOT / script).read_text().startswith("#!/bin/sh\n")
    of_service = {variable["key"] for variable in SERVICE["envVars"]}
    for variable in JOB["envVars"]:
        assert variable["key"] in of_service
        if source := variable.get("fromService"):
            assert (source["type"], source["name"]) == (SERVICE["type"], SERVICE["name"])
            assert source["envVarKey"] == variable["key"]
