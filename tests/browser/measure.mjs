// How fast the page is there over a slow line: a report, not a test, since a busy machine is slow too.
//
// `node tests/browser/measure.mjs` prints one line of JSON for each line and run.

import { launch } from './lib/browser.mjs';
import { Cluster } from './lib/cluster.mjs';
import { firstVisit } from './lib/first_visit.mjs';

const RUNS = 5;

/** 5 Mbit/s with 40 ms is an SSH tunnel from home. @type {[string, Parameters<typeof firstVisit>[2]][]} */
const LINES = [
  ['as fast as it goes', undefined],
  ['5 Mbit/s, 40 ms', { bytesPerSecond: 625_000, latency: 40 }],
  ['1 Mbit/s, 100 ms', { bytesPerSecond: 125_000, latency: 100 }],
];

const cluster = await Cluster.start({ workers: 1 });
const browser = await launch();
try {
  for (const [name, line] of LINES) {
    for (let run = 1; run <= RUNS; run += 1) {
      const { bytes, paintMs, liveMs } = await firstVisit(browser, cluster.link, line);
      const rounded = { paint_ms: Math.round(paintMs), live_ms: Math.round(liveMs) };
      console.log(JSON.stringify({ line: name, run, bytes, ...rounded }));
    }
  }
} finally {
  await browser.close();
  await cluster.close();
}
