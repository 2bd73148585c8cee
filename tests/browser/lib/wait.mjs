// Waiting for conditions, with a bound. Nothing here waits for a time to pass and hopes.

import { setTimeout as sleep } from 'node:timers/promises';

/** How long something may take that should take a moment, on a machine that is busy with others. */
export const SOON = 60_000;
/** How long something may take that works for some seconds. */
export const LONG = 300_000;
/** The pause between two looks at a condition. */
const LOOK_PAUSE = 50;

/** What will never come: to be thrown by those who look. */
export class Hopeless extends Error {}

/**
 * Looks again and again until `look` gives something that is true; what it throws means "not yet".
 *
 * @template T
 * @param {string} what for the message, if it does not come
 * @param {() => T | Promise<T>} look
 * @param {number} [bound] milliseconds
 * @returns {Promise<Exclude<NonNullable<T>, false>>}
 */
export async function until(what, look, bound = SOON) {
  const end = performance.now() + bound;
  for (;;) {
    /** @type {unknown} */
    let reason = 'it is not so';
    try {
      const found = await look();
      if (found) {
        return /** @type {Exclude<NonNullable<T>, false>} */ (found);
      }
    } catch (error) {
      if (error instanceof Hopeless) {
        throw error;
      }
      reason = error;
    }
    if (performance.now() > end) {
      const text = reason instanceof Error ? reason.message : String(reason);
      throw new Error(`waited ${bound / 1000} s for ${what}: ${text}`, { cause: reason });
    }
    await sleep(LOOK_PAUSE);
  }
}
