// What most files of tests begin with: a browser and a cluster, both gone at the end.

import { after, afterEach, before } from 'node:test';
import { launch, visit } from './browser.mjs';
import { Cluster } from './cluster.mjs';

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

  async closeVisits() {
    for (const one of this.visits.splice(0)) {
      await one.close();
    }
  }
}

/**
 * Has a browser and a cluster for all tests of the file.
 *
 * @param {Parameters<typeof Cluster.start>[0]} [wanted]
 * @param {(cluster: Cluster) => Promise<unknown>} [prepare] what is done with the cluster at first
 */
export function scene(wanted, prepare) {
  const scene = new Scene();
  before(async () => {
    scene.cluster = await Cluster.start(wanted);
    scene.browser = await launch();
    await prepare?.(scene.cluster);
  });
  afterEach(() => scene.closeVisits());
  after(async () => {
    await scene.closeVisits();
    await scene.browser?.close();
    await scene.cluster?.close();
  });
  return scene;
}
