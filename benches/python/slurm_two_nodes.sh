#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=2 --cpus-per-task=3 --mem=16000M --time=10 --output=bench-%j.out
# Dask on two nodes, as its users' documentation has it, from an environment that is ready.
date +%s.%N >began-$SLURM_JOB_ID
export ADDRESS=tcp://$(hostname):34567
$DASK scheduler --host $(hostname) --port 34567 &
sleep $SLEEP
srun bash -c '
threads=$SLURM_CPUS_PER_TASK; memory=0.5
[ $SLURM_PROCID = 0 ] && threads=$((threads - 1)) memory=0.4
$DASK worker $ADDRESS --no-dashboard --nworkers=1 --nthreads=$threads \
  --memory-limit=$memory --local-directory=$SLURM_TMPDIR' &
sleep $SLEEP
WORKERS=4 $PYTHON mean.py
date +%s.%N >answer-$SLURM_JOB_ID
kill %1 %2
# They were seen not to end by themselves. The time is taken by now.
sleep 3
kill -9 $(jobs -p)
exit 0
