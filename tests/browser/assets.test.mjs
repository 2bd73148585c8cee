// How the page's own files are served: named by their content, kept by the browser, compressed, and
// few enough for a slow line.

import assert from 'node:assert/strict';
import http from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { firstVisit } from './lib/first_visit.mjs';
import { scene, test } from './lib/scene.mjs';

/** What a line of 5 Mbit/s carries in a second. */
const BYTES_PER_SECOND = 625_000;

const here = scene();

/**
 * Asks for a file without undoing what it is packed in.
 *
 * @param {string} address
 * @param {string} [accepted] encodings
 * @returns {Promise<{ status: number, headers: http.IncomingHttpHeaders, body: Buffer }>}
 */
function get(address, accepted) {
  return new Promise((resolve, reject) => {
    const headers = accepted === undefined ? {} : { 'accept-encoding': accepted };
    http.get(address, { headers }, (answer) => {
      /** @type {Buffer[]} */
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        body: Buffer.concat(parts),
      }));
      answer.on('error', reject);
    }).on('error', reject);
  });
}

/** The files that a visit loads, without the page itself. @returns {Promise<string[]>} */
async function files() {
  const visit = await here.visit();
  await visit.live();
  const found = visit.requests.filter((address) => /\.(js|css|wasm|svg)$/.test(address));
  for (const kind of ['js', 'css', 'wasm']) {
    assert.ok(found.some((address) => address.endsWith(`.${kind}`)), `no .${kind} in ${found}`);
  }
  return [...new Set(found)];
}

test('every file has its content\'s hash in its name and is kept for ever; the page itself is asked for again', async () => {
  for (const file of await files()) {
    assert.match(file, /-[0-9a-f]{16}(_bg)?\.\w+$/);
    const { status, headers } = await get(file);
    assert.equal(status, 200);
    assert.match(headers['cache-control'] ?? '', /\bimmutable\b/, file);
    const age = Number(/max-age=(\d+)/.exec(headers['cache-control'] ?? '')?.[1]);
    assert.ok(age >= 31_536_000, `${file}: ${age}`);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
  assert.equal((await get(here.cluster.page)).headers['cache-control'], 'no-cache');
});

test('each file has its type', async () => {
  const kinds = {
    js: 'text/javascript; charset=utf-8',
    css: 'text/css; charset=utf-8',
    wasm: 'application/wasm',
    svg: 'image/svg+xml',
  };
  for (const file of await files()) {
    const kind = kinds[/** @type {keyof typeof kinds} */ (file.split('.').at(-1))];
    assert.equal((await get(file)).headers['content-type'], kind, file);
  }
  assert.equal((await get(here.cluster.page)).headers['content-type'], 'text/html; charset=utf-8');
});

test('files come packed as brotli or gzip to those who take it, and plain to others, with the same content', async () => {
  const large = (await files()).filter((file) => /\.(js|css|wasm)$/.test(file));
  for (const file of large) {
    const plain = await get(file);
    assert.equal(plain.headers['content-encoding'], undefined, file);
    if (plain.body.length < 1024) {
      continue;
    }
    const [gzip, brotli, refused] = [
      await get(file, 'gzip, deflate'),
      await get(file, 'gzip, deflate, br, zstd'),
      await get(file, 'gzip;q=0, br;q=0, identity'),
    ];
    assert.equal(gzip.headers['content-encoding'], 'gzip', file);
    assert.equal(brotli.headers['content-encoding'], 'br', file);
    assert.equal(refused.headers['content-encoding'], undefined, file);
    assert.ok(gunzipSync(gzip.body).equals(plain.body), file);
    assert.ok(brotliDecompressSync(brotli.body).equals(plain.body), file);
    assert.ok(refused.body.equals(plain.body), file);
    assert.ok(brotli.body.length < gzip.body.length && gzip.body.length < plain.body.length, file);
    for (const answer of [plain, gzip, brotli]) {
      // Or a cache on the way would hand brotli to those who cannot read it.
      assert.match(answer.headers.vary ?? '', /accept-encoding/i, file);
      assert.equal(answer.headers['content-type'], plain.headers['content-type']);
    }
  }
});

test('a second visit loads nothing but the page itself', async () => {
  const visit = await here.visit();
  await visit.live();
  await visit.page.reload();
  await visit.live();
  const loaded = await visit.page.evaluate(() => performance.getEntriesByType('resource')
    .map((entry) => /** @type {PerformanceResourceTiming} */ (entry))
    .filter((entry) => /\.(js|css|wasm)$/.test(entry.name))
    .map((entry) => ({ name: entry.name, bytes: entry.transferSize })));
  assert.ok(loaded.length >= 3, JSON.stringify(loaded));
  assert.deepEqual(loaded.filter((entry) => entry.bytes > 0), []);
});

test('the first visit takes no more bytes than a line of 5 Mbit/s carries in a second', async () => {
  const { bytes } = await firstVisit(here.browser, here.cluster.link);
  assert.ok(bytes > 0 && bytes <= BYTES_PER_SECOND, `${bytes} bytes`);
});

test('a missing file is not found, and folders are not listed', async () => {
  for (const path of ['nowhere.js', 'src/', '../Cargo.toml', '..%2f..%2fetc/passwd', '%00']) {
    const { status, body } = await get(`${here.cluster.page}${path}`);
    assert.ok(status === 404 || status === 400, `${path}: ${status}`);
    assert.ok(body.length < 200);
  }
});

test('a page whose program does not come says so, in the place of its content', async () => {
  const visit = await here.visit('about:blank');
  await visit.page.route('**/*.wasm', (route) => route.abort());
  await visit.page.goto(here.cluster.link);
  await visit.page.getByRole('alert').getByText(/^The dashboard cannot start: /).waitFor();
});

test('something is painted before the program has come', async () => {
  const visit = await here.visit('about:blank');
  await visit.page.route('**/*.wasm', () => undefined);
  await visit.page.goto(here.cluster.link, { waitUntil: 'commit' });
  await visit.page.getByText('Loading the dashboard…').waitFor();
});
