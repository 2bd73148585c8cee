// Where things lie. `cargo xtask test` names all of them; by hand the defaults are the same places.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import path from 'node:path';

const cacheBase = process.env.XDG_CACHE_HOME?.startsWith('/')
  ? process.env.XDG_CACHE_HOME
  : path.join(homedir(), '.cache');
const cache = path.join(cacheBase, 'partita');

/** @param {string} name @param {string} otherwise */
const named = (name, otherwise) => process.env[name] || otherwise;

/** The binary under test. */
export const binary = named('PARTITA_TEST_BINARY', path.join(cache, 'target/debug/partita'));

/** The folder of npm's packages. It is not beside the tests, so node does not find it by itself. */
const modules = named('PARTITA_TEST_NODE_MODULES', path.join(cache, 'browser/node_modules'));

/** Where pictures of the pages go. */
export const screenshots = named('PARTITA_TEST_SCREENSHOTS', path.join(cache, 'screenshots'));

/** The browser. */
export const chromiumPath = named('PARTITA_TEST_CHROMIUM', '/usr/bin/chromium');

/** Loads a package of npm's: those two are written for `require`. */
export const load = createRequire(path.join(modules, 'x.cjs'));

for (const [file, command] of [
  [binary, 'cargo build -p partita-cli'],
  [modules, 'cargo xtask setup --browser'],
  [chromiumPath, 'cargo xtask setup --browser'],
]) {
  if (!existsSync(file)) {
    throw new Error(`${file} is not there: run \`${command}\` first`);
  }
}
