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
  cluster.startSql(manyTasks(TASKS, { name: 'present', rounds: ROUNDS, files: '*' }));
  await until('a job at work', async () => {
    const job = (await cluster.jobs()).at(-1);
    return job.state === 'running' && job.tasks.done > 0;
  }, LONG);
}
