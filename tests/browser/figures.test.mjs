// What a page shows is what the REST API says, while nothing changes.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { FAILING, LARGE, SHUFFLE, makeNumbers, manyTasks } from './lib/queries.mjs';
import { figures, isBytes, number, panel, plain, rows, table } from './lib/reading.mjs';
import { scene, test } from './lib/scene.mjs';
import { until } from './lib/wait.mjs';

/** A row of a table in which some cell has this in it. @param {Record<string, string>[]} shown @param {string} text */
const rowOf = (shown, text) => shown.find((row) => Object.values(row).some((cell) => cell.includes(text)));

/** Opens a page of a cluster. @param {ReturnType<typeof scene>} here @param {string} route */
async function open(here, route) {
  const visit = await here.visit();
  await visit.live();
  await visit.go(route);
  return visit.page;
}

/**
 * Waits until nothing fails any more of what `look` asserts.
 *
 * @param {string} what
 * @param {() => Promise<void>} look
 */
const settles = (what, look) => until(what, async () => {
  await look();
  return true;
});

/** Asserts that a page of a job has the stages that the scheduler has. @param {ReturnType<typeof scene>} here @param {any} job */
async function assertStages(here, job) {
  const page = await open(here, `#/jobs/${job.id}`);
  const { stages } = await here.cluster.get(`jobs/${job.id}/stages`);
  await settles(`the stages of ${job.name}`, async () => {
    const text = plain(await page.getByRole('main').innerText());
    assert.ok(text.includes(plain(job.text)), `${job.text} is not in ${text}`);
    assert.ok(text.includes(plain(job.error)), `${job.error} is not in ${text}`);
    const made = await figures(page.getByRole('region', { name: 'Summary of the job' }));
    assert.equal(number(made['output rows'] ?? ''), job.rows, JSON.stringify(made));
    assert.ok(isBytes(made['output bytes'] ?? '', job.bytes), JSON.stringify(made));
    assert.equal(number(made['rows delivered'] ?? ''), job.delivered_rows, JSON.stringify(made));
    assert.equal(number(made['retries'] ?? ''), job.retries, JSON.stringify(made));
    const shown = await rows(table(panel(page, 'Tasks by stage')));
    assert.equal(shown.length, stages.length);
    for (const [at, stage] of stages.entries()) {
      const row = shown[at] ?? {};
      const total = Object.values(stage.tasks).reduce((sum, count) => sum + count, 0);
      assert.equal(row['Stage'], `${stage.id.index}${plain(stage.name)}`, JSON.stringify(row));
      assert.ok(row['Tasks']?.endsWith(` of ${total}`), JSON.stringify(row));
      assert.equal(number(row['Rows'] ?? ''), stage.rows, JSON.stringify(row));
    }
    const bars = await table(panel(page, 'Tasks by stage')).getByRole('img', { name: /tasks done/ })
      .evaluateAll((all) => all.map((bar) => bar.getAttribute('aria-label') ?? ''));
    assert.deepEqual(
      bars.map((bar) => number(bar.split(' of ', 1).join())),
      stages.map((/** @type {any} */ { tasks }) => tasks.done),
    );
  });
}

