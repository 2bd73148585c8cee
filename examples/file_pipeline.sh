#!/bin/bash
#SBATCH --account=def-someone
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=3
#SBATCH --mem=4000M
#SBATCH --time=0-00:30
#SBATCH --output=%x-%j.out
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@300

# The pipeline of file_pipeline.py on two nodes. Five minutes before the end of the time, Slurm sends SIGUSR1, which
# `partita run` forwards to the script: it stops, and this job is queued again for the files that are missing.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK

srun partita run -- python file_pipeline.py stations
code=$?

[ $code != 75 ] || scontrol requeue "$SLURM_JOB_ID"
exit $code
