"""Each program of the folder ``examples`` runs, and prints what it found.

They run with a cluster of their own around them, as users run them: ``partita run -- python example.py``.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from partita._binary import find_program

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: Lines of an example at most: it is read as a whole.
LINES_MAX = 60
#: Time for one example on a busy machine, in seconds.
TIMEOUT_S = 300
#: What each example prints, and the packages and programs that it needs besides those of the tests.
PROGRAMS = [
    ("parameter_sweep.py", ["21 runs, 4 combinations without a stock"], []),
    ("image_tiles.py", ["0.80% of the image is covered by cells", "written and read again: True"], []),
    ("climatology.py", ["the last year is warmer by 0.2"], []),
    ("sensor_gaps.py", ["3 gaps of more than an hour, the longest 0 days 06:0", "hours that stay empty: 12"], []),
    ("large_join.py", ["spilled to the scratch folder: True"], []),
    ("model_selection.py", ["linear model: 0.93", "on unseen data"], ["sklearn"]),
    ("flight_sql.py", ["nine of ten visits are shorter than 8.7 seconds"], ["adbc_driver_flightsql"]),
]


@pytest.fixture
def run(tmp_path):
    """Run commands in an empty folder, with the program and the package."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "partita").symlink_to(find_program())
    # Not a link: Python finds its environment by the path by which it was started.
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    variables = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PARTITA_HOME": str(tmp_path / "home"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    return Runner(tmp_path, variables)


class Runner:
    """Runs commands in a folder, with an environment."""

    def __init__(self, folder, variables):
        self.folder, self.variables = folder, variables

    def start(self, *command, path=""):
        """Start a command, with folders in front of the search path."""
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=self.folder,
            env={**self.variables, "PATH": path + self.variables["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *command, path=""):
        """Run a command to its end. Return its exit code and what it printed."""
        with self.start(*command, path=path) as process:
            try:
                printed, _ = process.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.terminate()
                raise
        return process.returncode, printed


def with_cluster(*command):
    return ["partita", "run", "--headless", "--workers", "2", "--threads", "1", "--", *command]


@pytest.mark.parametrize(("name", "lines", "packages"), PROGRAMS, ids=[name for name, *_ in PROGRAMS])
def test_program(run, name, lines, packages):
    for package in packages:
        pytest.importorskip(package)
    code, printed = run(*with_cluster("python", EXAMPLES / name))
    assert code == 0, printed
    assert [line for line in lines if line not in printed] == [], printed


def test_checkpoint(run, tmp_path):
    """A second run continues from the checkpoint of the first, and has the same result."""
    command = with_cluster("python", EXAMPLES / "monte_carlo.py")
    code, whole = run(*command)
    assert code == 0, whole
    checkpoint = tmp_path / "floods.json"
    counts = json.loads(checkpoint.read_text())
    checkpoint.write_text(json.dumps({batch: counts[batch] for batch in list(counts)[:25]}))
    code, rest = run(*command)
    assert code == 0, rest
    assert "25 batches in the checkpoint, 15 to run" in rest
    assert rest.splitlines()[-1] == whole.splitlines()[-1]


def test_job_script(run, tmp_path):
    """The job script runs the pipeline, and is queued again when the pipeline was warned before its end."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "srun").write_text('#!/bin/sh\nshift 2\nexec partita run --headless --workers 1 "$@"\n')
    (folder / "scontrol").write_text('#!/bin/sh\necho "scontrol $*"\n')
    for program in folder.iterdir():
        program.chmod(0o755)
    script = EXAMPLES / "file_pipeline.sh"
    (tmp_path / "file_pipeline.py").symlink_to(EXAMPLES / "file_pipeline.py")
    path = f"{folder}{os.pathsep}"
    # One file is missing after the first run: only this one is processed.
    code, printed = run("bash", script, path=path)
    assert (code, printed.splitlines()[-1]) == (0, "all 24 files are processed: 30000 hours of frost"), printed
    (tmp_path / "stations/results/station-07.csv").unlink()
    code, printed = run("bash", script, path=path)
    assert code == 0 and "1 of 24 files to process" in printed, printed
    (folder / "srun").write_text("#!/bin/sh\nexit 75\n")
    code, printed = run("env", "SLURM_JOB_ID=7", "bash", script, path=path)
    assert (code, printed) == (75, "scontrol requeue 7\n")


def test_pipeline_is_warned(run, tmp_path):
    """After SIGUSR1 the pipeline stops with exit code 75, and complete results stay."""
    command = with_cluster("python", EXAMPLES / "file_pipeline.py")
    with run.start(*command) as process:
        printed = ""
        for line in process.stdout:
            printed += line
            # It waits for the signal before it says this, and has not started its client yet.
            if line == "24 of 24 files to process\n":
                process.send_signal(signal.SIGUSR1)
        code = process.wait()
    assert code == 75, printed
    assert "warned: the other files are left to the next run" in printed
    results = list((tmp_path / "stations/results").glob("*.csv"))
    assert 1 <= len(results) < 24
    assert all(result.read_text().startswith(f"{result.stem},5000,") for result in results)


def test_rest(run):
    for program in ("curl", "jq"):
        code, _ = run("sh", "-c", f"command -v {program}")
        if code != 0:
            pytest.skip(f"{program} is not installed")
    code, printed = run("bash", EXAMPLES / "rest.sh")
    assert code == 0, printed
    assert "6,14285,357125000.0" in printed and "workers: 2 with 2 slots" in printed
    assert "job-2 done: 21 rows, 3 stages" in printed


def test_notebook(run, tmp_path):
    pytest.importorskip("nbconvert")
    command = ["python", "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", tmp_path]
    code, printed = run(*command, EXAMPLES / "taxi.ipynb")
    assert code == 0, printed
    cells = json.loads((tmp_path / "taxi.ipynb").read_text())["cells"]
    outputs = json.dumps([cell.get("outputs", []) for cell in cells])
    assert "12.08" in outputs and "panel/timeline" in outputs and "token=" not in outputs


def test_examples_are_short():
    for path in EXAMPLES.iterdir():
        if path.suffix in (".py", ".sh"):
            text = path.read_text()
        elif path.suffix == ".ipynb":
            cells = json.loads(path.read_text())["cells"]
            assert all(not cell.get("outputs") for cell in cells), f"{path.name} has outputs"
            text = "\n".join("".join(cell["source"]) for cell in cells)
        else:
            continue
        assert text.count("\n") <= LINES_MAX, path.name
