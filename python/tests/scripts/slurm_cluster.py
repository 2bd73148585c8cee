"""Start worker jobs from a Python program, call functions on them, and end them: SLURMCluster on a real Slurm."""

import os
import sys

from partita.distributed import Client
from partita.jobqueue import SLURMCluster


def job_of_worker():
    return os.environ.get("SLURM_JOB_ID", "none")


def square(number):
    return number * number


def main(exclude):
    extra = [f"--exclude={exclude}"] if exclude else []
    cluster = SLURMCluster(cores=2, memory="1000MB", walltime="00:10:00", job_extra_directives=extra)
    with cluster, Client(cluster) as client:
        print("#SBATCH --cpus-per-task=2" in cluster.job_script())
        cluster.scale(jobs=2)
        client.wait_for_workers(2)
        print(sum(client.gather(client.map(square, range(100)))))
        jobs = set(client.run(job_of_worker).values())
        print(len(jobs), "none" in jobs)
        cluster.scale(jobs=1)
        # What the worker had that left is computed again, or was migrated.
        print(client.submit(sum, client.map(square, range(10))).result())
    print("closed")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