describe('a cluster at rest, with jobs behind it and a worker lost', () => {
  const here = scene({ workers: 2 }, async (cluster) => {
    await makeNumbers(cluster);
    await cluster.sql(SHUFFLE);
    await cluster.startSql(FAILING).ended;
    await cluster.sql("select count(*) as n from 'numbers/*.parquet'");
    await cluster.waitUntilIdle();
    await cluster.startWorker({ name: 'doomed' });
    await cluster.waitForWorkers(3);
    await cluster.workers.at(-1)?.kill();
    await cluster.waitForWorkers(2);
  });

  test('the overview has the figures of the cluster', async () => {
    const page = await open(here, '#/');
    const said = await here.cluster.get('cluster');
    await settles('the same figures', async () => {
      const shown = await figures(page.getByRole('main'));
      for (const [state, count] of Object.entries(said.tasks)) {
        assert.equal(number(shown[`tasks ${state}`] ?? ''), count, `${state}: ${JSON.stringify(shown)}`);
      }
      assert.match(shown['workers'] ?? '', new RegExp(`^${said.workers}\\b.*\\b${said.workers_lost} lost`), JSON.stringify(shown));
    });
  });

  test('the list of jobs has each job, with its state, text, tasks, rows and bytes', async () => {
    const page = await open(here, '#/jobs');
    const said = await here.cluster.jobs();
    assert.ok(said.length >= 3);
    await settles('the same jobs', async () => {
      const shown = await rows(table(panel(page, 'Jobs')));
      assert.equal(shown.length, said.length);
      for (const job of said) {
        const row = shown.find((one) => one['Job'] === job.name) ?? {};
        const total = Object.values(job.tasks).reduce((sum, count) => sum + count, 0);
        assert.ok(row['State']?.endsWith(job.state), JSON.stringify(row));
        assert.ok(row['Text']?.includes(plain(job.text)), JSON.stringify(row));
        assert.ok(row['Tasks']?.endsWith(` of ${total}`), JSON.stringify(row));
        assert.equal(number(row['Output rows'] ?? ''), job.rows, JSON.stringify(row));
        assert.ok(isBytes(row['Output bytes'] ?? '', job.bytes), JSON.stringify(row));
        assert.equal(number(row['Retries'] ?? ''), job.retries, JSON.stringify(row));
      }
    });
  });

  test('the page of each job has its query, its error, and each stage with its rows and bytes', async () => {
    for (const job of await here.cluster.jobs()) {
      await assertStages(here, job);
    }
  });

  test('the list of workers has each worker that is there, with its host, state, slots and limit', async () => {
    const page = await open(here, '#/workers');
    const said = (await here.cluster.workerRows()).filter((row) => row.state === 'up');
    await settles('the same workers', async () => {
      const shown = await rows(table(panel(page, 'Workers')));
      assert.equal(shown.length, said.length);
      for (const worker of said) {
        const row = rowOf(shown, worker.name) ?? {};
        const { State, Host, Slots, Limit, Finished } = row;
        assert.match(State ?? '', /\bup$/);
        assert.equal(Host, worker.host);
        assert.equal(Slots, `${worker.metrics.running} / ${worker.slots}`);
        assert.ok(isBytes(Limit ?? '', worker.memory_limit_bytes), Limit);
        assert.equal(number(Finished ?? ''), worker.finished);
      }
    });
  });

  test('a search leaves the workers that have the word, and says when no worker has it', async () => {
    const page = await open(here, '#/workers');
    const [first, second] = (await here.cluster.workerRows()).filter((row) => row.state === 'up');
    const field = page.getByRole('searchbox');
    await field.fill(first.name);
    await settles('one worker', async () => {
      const shown = await rows(table(panel(page, 'Workers')));
      assert.deepEqual(shown.map((row) => row['Name']), [first.name]);
    });
    await field.fill('nothing has this name');
    await panel(page, 'Workers').getByText(/^no worker matches/i).waitFor();
    await field.fill('');
    await panel(page, 'Workers').getByRole('link', { name: second.name }).waitFor();
  });

  test('the list of workers has those that went, with the cause', async () => {
    const page = await open(here, '#/workers');
    const said = (await here.cluster.workerRows()).filter((row) => row.state === 'lost');
    assert.equal(said.length, 1);
    await settles('the same workers', async () => {
      const shown = await rows(table(panel(page, 'Disconnected workers')));
      assert.equal(shown.length, said.length);
      for (const worker of said) {
        const row = rowOf(shown, worker.name) ?? {};
        assert.match(row['State'] ?? '', /\blost$/);
        assert.equal(row['Why'], plain(worker.cause));
      }
    });
  });

  test('the page of a worker has its facts', async () => {
    for (const worker of await here.cluster.workerRows()) {
      const page = await open(here, `#/workers/${worker.id}`);
      await settles(`the facts of ${worker.name}`, async () => {
        const text = plain(await page.getByRole('main').innerText());
        for (const fact of [worker.name, worker.host, worker.cause]) {
          assert.ok(text.includes(plain(fact)), `${fact} is not in ${text}`);
        }
        const shown = await figures(panel(page, 'Facts'));
        assert.equal(shown['data service'], worker.address);
        assert.equal(shown['scratch folder'], worker.local_directory);
        assert.equal(shown['process'], String(worker.pid));
        assert.equal(number(shown['tasks finished'] ?? ''), worker.finished);
      });
    }
  });

  test('the events tell of the job that failed and of the worker that was lost', async () => {
    const page = await open(here, '#/events');
    const failed = (await here.cluster.jobs()).find((job) => job.state === 'failed');
    await settles('both', async () => {
      const failures = plain(await panel(page, 'Failures').innerText());
      assert.ok(failures.includes(failed.name), failures);
      assert.match(failures, /Cannot cast string/);
      const losses = plain(await panel(page, 'Lost workers').innerText());
      assert.match(losses, /doomed/);
      const all = plain(await panel(page, 'All events').innerText());
      assert.match(all, /worker joined/);
    });
  });

  test('the timeline as a table has each task that finished', async () => {
    const page = await open(here, '#/timeline');
    const { tasks_finished: finished } = await here.cluster.get('cluster');
    await page.getByRole('button', { name: 'Show 10 min' }).click();
    await page.getByRole('button', { name: 'View as a table' }).click();
    await settles('the same tasks', async () => {
      const shown = await rows(table(page.getByRole('main')));
      const ended = shown.filter((row) => /finished|done/.test(row['Ended'] ?? ''));
      assert.equal(ended.length, finished, JSON.stringify(shown));
    });
    // The drawing says in a sentence what it shows.
    const sentence = await page.getByRole('main').getByRole('img').first().getAttribute('aria-label');
    assert.ok((sentence ?? '').length > 20, sentence ?? '');
  });

  test('the page of the scheduler has its facts', async () => {
    const page = await open(here, '#/scheduler');
    const said = await here.cluster.get('cluster');
    await settles('the same facts', async () => {
      const shown = await figures(panel(page, 'Facts'));
      assert.equal(shown['cluster'], said.name);
      assert.equal(shown['address'], said.address);
      assert.equal(shown['process'], String(here.cluster.access.pid));
      assert.equal(shown['scheduler version'], said.version);
      assert.equal(shown['page version'], said.version);
    });
  });
});

