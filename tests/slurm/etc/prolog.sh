#!/bin/bash
# Runs as root on every host of a job before it starts: its scratch folder on the host's disk.
scratch=/mnt/$SLURM_JOB_USER.$SLURM_JOB_ID.0
mkdir -p "$scratch" && chown "$SLURM_JOB_UID" "$scratch" && chmod 700 "$scratch"
