// Every page, in both looks and on a wide and a narrow screen: it is drawn, it fits, its console is
// clean, and those who do not see it as others do can use it. A picture of each is kept.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe } from 'node:test';
import { graveFindings } from './lib/axe.mjs';
import { SIZES, THEMES } from './lib/browser.mjs';
import { LIVED, atWork, live } from './lib/lived.mjs';
import { panel } from './lib/reading.mjs';
import { ROUTES } from './lib/routes.mjs';
import { scene, test } from './lib/scene.mjs';
import { screenshots } from './lib/surroundings.mjs';
import { until } from './lib/wait.mjs';

const here = scene(LIVED, live);

/**
 * A page and how one knows that it is the one.
 *
 * @typedef {{ name: string, tab: string, route: () => string | Promise<string>, title: RegExp }} Page
 */

/** The job at work. */
const presentJob = () => atWork(here.cluster);
/** The last job in a state. @param {string} state */
const lastJob = async (state) => (await here.cluster.jobs()).findLast((job) => job.state === state);
/** A worker in a state. @param {string} state */
const worker = async (state) => (await here.cluster.workerRows()).find((row) => row.state === state);
/** A task of the job at work. */
const task = async (/** @type {string} */ state) => {
  const { id } = await presentJob();
  const { tasks } = await here.cluster.get(`jobs/${id}/tasks?state=${state}&limit=1`);
  return `#/tasks/${id}.${tasks[0].id.stage.index}.${tasks[0].id.index}`;
};

/** @type {Page[]} */
const PAGES = [
  ...ROUTES.map(({ name, route }) => ({ name, tab: name, route: () => route, title: new RegExp(`^${name} `) })),
  { name: 'Job at work', tab: 'Jobs', route: async () => `#/jobs/${(await presentJob()).id}`, title: /^job-\d+ / },
  { name: 'Job that is done', tab: 'Jobs', route: async () => `#/jobs/${(await lastJob('done')).id}`, title: /^job-\d+ / },
  { name: 'Job that failed', tab: 'Jobs', route: async () => `#/jobs/${(await lastJob('failed')).id}`, title: /^job-\d+ / },
  { name: 'Job that is not known', tab: 'Jobs', route: () => '#/jobs/999999', title: /^job-999999 / },
  { name: 'Tasks of a stage', tab: 'Tasks', route: async () => `#/tasks?job=${(await presentJob()).id}&stage=0&state=ready`, title: /^Tasks / },
  { name: 'Task at work', tab: 'Tasks', route: () => task('running'), title: /^task \d+\.\d+\.\d+ / },
  { name: 'Task that waits', tab: 'Tasks', route: () => task('waiting'), title: /^task \d+\.\d+\.\d+ / },
  { name: 'Worker', tab: 'Workers', route: async () => `#/workers/${(await worker('up')).id}`, title: /^worker-\d+ / },
  { name: 'Worker that was lost', tab: 'Workers', route: async () => `#/workers/${(await worker('lost')).id}`, title: /^worker-\d+ / },
  { name: 'Table', tab: 'Tables', route: async () => `#/tables/${(await lastJob('persisted')).id}`, title: /^Tables? / },
  { name: 'No such page', tab: '', route: () => '#/no/such/page', title: /^No such page / },
];

/**
 * Waits until a page is drawn and nothing of it is still on its way.
 *
 * @param {import('./lib/browser.mjs').Visit} visit
 * @param {Page} wanted
 */
async function drawn(visit, wanted) {
  const { page } = visit;
  await until(`the title of ${wanted.name}`, async () => wanted.title.test(await page.title()));
  if (wanted.tab) {
    await page.getByRole('navigation').getByRole('link', { name: wanted.tab, exact: true })
      .and(page.locator('[aria-current=page]')).waitFor();
  }
  await until(`all of ${wanted.name}`, async () => {
    const text = await page.getByRole('main').innerText();
    assert.doesNotMatch(text, /^(Loading…|Waiting for the scheduler)/m);
    return text.trim().length > 0;
  });
  assert.doesNotMatch(await page.getByRole('main').innerText(), /is not there yet/);
}

