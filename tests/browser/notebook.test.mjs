// Panels in a notebook of JupyterLab, behind the proxy of its server, below the prefix that a hub gives it.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, visit } from './lib/browser.mjs';
import { Place, freePort } from './lib/place.mjs';
import { test } from './lib/scene.mjs';
import { binary } from './lib/surroundings.mjs';
import { LONG, until } from './lib/wait.mjs';

/** The folder of the programs of an environment with JupyterLab, its proxy and what the package needs. */
const programs = process.env.PARTITA_TEST_JUPYTER ?? '';
const jupyter = path.join(programs, 'jupyter-lab');
const missing = programs
  ? !existsSync(jupyter) && `there is no JupyterLab: ${jupyter}`
  : 'JupyterLab is not installed: PARTITA_TEST_JUPYTER names the folder of its programs';

const PREFIX = '/user/x/';
const JUPYTER_TOKEN = 'of-jupyter';
const PACKAGE = fileURLToPath(new URL('../../python', import.meta.url));

/** Writes the tokens to a file, since the page must not print them. */
const CELLS = [
  `from partita.distributed import Client
client = Client(n_workers=1, threads_per_worker=1)
client`,
  `import json, pathlib
written = pathlib.Path("tokens.json").write_text(json.dumps([str(client.dashboard_link), client._connection.token]))`,
  `import time
futures = client.map(lambda x: time.sleep(0.5), range(1000))`,
  'client.dashboard_link',
  'client.dashboard("progress")',
  'client.dashboard("timeline")',
];

/** A notebook of these cells, as Jupyter saves it. */
const NOTEBOOK = JSON.stringify({
  cells: CELLS.map((source, at) => ({
    cell_type: 'code', id: `cell-${at}`, metadata: {}, source, outputs: [], execution_count: null,
  })),
  metadata: { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
});

describe('in a notebook', { skip: missing }, () => {
  /** @type {Place} */
  let place;
  /** @type {import('./lib/browser.mjs').Browser} */
  let browser;
  /** @type {string} */
  let origin;
  /** @type {import('./lib/browser.mjs').Visit[]} */
  const visits = [];

  /** What Jupyter's server answers. @param {string} route @param {string} [method] */
  const ask = (route, method = 'GET') =>
    fetch(`${origin}${PREFIX}api${route}`, { method, headers: { authorization: `token ${JUPYTER_TOKEN}` } });

  before(async () => {
    place = new Place();
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    place.write('data/panels.ipynb', NOTEBOOK);
    place.spawn(jupyter, [
      '--no-browser', '--allow-root', '--ip=127.0.0.1', `--port=${port}`, '--ServerApp.port_retries=0',
      `--ServerApp.base_url=${PREFIX}`, `--ServerApp.root_dir=${place.path('data')}`,
      `--IdentityProvider.token=${JUPYTER_TOKEN}`,
    ], {
      PATH: `${programs}:${process.env.PATH}`,
      PYTHONPATH: PACKAGE,
      PYTHONDONTWRITEBYTECODE: '1',
      PARTITA_PROGRAM: binary,
      JUPYTERHUB_SERVICE_PREFIX: PREFIX,
    });
    browser = await launch();
    await until('the server of Jupyter', async () => (await ask('/status')).ok);
  });
  afterEach(async () => {
    for (const one of visits.splice(0)) {
      await one.close();
    }
  });
  after(async () => {
    await browser?.close();
    await place?.close();
  });

  /** Opens the notebook. */
  async function open() {
    const address = `${origin}${PREFIX}lab/tree/panels.ipynb?reset&token=${JUPYTER_TOKEN}`;
    const opened = await visit(browser, address);
    visits.push(opened);
    const { page } = opened;
    await page.locator('.jp-CodeCell').first().waitFor();
    await page.locator('#jp-main-statusbar').getByText('| Idle').waitFor();
    return opened;
  }

  /** Runs all cells, and gives the links and tokens of the cluster that they start. @param {import('playwright-core').Page} page */
  async function run(page) {
    await page.getByRole('menuitem', { name: 'Run', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Run All Cells', exact: true }).click();
    const file = place.path('data', 'tokens.json');
    const [link, token] = await until('the cluster', () => JSON.parse(readFileSync(file, 'utf8')), LONG);
    const last = page.locator('.jp-CodeCell').last();
    await last.locator('object').waitFor();
    return { link: /** @type {string} */ (link), token: /** @type {string} */ (token) };
  }

  /** Saves the notebook, and gives what is saved. @param {import('playwright-core').Page} page */
  async function saved(page) {
    await page.locator('[data-jp-item-name="save"]').first().click();
    const file = place.path('data', 'panels.ipynb');
    return until('the saved notebook', () => {
      const text = readFileSync(file, 'utf8');
      return text.includes('panel/timeline') && text;
    });
  }

  /** A panel in the notebook. @param {import('playwright-core').Page} page @param {string} route */
  const panel = (page, route) => until(`the panel ${route}`, () =>
    page.frames().find((frame) => frame.url().includes(`#/panel/${route}`)));

  test('panels live below the prefix, and a saved notebook has no token and knows when its cluster has ended', async () => {
    const notebook = await open();
    const { page } = notebook;
    const { link, token } = await run(page);
    assert.match(link, /^\/user\/x\/proxy\/\d+\/#token=/);

    // A new panel has a ticket: it asks for no token, and needs no other tab.
    await (await panel(page, 'timeline/')).getByRole('region', { name: 'Slots over time' }).waitFor();
    const text = await saved(page);
    for (const secret of [link.split('=')[1], token, token.split('.')[0]]) {
      assert.ok(secret && secret.length > 20);
      assert.ok(!text.includes(secret), 'the saved notebook contains a token');
    }

    // Loaded again, its tickets are used, and the tab still has the token. The figures move.
    await page.reload();
    await page.locator('object').last().waitFor();
    await (await panel(page, 'timeline/')).getByRole('region', { name: 'Slots over time' }).waitFor();
    const progress = (await panel(page, 'progress/')).getByRole('region', { name: 'Progress' });
    const first = await progress.innerText();
    await until('other figures', async () => (await progress.innerText()) !== first);
    const base = link.split('#')[0] ?? '';
    assert.ok(notebook.sockets.some((address) => new URL(address).pathname === `${base}ws/dashboard`));
    assert.deepEqual(notebook.complaints, []);

    // The kernel's end is that of the cluster.
    for (const { id } of await (await ask('/sessions')).json()) {
      assert.equal((await ask(`/sessions/${id}`, 'DELETE')).status, 204);
    }
    await page.reload();
    await page.locator('.jp-CodeCell').last().getByText('its cluster has ended or cannot be reached').waitFor();
  });
});
