"""A first `make` on machines that lack one thing or another, told by commands that only say so."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# All that the scripts may rely on besides Python: what every Debian has.
TOOLS = ("sh", "env", "id", "mktemp", "mkdir", "rm", "tail", "touch", "cat")
NOTED = 'echo "${0##*/} $*" >>"$LOG"\n'

# A Python of Debian: without `ensurepip` until python3.11-venv is installed, with `modules`.
PYTHON = """
case "$*" in
*version_info\\ \\<*) exit {outdated} ;;
*-venv*) echo python3.11-venv ;;
*ensurepip*) [ -e "$HOME/python3.11-venv" ] ;;
"-m venv"*) mkdir -p .venv/bin && touch .venv/bin/python ;;
"-m virtualenv"*) {virtualenv} ;;
"-m pip"*) {pip} ;;
"-m playwright --version") {playwright} ;;
"-m playwright install"*) {download} ;;
esac
"""
SHELL = "chromium-headless-shell"
APT = """
case "$*" in
*install*)
    [ -z "$BROKEN" ] || exit 1
    for package; do :; done
    touch "$HOME/$package"
    ;;
esac
"""


@dataclass
class Machine:
    """A PATH with the tools and commands of its own, an empty home, a clone with the scripts."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("bin", "home", "clone"):
            (self.folder / name).mkdir()
        for name in TOOLS:
            (self.folder / "bin" / name).symlink_to(str(shutil.which(name)))
        shutil.copytree(ROOT / "scripts", self.clone / "scripts")
        shutil.copy(ROOT / "Makefile", self.clone)
        self.log.touch()

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def has(self, name: str, script: str) -> None:
        """Put a command on the PATH that notes how it is called."""
        command = self.folder / "bin" / name
        command.unlink(missing_ok=True)
        command.write_text(f"#!/bin/sh\n{NOTED}{script}")
        command.chmod(0o755)

    def has_python(
        self, *, outdated: int = 0, virtualenv: str = "exit 1", pip: str = "exit 1",
        playwright: str = "exit 0", download: str = "exit 1",
    ) -> None:  # fmt: skip
        script = PYTHON.format(
            outdated=outdated,
            virtualenv=virtualenv,
            pip=pip,
            playwright=playwright,
            download=download,
        )
        self.has("python3", script)

    def runs_as(self, user: int) -> None:
        self.has("id", f"echo {user}\n")

    def run(self, script: str, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run one of the scripts; return its exit code and what it said."""
        done = subprocess.run(
            ["sh", f"scripts/{script}", *arguments],
            cwd=self.clone,
            env={
                "PATH": str(self.folder / "bin"),
                "HOME": str(self.folder / "home"),
                "LOG": str(self.log),
                "BROKEN": "",
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def calls(self, name: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.split()[0] == name]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_root_gets_the_package_that_debians_python_lacks(machine: Machine) -> None:
    machine.has_python()
    machine.has("apt-get", APT)
    machine.runs_as(0)
    assert machine.run("make-venv.sh", "python3") == (
        0,
        "Installing python3.11-venv with apt-get ...\n",
    )
    assert machine.calls("python3")[-1] == "python3 -m venv --clear .venv"


def test_whoever_may_use_sudo_without_a_password_gets_it_too(machine: Machine) -> None:
    machine.has_python()
    machine.has("apt-get", APT)
    machine.has("sudo", 'shift; case "$1" in true) ;; *) exec "$@" ;; esac\n')
    machine.runs_as(1000)
    assert machine.run("make-venv.sh", "python3")[0] == 0
    assert len(machine.calls("apt-get")) == 2


@pytest.mark.parametrize("lacks", ["apt-get", "sudo", "network"])
def test_where_nothing_may_be_installed_one_sentence_says_what_to_do(
    machine: Machine, lacks: str
) -> None:
    machine.has_python()
    machine.runs_as(1000 if lacks == "sudo" else 0)
    if lacks != "apt-get":
        machine.has("apt-get", APT)
        machine.has("dpkg", "exit 1\n")
    code, said = machine.run("make-venv.sh", "python3", BROKEN="1")
    assert code == 1
    assert said.splitlines()[-1] == (
        "Could not make .venv: python3 lacks ensurepip; on Debian install python3.11-venv first."
    )
    assert len(said.splitlines()) == (2 if lacks == "network" else 1)
    assert not (machine.clone / ".venv").exists()


@pytest.mark.parametrize(
    ("modules", "last"),
    [
        ({"virtualenv": "exit 0"}, "python3 -m virtualenv --quiet --clear .venv"),
        ({"pip": "exit 0"}, "python3 -m pip --quiet --python .venv/bin/python install pip"),
    ],
)
def test_virtualenv_and_pip_do_without_it(
    machine: Machine, modules: dict[str, str], last: str
) -> None:
    machine.has_python(**modules)
    machine.has("apt-get", APT)
    machine.runs_as(0)
    assert machine.run("make-venv.sh", "python3") == (0, "")
    assert machine.calls("python3")[-1] == last
    assert machine.calls("apt-get") == []


def test_an_old_python_is_refused_in_one_sentence(machine: Machine) -> None:
    machine.has_python(outdated=1)
    assert machine.run("make-venv.sh", "python3") == (
        1,
        "Holdfast needs Python 3.11 or newer; name one with: make PYTHON=python3.11\n",
    )


def test_an_environment_in_use_is_not_made_anew(machine: Machine) -> None:
    machine.has_python()
    (machine.clone / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(machine.folder / "bin" / "python3", machine.clone / ".venv" / "bin" / "python")
    (machine.clone / ".venv" / "run.stamp").touch()
    assert machine.run("make-venv.sh", "python3") == (0, "")
    assert machine.calls("python3") == [machine.calls("python3")[0]]


def test_a_headless_shell_that_is_there_is_taken_and_nothing_is_installed(
    machine: Machine,
) -> None:
    machine.has_python()
    machine.has("apt-get", APT)
    machine.has("chromium-headless-shell", "exit 0\n")
    machine.runs_as(0)
    assert machine.run("install-chromium.sh", "python3") == (0, "")
    assert machine.log.read_text() == "python3 -m playwright --version\n"


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
@pytest.mark.parametrize("lacks", ["apt-get", "sudo", "network", None])
def test_a_chromium_that_is_there_does_where_the_headless_shell_cannot_be_had(
    machine: Machine, name: str, lacks: str | None
) -> None:
    machine.has_python()
    machine.has(name, "exit 0\n")
    machine.has("dpkg", "exit 1\n")
    machine.runs_as(1000 if lacks == "sudo" else 0)
    if lacks != "apt-get":
        machine.has("apt-get", APT)
    tries = lacks in (None, "network")
    broken = "1" if lacks == "network" else ""
    assert machine.run("install-chromium.sh", "python3", BROKEN=broken) == (
        0,
        f"Installing {SHELL} with apt-get ...\n" if tries else "",
    )
    assert (machine.folder / "home" / SHELL).exists() == (lacks is None)
    assert machine.calls("python3") == ["python3 -m playwright --version"]


@pytest.mark.parametrize("unknown", [(), (SHELL,), (SHELL, "chromium")])
def test_a_machine_with_nothing_gets_the_first_of_debian_or_else_that_of_playwright(
    machine: Machine, unknown: tuple[str, ...]
) -> None:
    machine.has_python(download="exit 0")
    refusals = "".join(f'*install*" {name}") exit 100 ;;\n' for name in unknown)
    machine.has("apt-get", f'case "$*" in\n{refusals}esac\n{APT}')
    machine.has("dpkg", "exit 0\n")
    machine.runs_as(0)
    tried = [f"Installing {name} with apt-get ..." for name in (SHELL, "chromium")]
    said = [*tried, "Installing Playwright's Chromium ..."][: len(unknown) + 1]
    assert machine.run("install-chromium.sh", "python3") == (0, "\n".join(said) + "\n")
    downloads = machine.calls("python3")[1:]
    assert downloads == ["python3 -m playwright install --only-shell chromium"] * (
        len(unknown) == 2
    )


def test_without_apt_get_playwright_brings_its_own_chromium(machine: Machine) -> None:
    machine.has_python(download="exit 0")
    assert machine.run("install-chromium.sh", "python3") == (
        0,
        "Installing Playwright's Chromium ...\n",
    )


def test_where_there_is_no_chromium_at_all_the_last_sentence_says_so(machine: Machine) -> None:
    machine.has_python()
    code, said = machine.run("install-chromium.sh", "python3")
    assert code == 1
    assert said.splitlines()[-1] == (
        "No Chromium could be installed; the browser tests will fail and say so."
    )


@pytest.mark.parametrize("may_install", [True, False])
def test_the_library_that_playwright_needs_is_installed_or_named(
    machine: Machine, may_install: bool
) -> None:
    machine.has_python(playwright='[ -e "$HOME/libatomic1" ]')
    machine.has(SHELL, "exit 0\n")
    machine.runs_as(0)
    if may_install:
        machine.has("apt-get", APT)
    assert machine.run("install-chromium.sh", "python3") == (
        (0, "Installing libatomic1 with apt-get ...\n")
        if may_install
        else (
            1,
            "Playwright does not start; the browser tests will fail. "
            "On Debian install libatomic1.\n",
        )
    )


def test_an_installation_of_debian_that_was_cut_off_is_finished_first(machine: Machine) -> None:
    machine.has_python()
    machine.runs_as(0)
    machine.has("apt-get", 'case "$*" in *install*) [ -e "$HOME/finished" ] ;; esac\n')
    machine.has("dpkg", 'touch "$HOME/finished"\n')
    assert machine.run("install-chromium.sh", "python3")[0] == 0
    assert machine.calls("dpkg") == ["dpkg --configure -a"]


@pytest.mark.parametrize(("code", "cut_off"), [(0, False), (1, False), (-9, True)])
def test_only_an_installation_that_was_cut_off_leaves_its_mark(
    machine: Machine, code: int, cut_off: bool
) -> None:
    python = machine.clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    ending = "kill -9 $PPID\n" if cut_off else f"exit {code}\n"
    python.write_text(f"#!/bin/sh\n[ -e .venv/installing ] || exit 5\n{ending}")
    python.chmod(0o755)
    assert machine.run("install-requirements.sh", "requirements.lock") == (code, "")
    assert (machine.clone / ".venv" / "installing").exists() == cut_off


@pytest.mark.parametrize(
    ("damage", "again"),
    [("none", False), ("installing", True), ("no venv.stamp", True), ("no python", True)],
)
def test_make_begins_again_where_an_installation_was_cut_off(
    machine: Machine, damage: str, again: bool
) -> None:
    venv = machine.clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (machine.clone / "requirements.lock").touch()
    (venv / "bin" / "python").symlink_to(
        "/no/such/python" if damage == "no python" else str(shutil.which("sh"))
    )
    for name in ("venv.stamp", "run.stamp"):
        (venv / name).touch()
    if damage == "installing":
        (venv / "installing").touch()
    if damage == "no venv.stamp":
        (venv / "venv.stamp").unlink()
        (venv / "run.stamp").unlink()
    planned = subprocess.run(
        ["make", "--dry-run", "run"],
        cwd=machine.clone,
        env={"PATH": os.environ["PATH"]},  # no MAKEFLAGS of the `make` that runs the tests
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ("scripts/make-venv.sh" in planned) == again
    assert ("scripts/install-requirements.sh requirements.lock" in planned) == again
    assert planned.splitlines()[-1] == ".venv/bin/python -m streamlit run app.py"
