#!/bin/bash
# Runs as root on every host of a job after its end: kills what the job left behind (without
# control groups Slurm does not see what bash left in the background), then drops the scratch.
# A host has a process namespace of its own, so no other host's processes are seen.
[[ $SLURM_JOB_ID =~ ^[0-9]+$ ]] || exit 0
for file in /proc/[0-9]*/environ; do
  pid=${file//[!0-9]/}
  [ "$pid" != $$ ] && [ "$pid" != "$PPID" ] || continue
  tr '\0' '\n' <"$file" | grep -qx "SLURM_TMPDIR=/mnt/.*\.$SLURM_JOB_ID\.0" && kill -9 "$pid"
done 2>/dev/null
# For the tests: what the job left in its scratch.
find "/mnt/$SLURM_JOB_USER.$SLURM_JOB_ID.0" -mindepth 1 >"/srv/log/left-$SLURM_JOB_ID-$(hostname)" 2>/dev/null
rm -rf --one-file-system "/mnt/$SLURM_JOB_USER.$SLURM_JOB_ID.0"
exit 0
