// What happens while one looks: a job that goes on, one that is cancelled, a worker that dies.

import assert from 'node:assert/strict';
import { makeNumbers, manyTasks } from './lib/queries.mjs';
import { panel, plain } from './lib/reading.mjs';
import { scene, test } from './lib/scene.mjs';
import { LONG, until } from './lib/wait.mjs';

/** Tasks of a job. One that ends while somebody looks has short ones. */
const MANY = 64;
/** How long each of them takes then: long enough that a page sees some moments before the next task ends. */
const SHORT = { rounds: 12 };
/** Tasks of a job that goes on until it is cancelled. */
const ENDLESS = 256;

const here = scene({ workers: 2 }, makeNumbers);

/**
 * Starts a query, and gives its job as soon as it runs.
 *
 * @param {string} query
 */
async function start(query) {
  const before = (await here.cluster.jobs()).at(-1)?.id ?? -1;
  const process = here.cluster.startSql(query);
  const job = await until('a job that runs', async () => {
    assert.ok(process.isRunning, process.stderr);
    const latest = (await here.cluster.jobs()).at(-1);
    return latest && latest.id > before && latest.state === 'running' && latest;
  });
  return { job, process };
}

/** Ends a job that a test leaves behind. @param {{ id: number }} job */
async function stop(job) {
  const how = { method: 'POST', token: here.cluster.access.token };
  await here.cluster.ask(`api/v2/jobs/${job.id}/cancel`, how);
  await here.cluster.waitUntilIdle();
}

/** How many tasks of the one job at work are done, as bars say it. @param {import('playwright-core').Locator} part */
async function doneOnBar(part) {
  const label = await part.getByRole('img', { name: /of [\d\s]+ tasks done/ }).first()
    .getAttribute('aria-label');
  const [, done, total] = /^([\d\s]+) of ([\d\s]+) tasks done/.exec(label ?? '') ?? [];
  return { done: Number((done ?? '').replaceAll(/\s/g, '')), total: Number((total ?? '').replaceAll(/\s/g, '')) };
}

for (const [where, route] of /** @type {[string, (id: number) => string][]} */ ([
  ['the overview', () => '#/'],
  ['the page of the job', (id) => `#/jobs/${id}`],
  ['the list of jobs', () => '#/jobs'],
])) {
  test(`${where} shows how a job goes on, as the scheduler counts it, and that it is done`, async () => {
    const visit = await here.visit();
    await visit.live();
    const main = visit.page.getByRole('main');
    const look = async () => {
      const begun = await start(manyTasks(MANY, SHORT));
      await visit.go(route(begun.job.id));
      await main.getByText(`job-${begun.job.id}`, { exact: true }).first().waitFor();
      return begun;
    };
    let { job, process } = await look();
    const seen = new Set();
    await until('progress that is seen at three moments', async () => {
      const before = await here.cluster.get(`jobs/${job.id}`);
      if (before.state !== 'running') {
        // On a busy machine a job may end before it was read often enough.
        ({ job, process } = await look());
        return false;
      }
      const part = where === 'the list of jobs' ? main.getByRole('row').filter({ hasText: `job-${job.id}` }) : main;
      const shown = await doneOnBar(part);
      const after = await here.cluster.get(`jobs/${job.id}`);
      assert.ok(shown.done <= after.tasks.done, `${shown.done} of ${after.tasks.done} are shown`);
      if (shown.done >= before.tasks.done && shown.done > 0) {
        seen.add(shown.done);
      }
      return seen.size >= 3;
    }, LONG);
    await process.ok(LONG);
    await until('a job that is done', async () => {
      const row = plain(await main.innerText());
      return row.includes('done');
    });
    visit.assertQuiet(here.cluster.origin);
  });
}

test('the button that cancels a job asks first; then the job is cancelled, and the page says so', async () => {
  const { job } = await start(manyTasks(ENDLESS));
  const visit = await here.visit();
  await visit.live();
  await visit.go(`#/jobs/${job.id}`);
  const { page } = visit;
  const state = async () => (await here.cluster.get(`jobs/${job.id}`)).state;
  const first = page.getByRole('button', { name: 'Cancel…' });
  const question = page.getByText(`Cancel job-${job.id}?`);
  await first.click();
  // One press changes nothing, and there is a way back.
  await question.waitFor();
  assert.equal(await state(), 'running');
  await page.getByRole('button', { name: 'Keep it' }).click();
  await question.waitFor({ state: 'detached' });
  await first.click();
  assert.equal(await state(), 'running');
  await page.getByRole('button', { name: 'Cancel the job' }).click();
  await until('a cancelled job', async () => (await state()) === 'cancelled');
  const head = page.getByRole('region', { name: 'Summary of the job' });
  await until('a page that says so', async () => /\bcancelled\b/.test(await head.innerText()));
  assert.equal(await page.getByRole('button', { name: /cancel/i }).count(), 0);
  visit.assertQuiet(here.cluster.origin);
  await here.cluster.waitUntilIdle();
});

