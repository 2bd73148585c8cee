// A scheduler that goes, and comes back or not.

import assert from 'node:assert/strict';
import { scene, test } from './lib/scene.mjs';
import { until } from './lib/wait.mjs';

const here = scene({ workers: 1 });

/** How strongly the figures are drawn: 1 is in full. @param {import('./lib/browser.mjs').Visit} visit */
const strength = ({ page }) => page.getByRole('main')
  .evaluate((main) => Number(getComputedStyle(main).opacity));

/** Waits until the page says that it is cut off, and dims what it shows. @param {import('./lib/browser.mjs').Visit} visit */
async function cutOff(visit) {
  await until('a page that says that it is cut off', async () => {
    const said = await visit.link.innerText();
    return /reconnecting|not reachable/i.test(said) && (await strength(visit)) < 1;
  });
}

/** Waits until the page says that its figures are of now, and draws them in full. @param {import('./lib/browser.mjs').Visit} visit */
async function inFull(visit) {
  await until('figures of now, drawn in full', async () => (
    /\blive\b/i.test(await visit.link.innerText()) && (await strength(visit)) === 1
  ));
}

test('when the scheduler is killed the page says so and dims; when it is back, the page lives again by itself', async () => {
  const visit = await here.visit();
  await inFull(visit);
  const before = here.cluster.access;
  await here.cluster.scheduler.kill();
  await cutOff(visit);
  // What was known is still to be seen.
  assert.ok((await visit.text()).includes(here.cluster.name));
  await here.cluster.restartScheduler();
  assert.deepEqual(
    [here.cluster.access.address, here.cluster.access.token],
    [before.address, before.token],
  );
  await inFull(visit);
  await here.cluster.waitForWorkers(1);
});

test('a scheduler that comes back with another token is not shown to those who know the old one', async () => {
  const visit = await here.visit();
  await visit.live();
  const old = here.cluster.pageToken;
  await here.cluster.restartScheduler('another-token-0123456789');
  await visit.page.getByLabel(/token/i).waitFor();
  await visit.page.getByRole('alert').getByText(/refused/i).waitFor();
  assert.ok(!(await visit.page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes(old));
});

test('a scheduler that ends in order is one that is gone, and its page tries on', async () => {
  const visit = await here.visit();
  await visit.live();
  await here.cluster.scheduler.kill('SIGTERM');
  await cutOff(visit);
  await here.cluster.restartScheduler();
  await visit.live();
});