describe('a result that nobody takes', () => {
  const here = scene({ workers: 2 }, async (cluster) => {
    await makeNumbers(cluster);
    const client = cluster.startSql(LARGE);
    await cluster.waitForJob('running');
    client.child.kill('SIGSTOP');
    await until('all tasks done', async () => {
      const [job] = await cluster.jobs();
      const held = (await cluster.workerRows()).some((row) => row.metrics.stored_bytes > 0);
      return job.tasks.done > 0 && job.tasks.running + job.tasks.ready + job.tasks.waiting === 0 && held;
    });
  });

  test('the overview has its tasks and the memory that it holds', async () => {
    const page = await open(here, '#/');
    const said = await here.cluster.get('cluster');
    assert.ok(said.tasks.done > 0 && said.stored_bytes > 0);
    await settles('the same figures', async () => {
      const shown = await figures(page.getByRole('main'));
      assert.equal(number(shown['done'] ?? ''), said.tasks.done, JSON.stringify(shown));
    });
  });

  test('its page has its stages', async () => {
    const [job] = await here.cluster.jobs();
    await assertStages(here, job);
  });

  test('each of its tasks is listed, with its state, rows and bytes', async () => {
    const [job] = await here.cluster.jobs();
    const { tasks } = await here.cluster.get(`jobs/${job.id}/tasks?limit=200`);
    const page = await open(here, `#/tasks?job=${job.id}`);
    await settles('the same tasks', async () => {
      const all = await Promise.all((await page.getByRole('main').getByRole('table')
        .or(page.getByRole('main').getByRole('grid')).all()).map(rows));
      const shown = all.flat();
      for (const { id, state, rows: made, bytes } of tasks) {
        const row = rowOf(shown, `${id.stage.job}.${id.stage.index}.${id.index}`) ?? {};
        assert.ok(Object.values(row).some((cell) => cell.endsWith(state)), JSON.stringify(row));
        assert.equal(number(row['Rows'] ?? ''), made, JSON.stringify(row));
        assert.ok(isBytes(row['Bytes'] ?? '', bytes), JSON.stringify(row));
      }
    });
  });

  test('the page of data says where its bytes lie, by worker and by stage', async () => {
    const page = await open(here, '#/data');
    const workers = await here.cluster.workerRows();
    await settles('the same bytes', async () => {
      const byWorker = await rows(table(panel(page, 'Memory by worker')));
      for (const { name, metrics } of workers) {
        const row = rowOf(byWorker, name) ?? {};
        assert.ok(isBytes(row['Stored'] ?? '', metrics.stored_bytes), JSON.stringify(row));
      }
      const byStage = await rows(table(panel(page, 'Memory by stage')));
      const held = workers.reduce((sum, { metrics }) => sum + metrics.partitions, 0);
      const shown = byStage.reduce((sum, row) => sum + number(row['Partitions'] ?? ''), 0);
      assert.equal(shown, held, JSON.stringify(byStage));
    });
  });
});

