// The page without a mouse.

import assert from 'node:assert/strict';
import { ROUTES } from './lib/routes.mjs';
import { scene, test } from './lib/scene.mjs';
import { until } from './lib/wait.mjs';

/** Presses of the tabulator after which the focus has been on everything that the shell has. */
const TABS = 40;

const here = scene({ workers: 1 });

async function open() {
  const visit = await here.visit();
  await visit.live();
  return visit;
}

/** What has the focus. @param {import('playwright-core').Page} page */
const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  if (!element || element === document.body) {
    return null;
  }
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    name: `${element.tagName} ${element.getAttribute('aria-label') ?? element.textContent ?? ''}`.slice(0, 60).trim(),
    outline: style.outlineStyle === 'none' ? 0 : Number.parseFloat(style.outlineWidth),
    isInView: box.width > 0 && box.height > 0 && box.right > 0 && box.left < innerWidth
      && box.bottom > 0 && box.top < innerHeight,
  };
});

test('digits lead to the pages in the order of the navigation', async () => {
  const { page } = await open();
  const links = page.getByRole('navigation').getByRole('link');
  assert.deepEqual(await links.allInnerTexts(), ROUTES.map(({ name }) => name));
  for (const [at, { name, route }] of [...ROUTES.entries()].reverse()) {
    await page.keyboard.press(String(at + 1));
    await until(name, async () => (await page.title()).startsWith(`${name} `));
    assert.equal(await page.evaluate(() => location.hash), route);
  }
  await page.keyboard.press('0');
  assert.equal(await page.evaluate(() => location.hash), '#/');
});

test('back and forward go through the pages that were seen', async () => {
  const { page } = await open();
  await page.keyboard.press('2');
  await until('Jobs', async () => (await page.title()).startsWith('Jobs '));
  await page.keyboard.press('5');
  await until('Workers', async () => (await page.title()).startsWith('Workers '));
  await page.goBack();
  await until('Jobs', async () => (await page.title()).startsWith('Jobs '));
  await page.goForward();
  await until('Workers', async () => (await page.title()).startsWith('Workers '));
});

test('keys with a modifier are the browser\'s', async () => {
  const { page } = await open();
  await page.keyboard.press('Control+2');
  await page.keyboard.press('Alt+2');
  await page.keyboard.press('3');
  await until('Tasks', async () => (await page.title()).startsWith('Tasks '));
  await page.goBack();
  await until('Overview', async () => (await page.title()).startsWith('Overview '));
});

test('the question mark opens the list of keys, Escape closes it, and the focus goes back', async () => {
  const { page } = await open();
  const help = page.getByRole('button', { name: 'Help' });
  await help.focus();
  await page.keyboard.press('?');
  const list = page.getByRole('dialog');
  await list.waitFor();
  for (const { name } of ROUTES) {
    assert.ok((await list.innerText()).includes(name), name);
  }
  // The focus stays inside of it.
  for (let press = 0; press < 5; press += 1) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(() => document.activeElement === document.body
      || document.activeElement?.closest('dialog') !== null);
    assert.ok(inside, JSON.stringify(await focused(page)));
  }
  await page.keyboard.press('Escape');
  await list.waitFor({ state: 'detached' });
  await until('the focus on what had it', () => help.evaluate((button) => button === document.activeElement));
});

test('the first press of the tabulator shows a link that skips to the figures, and it keeps the address', async () => {
  const visit = await here.visit(`${here.cluster.page}#/timeline&token=${here.cluster.pageToken}`);
  await visit.live();
  const { page } = visit;
  await until('Timeline', async () => (await page.title()).startsWith('Timeline '));
  await page.keyboard.press('Tab');
  const first = await focused(page);
  assert.match(first?.name ?? '', /skip/i);
  assert.ok(first?.isInView);
  await page.keyboard.press('Enter');
  await until('the focus in the figures', () => page.getByRole('main')
    .evaluate((main) => main === document.activeElement || main.contains(document.activeElement)));
  assert.equal(await page.evaluate(() => location.hash), '#/timeline');
});

test('a page that one goes to has the keyboard at once', async () => {
  const { page } = await open();
  await page.getByRole('navigation').getByRole('link', { name: 'Events' }).press('Enter');
  await until('Events', async () => (await page.title()).startsWith('Events '));
  await until('the focus in the page', () => page.getByRole('main')
    .evaluate((main) => main === document.activeElement || main.contains(document.activeElement)));
});

