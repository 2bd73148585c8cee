// What axe-core finds wrong for those who use a keyboard, a screen reader, or other colours.

import { readFileSync } from 'node:fs';
import { load } from './surroundings.mjs';

const source = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');

/**
 * What is serious or critical, each as a line of text.
 *
 * @param {import('playwright-core').Page} page
 * @returns {Promise<string[]>}
 */
export async function graveFindings(page) {
  // Evaluated by the browser's own tools: the page's policy forbids it to anything in the page.
  await page.evaluate(source);
  const found = await page.evaluate(async () => {
    // @ts-expect-error: just loaded
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], preload: false });
    return /** @type {any[]} */ (violations).map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      nodes: /** @type {any[]} */ (nodes).slice(0, 3).map(({ html, any }) => (
        `${html.slice(0, 160)} (${any[0]?.message ?? ''})`
      )),
    }));
  });
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, help, nodes }) => `${id}, ${impact}: ${help}: ${nodes.join('; ')}`);
}
