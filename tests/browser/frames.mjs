// How long pictures of the pages take: a report, not a test, since a busy machine is slow too.
//
// `node tests/browser/frames.mjs LINK [PAGE]` prints one line of JSON for each page: the time between
// two pictures while figures come (`p95_ms`, `longest_ms`), and what the main thread worked for each
// (`work_ms`), which other programs on the machine disturb less.

import { setTimeout as sleep } from 'node:timers/promises';
import { launch, visit } from './lib/browser.mjs';
import { ROUTES } from './lib/routes.mjs';

/** How long a page is left alone at first, in milliseconds. */
const SETTLE_MS = 3000;
/** How long it is watched, in milliseconds. */
const WATCH_MS = 8000;

const [link, only] = process.argv.slice(2);
if (!link) {
  throw new Error('node tests/browser/frames.mjs LINK [PAGE]');
}

/** Times between pictures while so long passes. @param {number} watchMs */
const pictures = (watchMs) => new Promise((resolve) => {
  /** @type {number[]} */
  const gaps = [];
  const begun = performance.now();
  let before = begun;
  const step = () => {
    const now = performance.now();
    gaps.push(now - before);
    before = now;
    if (now - begun < watchMs) {
      requestAnimationFrame(step);
    } else {
      resolve(gaps);
    }
  };
  requestAnimationFrame(step);
});

/** What the main thread did so far, in seconds. @param {import('playwright-core').CDPSession} devtools */
async function worked(devtools) {
  const { metrics } = await devtools.send('Performance.getMetrics');
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

const PAGES = [
  ...ROUTES,
  { name: 'Job', route: '#/jobs/1' },
  { name: 'Tasks of a job', route: '#/tasks?job=1&state=running' },
  { name: 'Worker', route: '#/workers/7' },
].filter(({ name }) => !only || name === only);

const browser = await launch();
try {
  for (const { name, route } of PAGES) {
    const opened = await visit(browser, link);
    await opened.live();
    await opened.go(route);
    const devtools = await opened.page.context().newCDPSession(opened.page);
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    await sleep(SETTLE_MS);
    const before = await worked(devtools);
    const gaps = /** @type {number[]} */ (await opened.page.evaluate(pictures, WATCH_MS));
    const after = await worked(devtools);
    gaps.sort((one, other) => one - other);
    const spent = (/** @type {string} */ of) => ((after[of] ?? 0) - (before[of] ?? 0)) * 1000;
    const rounded = (/** @type {number} */ ms) => Math.round(ms * 100) / 100;
    // Figures come ten times a second at most: that many pictures are work.
    const drawn = WATCH_MS / 100;
    console.log(JSON.stringify({
      page: name,
      pictures: gaps.length,
      p95_ms: rounded(gaps[Math.floor(gaps.length * 0.95)] ?? Number.NaN),
      longest_ms: rounded(gaps.at(-1) ?? Number.NaN),
      work_ms: rounded(spent('TaskDuration') / drawn),
      script_ms: rounded(spent('ScriptDuration') / drawn),
      layout_ms: rounded((spent('LayoutDuration') + spent('RecalcStyleDuration')) / drawn),
    }));
    await opened.close();
  }
} finally {
  await browser.close();
}
