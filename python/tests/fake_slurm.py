"""Programs with the names of Slurm's, which run jobs on this machine: for tests of what submits jobs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def install(folder):
    """Create the programs in a folder. Return the folder of their jobs."""
    jobs = folder / "jobs"
    jobs.mkdir()
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sbatch", "squeue", "scancel", "srun"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {name} {jobs} "$@"\n')
        program.chmod(0o755)
    return programs, jobs


def is_alive(pid):
    """Whether a process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def read_jobs(jobs):
    """Return all jobs that were submitted, by their numbers."""
    return {int(file.stem): json.loads(file.read_text()) for file in sorted(jobs.glob("*.json"))}


def is_queued(job):
    """Whether a job waits or runs."""
    return not job["is_cancelled"] and (job["pid"] is None or is_alive(job["pid"]))


def write_job(jobs, number, job):
    """Save a job, at once."""
    draft = jobs / f"{number}.draft"
    draft.write_text(json.dumps(job))
    draft.rename(jobs / f"{number}.json")


def sbatch(jobs, arguments):
    """Submit a job. The files `refuse` and `hold` in the folder have it refused or wait."""
    script = sys.stdin.read()
    if (jobs / "refuse").exists():
        sys.exit("sbatch: error: invalid account")
    assert arguments[:2] == ["--parsable", "--job-name"]
    number = 100 + len(read_jobs(jobs))
    job = {"name": arguments[2], "options": arguments[3:], "script": script, "pid": None, "is_cancelled": False}
    if not (jobs / "hold").exists():
        file = jobs / f"{number}.sh"
        file.write_text(script)
        environment = {**os.environ, "SLURM_JOB_ID": str(number)}
        with open(jobs / f"{number}.out", "w") as output:
            process = subprocess.Popen(
                ["bash", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        job["pid"] = process.pid
    write_job(jobs, number, job)
    print(number)


def squeue(jobs, arguments):
    """List jobs of a name."""
    assert arguments[:3] == ["--noheader", "--me", "--name"]
    for number, job in read_jobs(jobs).items():
        if job["name"] == arguments[3] and is_queued(job):
            print(f"{number}|PENDING|Resources|" if job["pid"] is None else f"{number}|RUNNING|None|here")


def scancel(jobs, arguments):
    """Cancel jobs by their numbers, or by their name."""
    names = [argument.removeprefix("--name=") for argument in arguments if argument.startswith("--name=")]
    for number, job in read_jobs(jobs).items():
        if str(number) in arguments or job["name"] in names:
            if job["pid"] is not None and is_alive(job["pid"]):
                os.killpg(job["pid"], signal.SIGTERM)
            write_job(jobs, number, {**job, "is_cancelled": True})


def srun(_, arguments):
    """Run a program."""
    command = [argument for argument in arguments if not argument.startswith("--cpus-per-task")]
    os.execvp(command[0], command)


if __name__ == "__main__":
    {"sbatch": sbatch, "squeue": squeue, "scancel": scancel, "srun": srun}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3:])
