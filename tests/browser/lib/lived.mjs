// A cluster that has lived: jobs of every kind behind it, a worker lost, and one job at work.

import { FAILING, SHUFFLE, makeNumbers, manyTasks } from './queries.mjs';
import { LONG, until } from './wait.mjs';

/** What makes the job that is at work take more time than there is. */
const TASKS = 64;
const ROUNDS = 40;
/** Tasks of the job that is stopped. */
const STOPPED = 16;

/** What it is started with. */
export const LIVED = { workers: 2, threads: 1 };

/**
 * Gives a cluster a past and a present.
 *
 * @param {import('./cluster.mjs').Cluster} cluster
 */
export async function live(cluster) {
  await makeNumbers(cluster);
  await cluster.sql(SHUFFLE);
  await cluster.sql("create table kept as select k, s from 'numbers/*.parquet' where k < 1000");
  await cluster.startSql(FAILING).ended;
  await cluster.waitForJob('failed');
  const stopped = cluster.startSql(manyTasks(STOPPED, { name: 'stopped' }));
  await cluster.waitForJob('running');
  await stopped.kill('SIGINT');
  await cluster.waitForJob('cancelled');
  const doomed = cluster.startWorker();
  await cluster.waitForWorkers(3);
  await doomed.kill();
  await cluster.waitForWorkers(2);
  await atWork(cluster);
}

/** Who asked for the job at work. @type {import('./place.mjs').Process | undefined} */
let asker;

/**
 * Gives the job at work. If the one before has ended, another is begun.
 *
 * @param {import('./cluster.mjs').Cluster} cluster
 */
export function atWork(cluster) {
  return until('a job at work', async () => {
    if (!asker?.isRunning) {
      asker = cluster.startSql(manyTasks(TASKS, { name: 'present', rounds: ROUNDS, files: '*' }));
    }
    const job = (await cluster.jobs()).at(-1);
    const { waiting, ready, running, done } = job.tasks;
    return job.state === 'running' && Math.min(waiting, ready, running, done) > 0 && job;
  }, LONG);
}