/** How far the page is wider than the screen, in pixels. @param {import('playwright-core').Page} page */
const overhang = (page) => page.evaluate(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  return scrollWidth - clientWidth;
});

for (const theme of THEMES) {
  for (const [width, size] of Object.entries(SIZES)) {
    describe(`in ${theme} and ${width}`, () => {
      for (const wanted of PAGES) {
        test(wanted.name, async () => {
          const visit = await here.visit(here.cluster.link, { theme, size });
          await visit.live();
          await visit.go(await wanted.route());
          await drawn(visit, wanted);
          const folder = path.join(screenshots, `${theme}-${width}`);
          mkdirSync(folder, { recursive: true });
          const file = `${wanted.name.toLowerCase().replaceAll(' ', '-')}.png`;
          await visit.page.screenshot({ path: path.join(folder, file), fullPage: true });
          assert.ok((await overhang(visit.page)) <= 0, 'the page scrolls sideways');
          assert.deepEqual(await graveFindings(visit.page), []);
          assert.ok((await visit.page.getByRole('main').innerText()).trim());
          visit.assertQuiet(here.cluster.origin);
        });
      }
    });
  }
}

test('each look has colours of its own, and follows the system while the page is open', async () => {
  const visit = await here.visit();
  await visit.live();
  const surface = () => visit.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await surface();
  await visit.page.emulateMedia({ colorScheme: 'dark' });
  await until('another colour', async () => (await surface()) !== light);
});

test('a panel has an address of its own, and shows nothing else', async () => {
  const visit = await here.visit();
  await visit.live();
  const { page } = visit;
  await visit.go('#/workers');
  await panel(page, 'Workers at a glance').getByRole('link', { name: 'only this panel' }).click();
  await page.getByRole('navigation').waitFor({ state: 'detached' });
  await panel(page, 'Workers at a glance').waitFor();
  assert.equal(await page.getByRole('region').count(), 1);
  assert.equal(await page.evaluate(() => location.hash), '#/panel/workers-grid/workers');
  assert.deepEqual(await graveFindings(page), []);
  await page.getByRole('link', { name: 'the whole page' }).click();
  await page.getByRole('navigation').first().waitFor();
  visit.assertQuiet(here.cluster.origin);
});

test('colours that the system forces, more contrast and less motion break nothing', async () => {
  for (const media of [
    { forcedColors: /** @type {const} */ ('active') },
    { contrast: /** @type {const} */ ('more') },
    { reducedMotion: /** @type {const} */ ('no-preference') },
  ]) {
    const visit = await here.visit();
    await visit.page.emulateMedia(media);
    await visit.live();
    for (const { route, name } of ROUTES) {
      await visit.go(route);
      await until(name, async () => (await visit.page.title()).startsWith(`${name} `));
      if (media.forcedColors) {
        const folder = path.join(screenshots, 'forced-colors');
        mkdirSync(folder, { recursive: true });
        await visit.page.screenshot({ path: path.join(folder, `${name.toLowerCase()}.png`), fullPage: true });
      }
    }
    visit.assertQuiet(here.cluster.origin);
  }
});

test('a page with doubled type size does not scroll sideways on a narrow screen', async () => {
  // WCAG 1.4.10: 320 pixels are what 1280 are at 400 %.
  const visit = await here.visit(here.cluster.link, { size: { width: 320, height: 640 } });
  await visit.live();
  for (const { route, name } of ROUTES) {
    await visit.go(route);
    await until(name, async () => (await visit.page.title()).startsWith(`${name} `));
    await until(`${name} fits`, async () => (await overhang(visit.page)) <= 0, 5000);
  }
});
