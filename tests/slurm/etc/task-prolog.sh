#!/bin/bash
# What it prints goes into the environment of the job's script and tasks.
echo "export SLURM_TMPDIR=/mnt/$SLURM_JOB_USER.$SLURM_JOB_ID.0"
