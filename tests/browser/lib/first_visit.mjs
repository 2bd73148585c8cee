// A first visit over a line of a given speed: what it carried, and when one saw something.

import { visit } from './browser.mjs';

/**
 * Opens a link with nothing in the browser's cache.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {string} link
 * @param {{ bytesPerSecond: number, latency: number }} [line] without it, as fast as it goes
 * @returns {Promise<{ bytes: number, paintMs: number, liveMs: number }>} bytes as they were
 *   transferred with their headers; the first paint with content; and the first figures
 */
export async function firstVisit(browser, link, line) {
  const opened = await visit(browser, 'about:blank');
  try {
    const devtools = await opened.page.context().newCDPSession(opened.page);
    await devtools.send('Network.enable');
    if (line) {
      await devtools.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: line.latency,
        downloadThroughput: line.bytesPerSecond,
        uploadThroughput: line.bytesPerSecond,
      });
    }
    let bytes = 0;
    devtools.on('Network.loadingFinished', (event) => {
      bytes += event.encodedDataLength;
    });
    const start = performance.now();
    await opened.page.goto(link);
    await opened.live();
    const liveMs = performance.now() - start;
    const paintMs = await opened.page.evaluate(() => performance
      .getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN);
    return { bytes, paintMs, liveMs };
  } finally {
    await opened.close();
  }
}
