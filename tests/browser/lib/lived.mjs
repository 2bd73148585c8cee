// A cluster that has lived: jobs of every kind behind it, a worker lost, and one job at work.

import { FAILING, SHUFFLE, makeNumbers, manyTasks } from './queries.mjs';
import { until } from './wait.mjs';

/** Tasks of the job that is at work, and how often each works on its file: more than there is time for. */
const TASKS = 300;
const TIMES = 4;

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
  await until('a job that fails', async () => {
    const failing = cluster.startSql(FAILING);
    await failing.ended;
    return failing.code !== 0;
  });
  const stopped = cluster.startSql(manyTasks(TASKS, { name: 'stopped', times: TIMES }));
  await cluster.waitForJob('running');
  await stopped.kill('SIGINT');
  await cluster.waitForJob('cancelled');
  const doomed = cluster.startWorker();
  await cluster.waitForWorkers(3);
  await doomed.kill();
  await cluster.waitForWorkers(2);
  cluster.startSql(manyTasks(TASKS, { name: 'present', times: TIMES }));
  await until('a job at work', async () => {
    const job = (await cluster.jobs()).at(-1);
    return job.state === 'running' && job.tasks.done > 0;
  });
}
