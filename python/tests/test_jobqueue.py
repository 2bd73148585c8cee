"""Clusters on Slurm: the options of their jobs, and clusters whose jobs run on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_slurm import install, is_alive, is_queued, read_jobs
from partita._binary import find_program
from partita._errors import ClusterError
from partita._slurm_jobs import WorkerJobs, parse_memory
from partita.distributed import Client
from partita.jobqueue import SLURMCluster, SLURMRunner
from polling import until

#: Arguments of a cluster that have no default.
NONE = dict.fromkeys(
    (
        "cores",
        "memory",
        "processes",
        "walltime",
        "account",
        "queue",
        "job_cpu",
        "job_mem",
        "job_extra_directives",
        "job_directives_skip",
        "job_script_prologue",
        "log_directory",
        "worker_extra_args",
    )
)


def jobs(cores=6, worker_options=None, **arguments):
    return WorkerJobs(**{**NONE, "cores": cores, **arguments}, worker_options=worker_options or {})


# The options of the jobs.


def test_arguments_become_options_of_sbatch():
    made = jobs(memory="16GB", walltime="01:00:00", account="def-me", queue="cpu", log_directory="/logs")
    assert made.options == [
        "--ntasks=1",
        "--cpus-per-task=6",
        "--mem=15259M",
        "--time=01:00:00",
        "--account=def-me",
        "--partition=cpu",
        "--output=/logs/partita-worker-%j.out",
    ]
    assert jobs().options == ["--ntasks=1", "--cpus-per-task=6"]
    assert jobs(memory="1GiB", job_cpu=3, job_mem="2G").options == ["--ntasks=1", "--cpus-per-task=3", "--mem=2G"]


def test_extra_directives_follow_and_some_are_skipped():
    directives = ["--constraint=gpu", "#SBATCH -C 'a b'", ""]
    made = jobs(memory="1GiB", job_extra_directives=directives, job_directives_skip=["--mem", "--ntasks"])
    assert made.options == ["--cpus-per-task=6", "--constraint=gpu", "-C", "a b"]


@pytest.mark.parametrize("directive", ["--job-name=x", "-J x", "-Jx", "--array=1-3", "--wrap=ls", "#SBATCH --parsable"])
def test_directives_that_the_cluster_sets_are_refused(directive):
    with pytest.raises(TypeError, match=r"job_extra_directives does not support .*: "):
        jobs(job_extra_directives=[directive])


def test_options_of_the_workers_are_lines_of_the_script():
    made = jobs(
        worker_options={"local-directory": "/a b", "interface": None},
        worker_extra_args=["--lifetime", "55m", "--nthreads=2"],
        job_script_prologue=["module load python"],
    )
    assert made.prologue == [
        "export PARTITA_LOCAL_DIRECTORY='/a b'",
        "export PARTITA_LIFETIME=55m",
        "export PARTITA_NTHREADS=2",
        "module load python",
    ]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--lifetime-stagger 4m", "leave it out"),
        ("--no-such-option", "supported: .*--lifetime"),
        ("--lifetime", "needs a value"),
        ("value", "must consist of options"),
    ],
)
def test_other_options_of_workers_are_refused_with_a_remedy(argument, message):
    with pytest.raises(TypeError, match=message):
        jobs(worker_extra_args=[argument])


def test_the_script_shows_options_and_lines():
    made = jobs(memory="1GiB", processes=2, job_script_prologue=["module load python"])
    assert made.script("partita-x", "/opt/par tita", "/home/a/it's.json") == (
        "#!/bin/bash\n"
        "#SBATCH --job-name=partita-x\n"
        "#SBATCH --output=partita-worker-%j.out\n"
        "#SBATCH --ntasks=1\n"
        "#SBATCH --cpus-per-task=6\n"
        "#SBATCH --mem=1024M\n"
        "module load python\n"
        "# srun does not take the processors of a task from the job by itself.\n"
        "exec srun ${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK} \\\n"
        "  '/opt/par tita' worker --scheduler-file='/home/a/it'\\''s.json' --nworkers=2\n"
    )


def test_numbers_of_jobs_are_rounded_up():
    made = jobs(cores=6, memory="10GB", processes=3)
    assert made.count(7, None, None, None) == 3
    assert made.count(None, 4, None, None) == 4
    assert made.count(None, None, "25GB", None) == 3
    assert made.count(None, None, None, 12) == 2
    assert made.count(1, 2, None, 30) == 5
    assert made.count(0, None, None, None) == 0


def test_numbers_of_jobs_need_an_argument_that_fits():
    with pytest.raises(TypeError, match="needs one of n="):
        jobs().count(None, None, None, None)
    with pytest.raises(TypeError, match="pass memory="):
        jobs().count(None, None, "1GB", None)
    with pytest.raises(TypeError, match="n must be an integer"):
        jobs().count(1.5, None, None, None)
    with pytest.raises(ValueError, match="jobs must not be negative"):
        jobs().count(None, -1, None, None)


@pytest.mark.parametrize("value", ["16GB", "16 gb", "16000MB", 16_000_000_000, "16e9", "16G"])
def test_memory_is_read_as_by_dask(value):
    assert parse_memory(value) == 16_000_000_000


@pytest.mark.parametrize("value", ["", "16XB", "GB", 0, -1, None, True, "16iB", "nan", "1.2.3GB"])
def test_memory_that_is_not_a_size_is_refused(value):
    with pytest.raises(ValueError, match="memory must be"):
        parse_memory(value)


# Arguments. None of these starts a process.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "pass cores="),
        ({"cores": 2, "project": "x"}, "'project': use account="),
        ({"cores": 2, "env_extra": []}, "'env_extra': use job_script_prologue="),
        ({"cores": 2, "asynchronous": True}, "'asynchronous': leave it out"),
        ({"cores": 2, "no_such_argument": 1}, "'no_such_argument'"),
        ({"cores": 2, "job_extra_directives": "--x"}, "must be a list of strings"),
        ({"cores": "2"}, "cores must be an integer"),
        ({"cores": 2, "scheduler_options": {"dashboard": False}}, "scheduler_options does not support 'dashboard'"),
    ],
)
def test_arguments_that_are_not_supported_are_errors_with_a_remedy(arguments, message):
    with pytest.raises(TypeError, match=message):
        SLURMCluster(**arguments)


def test_more_workers_than_processors_are_refused():
    with pytest.raises(ValueError, match="processes=3 is more than cores=2"):
        SLURMCluster(cores=2, processes=3)


# Clusters whose jobs run on this machine.


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The folder of the jobs of programs with the names of Slurm's."""
    programs, folder = install(tmp_path)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for name in list(os.environ):
        if name.startswith(("SLURM_", "PARTITA_SCHEDULER", "PARTITA_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PARTITA_HOME", str(home))
    monkeypatch.setenv("PARTITA_PROGRAM", find_program())
    monkeypatch.setenv("PARTITA_HOST", "127.0.0.1")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    yield folder
    assert not any(is_queued(job) for job in read_jobs(folder).values())
    assert [file.name for file in home.iterdir() if file.suffix != ".lock"] == []


@pytest.fixture
def cluster(slurm):
    with SLURMCluster(cores=1, memory="512MiB") as cluster:
        yield cluster


def test_scale_submits_and_cancels_jobs(slurm, cluster):
    cluster.scale(jobs=2)
    with Client(cluster) as client:
        client.wait_for_workers(2)
        table = client.sql("select sum(value) as total from generate_series(1, 100)")
        assert table.to_pylist() == [{"total": 5050}]
        cluster.scale(n=1)
        until(lambda: len(client.nthreads()) == 1, "a worker to leave")
        cluster.scale(0)
        until(lambda: len(client.nthreads()) == 0, "the workers to leave")


def test_the_job_script_is_that_which_is_submitted(slurm, cluster):
    cluster.scale(1)
    (job,) = read_jobs(slurm).values()
    options = [f"#SBATCH {option}" for option in [f"--job-name={job['name']}", *job["options"]]]
    lines = job["script"].splitlines()
    assert cluster.job_script().splitlines() == [lines[0], *options, *lines[1:]]


def test_lines_of_the_user_run_before_the_workers(slurm):
    arguments = {"local_directory": str(slurm), "job_script_prologue": ["touch prologue-ran"]}
    with SLURMCluster(cores=1, n_workers=1, **arguments) as cluster:
        (job,) = read_jobs(slurm).values()
        assert f"export PARTITA_LOCAL_DIRECTORY={slurm}\n" in job["script"]
        until(lambda: Path("prologue-ran").exists(), "the lines of the user")
        assert "touch prologue-ran" in cluster.job_script()


def test_a_job_that_slurm_refuses_is_an_error_with_the_reason(slurm, cluster):
    (slurm / "refuse").touch()
    with pytest.raises(ClusterError, match="invalid account"):
        cluster.scale(1)


def test_close_cancels_jobs_that_wait_and_ends_the_scheduler(slurm):
    (slurm / "hold").touch()
    cluster = SLURMCluster(cores=1, n_workers=2, log_directory="logs")
    assert len([job for job in read_jobs(slurm).values() if is_queued(job)]) == 2
    assert Path("logs").is_dir()
    cluster.close()
    cluster.close()
    with pytest.raises(ClusterError, match="is closed"):
        cluster.scale(1)


def test_two_clusters_have_jobs_of_their_own(slurm):
    (slurm / "hold").touch()
    with SLURMCluster(cores=1, n_workers=1, job_name="a b"), SLURMCluster(cores=1, job_name="a b") as other:
        other.scale(2)
        names = [job["name"] for job in read_jobs(slurm).values()]
        assert len(names) == 3
        assert len(set(names)) == 2
        assert all(name.startswith("partita-a-b-") for name in names)
        other.scale(0)
        assert sum(is_queued(job) for job in read_jobs(slurm).values()) == 1


def test_adapt_submits_the_minimum_and_cancels_it_at_the_end(slurm, cluster):
    cluster.adapt(minimum=1, maximum_jobs=2, interval="100ms")
    with Client(cluster) as client:
        client.wait_for_workers(1)
        assert len(read_jobs(slurm)) == 1
        # The bounds of `adapt` no longer apply.
        cluster.scale(0)
        until(lambda: len(client.nthreads()) == 0, "the workers to leave")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({}, TypeError, "needs maximum="),
        ({"maximum": 0}, ValueError, "at least 1"),
        ({"minimum": 3, "maximum": 2}, ValueError, "minimum of 3 jobs is greater"),
        ({"maximum": 2, "wait_count": 3}, TypeError, "'wait_count': use idle="),
    ],
)
def test_bounds_that_do_not_fit_are_refused(cluster, arguments, kind, message):
    with pytest.raises(kind, match=message):
        cluster.adapt(**arguments)