test('the button that retires a worker asks first; then the worker leaves, and the page says so', async () => {
  const visit = await here.visit();
  await visit.live();
  here.cluster.startWorker({ name: 'old' });
  const row = async () => (await here.cluster.workerRows()).findLast((one) => one.name === 'old');
  const { id } = await until('the worker', row);
  await visit.go(`#/workers/${id}`);
  const { page } = visit;
  const first = page.getByRole('button', { name: 'Retire…' });
  const question = page.getByText('Retire old?');
  await first.click();
  await question.waitFor();
  await page.getByRole('button', { name: 'Keep it' }).click();
  await question.waitFor({ state: 'detached' });
  assert.equal((await row()).state, 'up');
  await first.click();
  await page.getByRole('button', { name: 'Retire the worker' }).click();
  await until('a worker that has left', async () => (await row()).state === 'left');
  await until('a page that says so', async () => /\bleft\b|\bretired\b/.test(await page.getByRole('main').innerText()));
  assert.equal(await page.getByRole('button', { name: /retire/i }).count(), 0);
  visit.assertQuiet(here.cluster.origin);
});

test('the rows of a table stay in place while one points at them or a job ends elsewhere', async () => {
  const { job } = await start(manyTasks(ENDLESS));
  const visit = await here.visit();
  await visit.live();
  await visit.go('#/jobs');
  const link = visit.page.getByRole('main').getByRole('link', { name: `job-${job.id}`, exact: true });
  await link.first().focus();
  const before = (await here.cluster.get(`jobs/${job.id}`)).tasks.done;
  await until('progress', async () => (await here.cluster.get(`jobs/${job.id}`)).tasks.done > before + 2, LONG);
  // Figures came, and the keyboard's place is where it was: rows are not made anew.
  assert.ok(await link.first().evaluate((one) => one === document.activeElement));
  await stop(job);
});

test('a worker that is killed is shown as lost, with the cause, on its page, in the list and among the events', async () => {
  const visit = await here.visit();
  await visit.live();
  const doomed = here.cluster.startWorker({ name: 'doomed' });
  await visit.go('#/workers');
  const rowIn = (/** @type {string} */ title) => panel(visit.page, title).getByRole('row')
    .filter({ hasText: 'doomed' });
  const [there, gone] = [rowIn('Workers'), rowIn('Disconnected workers')];
  await until('the worker', async () => /\bup\b/.test(await there.innerText({ timeout: 1000 })));
  // The lines of its log come with its heartbeats, before what it measured.
  await until('its first heartbeat', async () => (await here.cluster.workerRows())
    .some((one) => one.name === 'doomed' && one.metrics.resident_bytes > 0));
  await doomed.kill();
  await until('its loss', async () => /\blost\b/.test(await gone.innerText({ timeout: 1000 })));
  assert.equal(await there.count(), 0);
  const told = (await here.cluster.workerRows()).findLast((one) => one.name === 'doomed');
  assert.equal(told.state, 'lost');
  assert.ok(told.cause);
  await until('the cause in the list', async () => plain(await gone.innerText()).includes(plain(told.cause)));
  await gone.getByRole('link', { name: 'doomed' }).click();
  await until('the cause on its page', async () => {
    const text = plain(await visit.page.getByRole('main').innerText());
    return text.includes(plain(told.cause)) && /\blost\b/.test(text);
  });
  // No page was open while it ran: the lines came with its heartbeats.
  await until('the end of its log', async () => /registered/.test(await panel(visit.page, 'Log').innerText()));
  await visit.go('#/events');
  await until('the loss among the events', async () => {
    const text = plain(await visit.page.getByRole('main').innerText());
    return /doomed/.test(text) && text.includes(plain(told.cause));
  });
  await visit.go('#/');
  const attention = panel(visit.page, /attention/i);
  await until('the loss where it needs attention', async () => /lost|doomed/.test(await attention.innerText()));
  visit.assertQuiet(here.cluster.origin);
});

test('the page of a job shows what its operators did, though nobody asked for it', async () => {
  const visit = await here.visit();
  await visit.live();
  const { job, process } = await start(manyTasks(MANY, SHORT));
  await process.ok(LONG);
  await visit.go(`#/jobs/${job.id}`);
  const plan = panel(visit.page, 'Plan');
  await until('the figures of its operators', async () => {
    const rows = plan.getByRole('row').filter({ hasText: 'DataSourceExec' });
    return Number((await rows.first().getByRole('cell').nth(1).getAttribute('title'))?.replaceAll(/\D/g, '')) > 0;
  });
  visit.assertQuiet(here.cluster.origin);
});
