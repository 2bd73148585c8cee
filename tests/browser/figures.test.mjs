// What a page shows is what the REST API says, while nothing changes.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { FAILING, SHUFFLE, makeNumbers, manyTasks } from './lib/queries.mjs';
import { figures, isBytes, number, panel, plain, rows } from './lib/reading.mjs';
import { scene, test } from './lib/scene.mjs';
import { until } from './lib/wait.mjs';

describe('a cluster at rest, with jobs behind it', () => {
  const here = scene({ workers: 2 }, async (cluster) => {
    await makeNumbers(cluster);
    await cluster.sql(SHUFFLE);
    await cluster.startSql(FAILING).ended;
    await cluster.sql("select count(*) as n from 'numbers/*.parquet'");
    await cluster.waitUntilIdle();
  });

  /** Opens a page of it. @param {string} route */
  async function open(route) {
    const visit = await here.visit();
    await visit.live();
    await visit.go(route);
    return visit.page;
  }

  test('the overview has the figures of the cluster', async () => {
    const page = await open('#/');
    const said = await here.cluster.get('cluster');
    await until('the same figures', async () => {
      const shown = await figures(page.getByRole('main'));
      for (const [state, count] of Object.entries(said.tasks)) {
        assert.equal(number(shown[state] ?? ''), count, `${state}: ${JSON.stringify(shown)}`);
      }
      assert.match(shown['workers'] ?? '', new RegExp(`^${said.workers}\\b`), JSON.stringify(shown));
      return true;
    });
  });

  test('the list of jobs has each job, with its state, tasks and rows', async () => {
    const page = await open('#/jobs');
    const said = (await here.cluster.jobs()).reverse();
    assert.ok(said.length >= 3);
    await until('the same jobs', async () => {
      const table = page.getByRole('main').getByRole('table').or(page.getByRole('main').getByRole('grid'));
      const shown = await rows(table.first());
      const texts = shown.map((row) => plain(Object.values(row).join(' ')));
      assert.equal(texts.length, said.length);
      for (const job of said) {
        const text = texts.find((one) => one.includes(`job-${job.id}`));
        assert.ok(text?.includes(job.state), `${job.name}, ${job.state}: ${text}`);
      }
      return true;
    });
  });

  test('the page of a job has its query, its error, and each group with its tasks, rows and bytes', async () => {
    for (const job of await here.cluster.jobs()) {
      const page = await open(`#/jobs/${job.id}`);
      const { groups } = await here.cluster.get(`jobs/${job.id}/groups`);
      await until('the same groups', async () => {
        const text = plain(await page.getByRole('main').innerText());
        assert.ok(text.includes(plain(job.text)), `${job.text} is not in ${text}`);
        assert.ok(text.includes(plain(job.error)), `${job.error} is not in ${text}`);
        const shown = await rows(panel(page, /^groups/i).getByRole('table').or(panel(page, /^groups/i).getByRole('grid')).first());
        assert.equal(shown.length, groups.length);
        for (const [at, group] of groups.entries()) {
          const row = shown[at] ?? {};
          assert.ok(Object.values(row).some((cell) => cell.includes(group.name)), JSON.stringify(row));
          assert.equal(number(row['Rows'] ?? ''), group.rows, JSON.stringify(row));
          assert.ok(isBytes(row['Bytes'] ?? '', group.bytes), JSON.stringify(row));
        }
        return true;
      });
    }
  });

  test('the list of workers has each worker, with its host, state, slots and limit', async () => {
    const page = await open('#/workers');
    const said = await here.cluster.workerRows();
    await until('the same workers', async () => {
      const table = page.getByRole('main').getByRole('table').or(page.getByRole('main').getByRole('grid'));
      const shown = await rows(table.first());
      assert.equal(shown.length, said.length);
      for (const worker of said) {
        const row = shown.find((one) => Object.values(one).some((cell) => cell.includes(worker.name)));
        const text = plain(Object.values(row ?? {}).join(' '));
        assert.ok(text.includes(worker.host) && text.includes(worker.state), text);
        assert.equal(number(row?.['Slots'] ?? ''), worker.slots, text);
      }
      return true;
    });
  });

  test('the page of a worker has its facts', async () => {
    for (const worker of await here.cluster.workerRows()) {
      const page = await open(`#/workers/${worker.id}`);
      await until('the same facts', async () => {
        const text = plain(await page.getByRole('main').innerText());
        for (const fact of [worker.name, worker.host, worker.address, worker.local_directory, String(worker.pid)]) {
          assert.ok(text.includes(fact), `${fact} is not in ${text}`);
        }
        return true;
      });
    }
  });

  test('the page of the scheduler has its version and address', async () => {
    const page = await open('#/scheduler');
    const said = await here.cluster.get('cluster');
    await until('the same facts', async () => {
      const text = plain(await page.getByRole('main').innerText());
      return text.includes(said.version) && text.includes(said.address);
    });
  });
});

describe('a job that waits for workers, of which there are none', () => {
  const here = scene({ workers: 0 }, async (cluster) => {
    await makeNumbers(cluster);
    cluster.startSql(manyTasks(16));
    await until('a job', async () => (await cluster.jobs()).length === 1);
  });

  test('each of its tasks is listed with its state, and filters leave out the others', async () => {
    const [job] = await here.cluster.jobs();
    const visit = await here.visit();
    await visit.live();
    for (const filter of ['', '&state=ready', '&state=waiting', '&group=0', '&group=0&state=waiting']) {
      const { tasks } = await here.cluster.get(`jobs/${job.id}/tasks?limit=200${filter}`);
      await visit.go(`#/tasks?job=${job.id}${filter}`);
      await until(`tasks with ${filter}`, async () => {
        const main = visit.page.getByRole('main');
        const links = await main.getByRole('link', { name: /^\d+\.\d+\.\d+$/ }).allInnerTexts();
        const wanted = tasks.map((/** @type {any} */ { id }) => `${id.group.job}.${id.group.index}.${id.index}`);
        assert.deepEqual(links.map(plain), wanted);
        return true;
      });
    }
  });

  test('the page of a task says why it is not running', async () => {
    const [job] = await here.cluster.jobs();
    const { tasks } = await here.cluster.get(`jobs/${job.id}/tasks?state=ready&limit=1`);
    const { group, index } = tasks[0].id;
    const visit = await here.visit();
    await visit.live();
    await visit.go(`#/tasks/${group.job}.${group.index}.${index}`);
    await until('the reason', async () => /no worker/i.test(await visit.page.getByRole('main').innerText()));
  });

  test('what is wrong with the cluster is said on the overview', async () => {
    const visit = await here.visit();
    await visit.live();
    await until('the notice', async () => /no worker/i.test(await panel(visit.page, /attention/i).innerText()));
  });
});
