// What most files of tests begin with: a browser and a cluster, both gone at the end.

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test as nodeTest } from 'node:test';
import { launch, visit } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { screenshots } from './surroundings.mjs';

/** @typedef {import('./browser.mjs').Visit} Visit */

/** A browser and a cluster. */
class Scene {
  constructor() {
    /** @type {Cluster} */
    this.cluster = /** @type {any} */ (undefined);
    /** @type {import('./browser.mjs').Browser} */
    this.browser = /** @type {any} */ (undefined);
    /** @type {Visit[]} */
    this.visits = [];
  }

  /**
   * Opens a tab, which is closed at the end of the test.
   *
   * @param {string} [address] without it, the link to the cluster's page
   * @param {Parameters<typeof visit>[2]} [wanted]
   */
  async visit(address = this.cluster.link, wanted) {
    const opened = await visit(this.browser, address, wanted);
    this.visits.push(opened);
    return opened;
  }

  /** Shows what there is to see after a failure: pictures of the tabs, and the ends of all logs. @param {string} name */
  async show(name) {
    const folder = path.join(screenshots, 'failed');
    mkdirSync(folder, { recursive: true });
    for (const [at, { page, complaints }] of this.visits.entries()) {
      const file = path.join(folder, `${name.replaceAll(/\W+/g, '-').slice(0, 100)}-${at}.png`);
      await page.screenshot({ path: file, timeout: 5000 }).catch(() => undefined);
      console.error(`${page.url().split('#token', 1)}: ${file}\n${complaints.join('\n')}`);
    }
    console.error(this.cluster?.place.logs() ?? '');
  }

  async closeVisits() {
    for (const one of this.visits.splice(0)) {
      await one.close();
    }
  }
}

/** @type {Scene[]} */
const scenes = [];

/**
 * A test. If it fails, what there was to see is shown.
 *
 * @param {string} name
 * @param {() => Promise<void>} work
 */
export function test(name, work) {
  nodeTest(name, async () => {
    try {
      await work();
    } catch (error) {
      for (const scene of scenes) {
        await scene.show(name);
      }
      throw error;
    }
  });
}

/**
 * Has a browser and a cluster for all tests of the file.
 *
 * @param {Parameters<typeof Cluster.start>[0]} [wanted]
 * @param {(cluster: Cluster) => Promise<unknown>} [prepare] what is done with the cluster at first
 */
export function scene(wanted, prepare) {
  const scene = new Scene();
  scenes.push(scene);
  before(async () => {
    scene.cluster = await Cluster.start(wanted);
    scene.browser = await launch();
    await prepare?.(scene.cluster);
  });
  afterEach(() => scene.closeVisits());
  after(async () => {
    scenes.splice(scenes.indexOf(scene), 1);
    await scene.closeVisits();
    await scene.browser?.close();
    await scene.cluster?.close();
  });
  return scene;
}
