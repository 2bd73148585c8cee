"""The recipes of ``packaging`` that need no other system: a module file, an app of Open OnDemand, a unit of systemd."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from partita._binary import find_program

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
LMOD = Path("/usr/share/lmod/lmod/init/bash")
#: Time for one script on a busy machine, in seconds.
TIMEOUT_S = 120


def run_script(script, folder, **variables):
    """Run a script of bash with nothing of this environment but a home and a search path."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def install_module(folder, prefix):
    """Copy the module file below a folder, for an archive that was unpacked into another."""
    text = (PACKAGING / "lmod/partita/partita.lua").read_text()
    assert text.count('"/opt"') == 1
    target = folder / "modules/partita/0.1.0.lua"
    target.parent.mkdir(parents=True)
    target.write_text(text.replace('"/opt"', f'"{prefix}"'))
    return f". {LMOD}; module use {folder}/modules; "


@pytest.mark.skipif(not LMOD.exists(), reason="Lmod is not installed")
def test_module(tmp_path):
    """The module puts the program of the unpacked archive in front of others, and unloading it removes all of it."""
    machine = os.uname().machine
    if machine != "x86_64":
        pytest.skip("the module names the archive for x86_64")
    unpacked = tmp_path / "software/partita-0.1.0-linux-x86_64"
    (unpacked / "bin").mkdir(parents=True)
    (unpacked / "bin/partita").symlink_to(find_program())
    use = install_module(tmp_path, tmp_path / "software")
    done = run_script(
        use
        + "module load partita; command -v partita; echo $PARTITA_PROGRAM; partita sql --output csv 'select 6 * 7 as n'"
        '; module unload partita; command -v partita || echo gone; echo "[$PARTITA_PROGRAM]"',
        tmp_path,
    )
    program = f"{unpacked}/bin/partita"
    assert done.stdout.splitlines() == [program, program, "n", "42", "gone", "[]"], done.stderr


@pytest.mark.skipif(not LMOD.exists(), reason="Lmod is not installed")
def test_module_without_program(tmp_path):
    """A module whose prefix is wrong says so when it is loaded, not when the program is missing."""
    use = install_module(tmp_path, tmp_path / "elsewhere")
    done = run_script(use + "module load partita", tmp_path)
    assert "Partita is not in" in done.stderr and "set `prefix` in" in done.stderr


def test_ondemand(tmp_path):
    """The app starts a scheduler on the port that it is given, and finds the token of its dashboard."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "partita").symlink_to(find_program())
    before = PACKAGING / "ondemand/template/before.sh.erb"
    assert "<%" not in before.read_text()
    done = run_script(
        f"set -e; find_port() {{ echo 0; }}; host=127.0.0.1; . {before}; "
        'echo "$PARTITA_SCHEDULER_FILE"; echo "$dashboard_token"; stat -c %a "$PARTITA_SCHEDULER_FILE"; partita shutdown',
        tmp_path,
        PATH=f"{programs}:/usr/bin:/bin",
    )
    assert done.returncode == 0, done.stderr
    file, token, mode, *_ = done.stdout.splitlines()
    assert (file, mode) == (f"{tmp_path}/cluster.json", "600")
    assert re.fullmatch("[0-9a-f]{64}", token)


def test_unit(tmp_path):
    """systemd accepts the unit, with the program where the Debian package has it."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = (PACKAGING / "systemd/partita-scheduler.service").read_text()
    assert text.count("/usr/bin/partita") == 2
    unit = tmp_path / "partita-scheduler.service"
    unit.write_text(text.replace("/usr/bin/partita", str(find_program())))
    done = run_script(f"systemd-analyze verify --user {unit}", tmp_path, XDG_RUNTIME_DIR=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["spack/package.py", "easybuild/Partita.eb"])
def test_recipes_are_python(name):
    ast.parse((PACKAGING / name).read_text())


def test_conda_names_all_dependencies():
    """The recipe of conda installs the wheel without its dependencies, so it must name each of them."""
    project = (ROOT / "python/pyproject.toml").read_text()
    wanted = re.findall(r'"(\w+)>=([\d.]+)"', re.search(r"^dependencies = (.*)$", project, re.MULTILINE)[1])
    assert len(wanted) >= 2
    recipe = (PACKAGING / "conda/meta.yaml").read_text()
    run = recipe[recipe.index("  run:") : recipe.index("test:")]
    assert [pair for pair in wanted if f"- {pair[0]} >={pair[1]}\n" not in run] == []