describe('a job that waits for workers, of which there are none', () => {
  const here = scene({ workers: 0 }, async (cluster) => {
    await makeNumbers(cluster);
    cluster.startSql(manyTasks(16));
    await cluster.waitForJob('queued');
  });

  test('each of its tasks is listed, and filters leave out the others', async () => {
    const [job] = await here.cluster.jobs();
    const visit = await here.visit();
    await visit.live();
    for (const filter of ['', '&state=ready', '&state=waiting', '&stage=0', '&stage=0&state=waiting']) {
      const { tasks } = await here.cluster.get(`jobs/${job.id}/tasks?limit=200${filter}`);
      await visit.go(`#/tasks?job=${job.id}${filter}`);
      await settles(`tasks with ${filter}`, async () => {
        const main = visit.page.getByRole('main');
        const links = await main.getByRole('link', { name: /^\d+\.\d+\.\d+$/ }).allInnerTexts();
        const wanted = tasks.map((/** @type {any} */ { id }) => `${id.stage.job}.${id.stage.index}.${id.index}`);
        assert.deepEqual(links.map(plain), wanted);
      });
    }
  });

  test('the page of a task says why it is not running', async () => {
    const [job] = await here.cluster.jobs();
    const { tasks } = await here.cluster.get(`jobs/${job.id}/tasks?state=ready&limit=1`);
    const { stage, index } = tasks[0].id;
    const page = await open(here, `#/tasks/${stage.job}.${stage.index}.${index}`);
    await until('the reason', async () => /no worker/i.test(await page.getByRole('main').innerText()));
  });

  test('pages of workers and of the timeline say that no workers are connected, and how to start one', async () => {
    for (const route of ['#/workers', '#/timeline']) {
      const page = await open(here, route);
      await page.getByRole('main').getByText(/no workers are connected/i).first().waitFor();
    }
  });

  test('the overview shows the problems of the cluster', async () => {
    const page = await open(here, '#/');
    await until('the notice', async () => /no worker/i.test(await panel(page, /attention/i).innerText()));
  });
});