def test_unsupported_attributes_name_an_alternative(cluster):
    with pytest.raises(AttributeError, match="use Client"):
        _ = cluster.workers
    assert not hasattr(cluster, "no_such_attribute")
    assert cluster.scheduler_address.startswith("tcp://")
    assert cluster.dashboard_link.startswith("http://")


_CRASH = """
import os
from partita.jobqueue import SLURMCluster
cluster = SLURMCluster(cores=1, n_workers=1)
print(cluster._scheduler._process._process.pid, flush=True)
os._exit(1)
"""


def test_the_scheduler_ends_with_a_process_that_crashes(slurm, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", _CRASH], env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    until(lambda: not is_alive(int(done.stdout)), "the end of the scheduler")
    for job in read_jobs(slurm).values():
        os.killpg(job["pid"], 15)
        until(lambda job=job: not is_alive(job["pid"]), "the end of a job")
    for file in (tmp_path / "home").iterdir():
        file.unlink()


# Runners: all tasks of a step start the same script.

_STEP = """
from partita.distributed import Client
from partita.jobqueue import SLURMRunner
with SLURMRunner(worker_options={"nthreads": 1, "memory_limit": "256MiB"}) as runner, Client(runner) as client:
    client.wait_for_workers(runner.n_workers)
    print(len(client.nthreads()), client.sql("select 1 + 1 as a").to_pylist())
"""


@pytest.mark.parametrize("tasks", [1, 3])
def test_the_tasks_of_a_step_are_a_cluster(slurm, tasks):
    processes = []
    for task in range(tasks):
        step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": str(task)}
        step |= {"SLURM_STEP_NUM_TASKS": str(tasks), "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-c", _STEP],
            env={**os.environ, **step},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * tasks, outputs
    assert [output for output, _ in outputs] == [f"{max(tasks - 1, 1)} [{{'a': 2}}]\n"] + [""] * (tasks - 1)


def test_a_runner_needs_a_step(slurm):
    with pytest.raises(ClusterError, match="srun --ntasks=N python"):
        SLURMRunner()


def test_options_of_a_runner_that_are_not_supported_are_errors(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    with pytest.raises(TypeError, match="worker_options does not support 'resources'"):
        SLURMRunner(worker_options={"resources": 1})
    with pytest.raises(TypeError, match="'scheduler_file': leave it out"):
        SLURMRunner(scheduler_file="x")
