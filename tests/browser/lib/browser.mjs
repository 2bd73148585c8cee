// The browser, and pages whose every request, complaint and violation is written down.

import assert from 'node:assert/strict';
import { chromiumPath, load } from './surroundings.mjs';
import { SOON, until } from './wait.mjs';

/** @type {typeof import('playwright-core')} */
const { chromium } = load('playwright-core');

/** What a browser without a screen, as root, in a container wants; and no name but this machine's. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
];

/** A wide screen and a narrow one. */
export const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 400, height: 900 } };
/** Both looks. */
export const THEMES = /** @type {const} */ (['light', 'dark']);

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Browser} Browser */

/** Starts the browser. */
export function launch() {
  return chromium.launch({ executablePath: chromiumPath, headless: true, args: FLAGS });
}

/**
 * Opens a tab with a storage of its own.
 *
 * @param {Browser} browser
 * @param {string} address
 * @param {{ theme?: 'light' | 'dark', size?: { width: number, height: number }, tab?: Visit }} [wanted]
 */
export async function visit(browser, address, { theme = 'light', size = SIZES.wide, tab } = {}) {
  const context = tab
    ? tab.page.context()
    : await browser.newContext({
      viewport: size,
      colorScheme: theme,
      reducedMotion: 'reduce',
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
  const page = await context.newPage();
  const visit = new Visit(page);
  await visit.listen();
  await page.goto(address);
  return visit;
}

/** A tab, and what was seen of it. */
export class Visit {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    page.setDefaultTimeout(SOON);
    /** @type {string[]} addresses that were asked for */
    this.requests = [];
    /** @type {string[]} addresses of WebSockets */
    this.sockets = [];
    /** @type {string[]} what the console says that is an error or a warning */
    this.complaints = [];
  }

  async listen() {
    const { page } = this;
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('websocket', (socket) => this.sockets.push(socket.url()));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        this.complaints.push(`${message.type()}: ${message.text()}`);
      }
    });
    page.on('pageerror', (error) => this.complaints.push(`uncaught: ${error.message}`));
    page.on('crash', () => this.complaints.push('the tab crashed'));
    await page.exposeBinding('partitaViolation', (_, text) => this.complaints.push(text));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        const text = `policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`;
        // @ts-expect-error: bound above
        window.partitaViolation(text);
      });
    });
  }

  /** What says how the link to the scheduler stands. */
  get link() {
    return this.page.getByRole('banner').getByRole('status').first();
  }

  /** Waits until the page says that what it shows is of now. */
  async live() {
    await until('a live page', async () => /\blive\b/i.test(await this.link.innerText({ timeout: 1000 })));
    return this;
  }

  /** Goes to one of the app's own pages. @param {string} route such as `#/workers` */
  async go(route) {
    await this.page.evaluate((hash) => {
      location.hash = hash;
    }, route);
  }

  /** All text of the page. */
  text() {
    return this.page.locator('body').innerText();
  }

  /**
   * Asserts that nothing was asked of anybody but the origin, that nothing violated the policy, and
   * that the console is clean.
   *
   * @param {string} origin `http://host:port`, and a path if all must lie below it
   */
  assertQuiet(origin) {
    const own = (/** @type {string} */ address) => address.startsWith(origin)
      || address.startsWith(origin.replace(/^http/, 'ws')) || /^(data|blob):/.test(address);
    const foreign = [...this.requests, ...this.sockets].filter((address) => !own(address));
    assert.deepEqual(foreign, [], 'requests that leave the origin');
    assert.deepEqual(this.complaints, [], 'what the console says');
  }

  /** Closes the tab, and its storage. */
  async close() {
    await this.page.context().close();
  }
}
