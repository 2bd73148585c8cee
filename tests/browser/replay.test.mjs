// After the scheduler's end: a journal that is replayed, and a report in one file.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ROUTES } from './lib/routes.mjs';
import { scene, test } from './lib/scene.mjs';
import { SHUFFLE, makeNumbers } from './lib/queries.mjs';
import { until } from './lib/wait.mjs';

/** @type {string} */
let journal = '';

const here = scene({ workers: 1 }, async (cluster) => {
  await makeNumbers(cluster);
  await cluster.sql(SHUFFLE);
});

/** Ends the cluster, and gives the journal that it left. */
async function journalOfThePast() {
  if (!journal) {
    await here.cluster.scheduler.kill('SIGTERM');
    const folder = here.cluster.place.path('home');
    const found = readdirSync(folder, { recursive: true }).map(String)
      .find((name) => /journal/.test(name));
    assert.ok(found, `no journal in ${folder}`);
    journal = here.cluster.place.path('home', found);
  }
  return journal;
}

test('a journal is played again on the same pages, and moves with its slider', async () => {
  const file = await journalOfThePast();
  const replay = here.cluster.place.partita(['dashboard', '--replay', file, '--port', '0']);
  const link = await until('the link', () => {
    assert.ok(replay.isRunning, replay.stderr);
    return /http:\S+/.exec(replay.stdout + replay.stderr)?.[0];
  });
  const visit = await here.visit(link);
  await until('a replay', async () => /replay/i.test(await visit.link.innerText()));
  const slider = visit.page.getByRole('slider');
  await slider.focus();
  await visit.page.keyboard.press('End');
  await visit.go('#/jobs');
  await visit.page.getByRole('link', { name: 'job-1' }).first().waitFor();
  await visit.page.getByRole('button', { name: /cancel/i }).waitFor({ state: 'detached' });
  await slider.focus();
  await visit.page.keyboard.press('Home');
  await visit.page.getByRole('link', { name: 'job-1' }).first().waitFor({ state: 'detached' });
  // Another page has its own clock, which begins at the end.
  const other = await here.visit(link);
  await until('a replay', async () => /replay/i.test(await other.link.innerText()));
  await other.go('#/jobs');
  await other.page.getByRole('link', { name: 'job-1' }).first().waitFor();
  assert.equal(await visit.page.getByRole('link', { name: 'job-1' }).count(), 0);
  visit.assertQuiet(new URL(link).origin);
});

test('a report is one file that opens without a network', async () => {
  const file = await journalOfThePast();
  const out = here.cluster.place.path('data', 'report.html');
  await here.cluster.place.partita(['report', file, '-o', out]).ok();
  const address = pathToFileURL(out).href;
  const visit = await here.visit(address);
  await until('the pages', async () => (await visit.page.getByRole('navigation').getByRole('link').count()) === ROUTES.length);
  for (const { name, route } of ROUTES) {
    await visit.go(route);
    await until(name, async () => (await visit.page.title()).startsWith(`${name} `));
  }
  assert.deepEqual(visit.sockets, []);
  visit.assertQuiet(address);
});