test('whatever has the focus is in view and has a frame that is seen', async () => {
  const { page } = await open();
  for (const { name, route } of ROUTES) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, route);
    await until(name, async () => (await page.title()).startsWith(`${name} `));
    for (let press = 0; press < TABS; press += 1) {
      await page.keyboard.press('Tab');
      const found = await focused(page);
      if (!found) {
        break;
      }
      assert.ok(found.outline >= 2, `${name}: ${found.name} has no frame`);
      assert.ok(found.isInView, `${name}: ${found.name} is out of view`);
    }
  }
});

test('a press of the slash goes to the search field, where digits are text', async () => {
  const { page } = await open();
  await page.keyboard.press('5');
  await until('Workers', async () => (await page.title()).startsWith('Workers '));
  const field = page.getByRole('searchbox').first();
  await field.waitFor();
  await page.keyboard.press('/');
  await until('the focus in the field', () => field.evaluate((one) => one === document.activeElement));
  await page.keyboard.type('12?');
  assert.equal(await field.inputValue(), '12?');
  assert.equal(await page.evaluate(() => location.hash), '#/workers');
  assert.equal(await page.getByRole('dialog').count(), 0);
});

test('the slash leads to the search of the jobs where a page has none of its own', async () => {
  const { page } = await open();
  for (const key of ['1', '4', '9']) {
    await page.keyboard.press(key);
    await until('a page without a search field', async () => await page.getByRole('searchbox').count() === 0);
    await page.keyboard.press('/');
    await until('the focus in the field', () => page.evaluate(() => document.activeElement?.getAttribute('type') === 'search'));
    assert.equal(await page.evaluate(() => location.hash), '#/jobs');
    await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  }
});

test('arrow keys go through the rows of a table, and Enter opens what is there', async () => {
  const { page } = await open();
  await page.keyboard.press('5');
  const [worker] = await here.cluster.workerRows();
  const grid = page.getByRole('grid', { name: 'Workers', exact: true });
  await grid.getByRole('link', { name: worker.name }).waitFor();
  await until('the table under the keyboard', async () => {
    await page.keyboard.press('Tab');
    // What has the focus names the cell that is active: a screen reader follows that.
    return grid.evaluate((table) => table === document.activeElement
      || table.contains(document.activeElement)
      || Boolean(document.activeElement?.contains(table)) && document.activeElement !== document.body);
  });
  await page.keyboard.press('ArrowDown');
  const active = await page.evaluate(() => document.activeElement?.getAttribute('aria-activedescendant'));
  assert.ok(active, 'the element with the focus names no active cell');
  assert.ok(await page.evaluate((id) => document.getElementById(id) !== null, active));
  await page.keyboard.press('Enter');
  await until('the page of the worker', async () => (await page.evaluate(() => location.hash)) === `#/workers/${worker.id}`);
});

test('the space bar holds the figures and lets them go on', async () => {
  const visit = await open();
  const { page } = visit;
  const frame = async () => (await page.locator('footer [title*=frame]').getAttribute('title'))?.match(/frame ([\d\s]+)/)?.[1];
  await page.keyboard.press('Space');
  await until('a paused page', async () => /paused/.test(await visit.link.innerText()));
  const held = await frame();
  assert.ok(held);
  // What the page shows is held when it says so: whatever comes then, and whatever goes on here.
  await here.cluster.sql('select 1');
  await here.cluster.waitUntilIdle();
  assert.equal(await frame(), held);
  await page.keyboard.press('Space');
  await visit.live();
  await until('new figures', async () => (await frame()) !== held);
});

test('the choice of colours goes round and is kept', async () => {
  const visit = await open();
  const { page } = visit;
  const surface = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const button = (/** @type {string} */ present) => page
    .getByRole('button', { name: new RegExp(`^Colours: ${present}`) });
  const light = await surface();
  await button('system').press('Enter');
  await button('light').press('Enter');
  await button('dark').waitFor();
  const dark = await surface();
  assert.notEqual(dark, light);
  await page.reload();
  await visit.live();
  assert.equal(await surface(), dark);
});
