// Who gets in, and what those see who do not: the token, other sites, the policy of the page.

import assert from 'node:assert/strict';
import http from 'node:http';
import { Cluster } from './lib/cluster.mjs';
import { scene, test } from './lib/scene.mjs';
import { until } from './lib/wait.mjs';

const here = scene({ workers: 1 });

/** Asks for a WebSocket, and gives the status of the answer: 101 if it is granted. @param {string | undefined} origin */
function askForSocket(origin) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${here.cluster.page}ws/dashboard`, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...(origin === undefined ? {} : { origin }),
      },
    });
    request.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve(answer.statusCode);
    });
    request.on('response', (answer) => {
      answer.destroy();
      resolve(answer.statusCode);
    });
    request.on('error', reject);
    request.end();
  });
}

/** Serves a page of another site at an address of its own. @param {(origin: string) => Promise<void>} work */
async function withOtherSite(work) {
  const server = http.createServer((_, answer) => {
    answer.setHeader('content-type', 'text/html');
    answer.end('<!doctype html><title>another site</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  try {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    await work(`http://127.0.0.1:${port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** The form that asks for the token. @param {import('./lib/browser.mjs').Visit} visit */
const form = ({ page }) => ({
  field: page.getByLabel(/token/i),
  button: page.getByRole('button', { name: /show the cluster/i }),
});

/** Asserts that a page shows the form and nothing of the cluster. @param {import('./lib/browser.mjs').Visit} visit */
async function assertOnlyForm(visit) {
  await form(visit).field.waitFor();
  const text = await visit.text();
  for (const word of [here.cluster.name, here.cluster.access.address, 'worker-0', 'slots']) {
    assert.ok(!text.includes(word), `\`${word}\` is in: ${text}`);
  }
  assert.equal(await visit.page.getByRole('table').count(), 0);
  assert.equal(await visit.page.getByRole('navigation').count(), 0);
}

/** Everything that the tab has kept or shows of addresses. @param {import('./lib/browser.mjs').Visit} visit */
const traces = ({ page }) => page.evaluate(() => ({
  address: location.href,
  referrer: document.referrer,
  cookies: document.cookie,
  kept: JSON.stringify({ ...localStorage }),
}));

test('a link with the token opens the page, and the token leaves the address', async () => {
  const visit = await here.visit();
  await visit.live();
  const { pageToken: token, access: { name } } = here.cluster;
  assert.ok((await visit.text()).includes(name));
  for (const [what, text] of Object.entries(await traces(visit))) {
    assert.ok(!text.includes(token), `the token is in ${what}`);
  }
  // What stands behind `#` is not sent.
  const sent = [...visit.requests, ...visit.sockets].map((address) => address.split('#', 1).join());
  assert.ok(!sent.join('\n').includes(token));
  // Going back does not bring it back, and the tab does not forget it.
  assert.equal(await visit.page.evaluate(() => history.length), 2);
  await visit.page.reload();
  await visit.live();
  visit.assertQuiet(here.cluster.origin);
});

test('the link that the command line prints opens the page, and beside it stands the tunnel', async () => {
  const { cluster } = here;
  const file = cluster.place.path('home', `${cluster.name}.json`);
  const printed = await cluster.place.partita(['dashboard', '--scheduler-file', file]).ok();
  const link = /http:\S+/.exec(printed)?.[0] ?? '';
  assert.match(printed, new RegExp(`ssh -N -L ${cluster.port}:localhost:${cluster.port} `));
  const visit = await here.visit(link);
  await visit.live();
  visit.assertQuiet(new URL(link).origin);
});

test('a page in a new tab takes the token of a tab that has it, and nobody else gets it', async () => {
  const first = await here.visit();
  await first.live();
  const second = await here.visit(`${here.cluster.page}#/workers`, { tab: first });
  await second.live();
  assert.equal(await second.page.evaluate(() => location.hash), '#/workers');
  for (const [what, text] of Object.entries(await traces(second))) {
    assert.ok(!text.includes(here.cluster.access.token), `the token is in ${what}`);
  }
  // Another browser, or the same after the last tab was closed, has to ask.
  await assertOnlyForm(await here.visit(here.cluster.page));
});

test('the field of the token has the focus', async () => {
  const visit = await here.visit(here.cluster.page);
  await form(visit).field.waitFor();
  await until('the focus', () => visit.page.evaluate(() => document.activeElement?.id === 'token'));
});

test('a link to one of the pages keeps its way when the token is taken out', async () => {
  const visit = await here.visit(`${here.cluster.page}#/workers&token=${here.cluster.pageToken}`);
  await visit.live();
  assert.equal(await visit.page.evaluate(() => location.hash), '#/workers');
});

test('without the token there is a form and nothing else; a wrong one is refused; the right one opens', async () => {
  const visit = await here.visit(here.cluster.page);
  await assertOnlyForm(visit);
  assert.deepEqual(visit.sockets, [], 'nothing is asked for without a token');
  const { field, button } = form(visit);
  await field.fill('not-the-token');
  await button.click();
  await visit.page.getByRole('alert').getByText(/refused/i).waitFor();
  await assertOnlyForm(visit);
  assert.ok(!(await visit.page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes('not-the-token'));
  await field.fill(here.cluster.pageToken);
  await field.press('Enter');
  await visit.live();
  assert.ok(!visit.page.url().includes(here.cluster.pageToken));
  visit.assertQuiet(here.cluster.origin);
});

test('a link with a wrong token shows the form and says that it was refused', async () => {
  const visit = await here.visit(`${here.cluster.page}#token=not-the-token`);
  await visit.page.getByRole('alert').getByText(/refused/i).waitFor();
  await assertOnlyForm(visit);
  assert.ok(!visit.page.url().includes('not-the-token'));
});

test('a link that is pasted over a page that is open takes effect', async () => {
  const visit = await here.visit(here.cluster.page);
  await assertOnlyForm(visit);
  await visit.page.goto(here.cluster.link);
  await visit.live();
});

test('figures, metrics and feeds are for those who use TLS and know the token', async () => {
  const { origin, access, pageToken } = here.cluster;
  const paths = ['api/v2/cluster', 'api/v2/workers', 'api/v2/jobs', 'metrics', 'ws/client', 'ws/worker'];
  for (const path of paths) {
    for (const token of [undefined, '', 'x', access.token.slice(1), `${access.token}0`, pageToken]) {
      const { status, body } = await here.cluster.ask(path, { token });
      assert.equal(status, 401, `${path} with ${token}`);
      assert.ok(!body.includes(access.token));
    }
    // Without TLS nothing is answered, whatever token is sent.
    for (const token of [access.token, pageToken]) {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`${origin}/${path}`, { headers });
      assert.equal(answer.status, 403, `${path} without TLS`);
    }
  }
});

test('the feed of the page closes with its own code when the token is wrong, and sends nothing', async () => {
  const visit = await here.visit(here.cluster.page);
  const heard = await visit.page.evaluate(() => new Promise((resolve) => {
    const socket = new WebSocket(new URL('ws/dashboard', document.baseURI).href.replace('http', 'ws'));
    let messages = 0;
    socket.onopen = () => socket.send('not-the-token');
    socket.onmessage = () => {
      messages += 1;
    };
    socket.onclose = ({ code }) => resolve({ code, messages });
  }));
  assert.deepEqual(heard, { code: 4401, messages: 0 });
});

test('a WebSocket is refused to pages of other sites, and granted to its own and to programs', async () => {
  const { origin, port } = here.cluster;
  assert.equal(await askForSocket(origin), 101);
  assert.equal(await askForSocket(undefined), 101);
  for (const other of [
    'http://example.org',
    `http://127.0.0.1:${port + 1}`,
    `http://localhost:${port}`,
    `http://127.0.0.1:${port}.example.org`,
    'null',
    '',
  ]) {
    assert.equal(await askForSocket(other), 403, other);
  }
});

test('a page of another site reads nothing, not even with the token', async () => {
  await withOtherSite(async (site) => {
    const visit = await here.visit(site);
    const { page, pageToken } = here.cluster;
    const got = await visit.page.evaluate(async ({ page, token }) => {
      const socket = await new Promise((resolve) => {
        const socket = new WebSocket(`${page.replace('http', 'ws')}ws/dashboard`);
        socket.onopen = () => resolve('open');
        socket.onerror = () => resolve('refused');
      });
      const read = (/** @type {RequestInit} */ how) => fetch(`${page}api/v2/cluster`, how)
        .then(() => 'answered', () => 'refused');
      const header = await read({ headers: { authorization: `Bearer ${token}` } });
      return { socket, header };
    }, { page, token: pageToken });
    assert.deepEqual(got, { socket: 'refused', header: 'refused' });
  });
});

test('a page that may only look has no button that changes anything, and one that may act has', async () => {
  const pages = async (/** @type {Cluster} */ cluster) => {
    const [worker] = await cluster.workerRows();
    const visit = await here.visit(cluster.link.replace('#', `#/workers/${worker.id}&`));
    await visit.live();
    await visit.page.getByRole('heading', { name: worker.name }).waitFor();
    return visit.page.getByRole('button', { name: 'Retire…' }).count();
  };
  assert.equal(await pages(here.cluster), 1);
  const cluster = await Cluster.start({ workers: 1, scheduler: ['--page-read-only'] });
  try {
    assert.equal(await pages(cluster), 0);
  } finally {
    await here.closeVisits();
    await cluster.close();
  }
});

test('a tab takes no token that it did not ask for', async () => {
  const visit = await here.visit(here.cluster.page);
  await form(visit).field.waitFor();
  await visit.page.evaluate(async () => {
    const name = `partita-token:${location.origin}${location.pathname}`;
    const [said, heard] = [new BroadcastChannel(name), new BroadcastChannel(name)];
    // The page was there before, and so hears it before.
    const last = new Promise((resolve) => {
      heard.onmessage = ({ data }) => data === '=1:not-the-token' && resolve(undefined);
    });
    said.postMessage('=not-the-token');
    said.postMessage('=1:not-the-token');
    await last;
    said.close();
    heard.close();
  });
  await form(visit).field.waitFor();
  assert.deepEqual(visit.sockets, []);
});

test('the policy of the page is strict, and a script that gets into the page does not run', async () => {
  const answer = await fetch(here.cluster.page);
  const policy = Object.fromEntries((answer.headers.get('content-security-policy') ?? '')
    .split(';')
    .map((directive) => directive.trim().split(/\s+/))
    .map(([name, ...sources]) => [name, sources.join(' ')]));
  assert.equal(policy['default-src'], "'self'");
  // The hash is that of the script that adds a missing last slash.
  assert.match(policy['script-src'] ?? '', /^'self' 'wasm-unsafe-eval' 'sha256-[\w+\/]{43}='$/);
  assert.equal(policy['connect-src'] ?? "'self'", "'self'");
  assert.equal(policy['style-src'] ?? "'self'", "'self'");
  assert.equal(policy['base-uri'], "'self'");
  assert.equal(policy['form-action'], "'none'");
  assert.match(policy['frame-ancestors'] ?? '', /^'(self|none)'$/);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');

  const visit = await here.visit();
  await visit.live();
  visit.assertQuiet(here.cluster.origin);
  const ran = await visit.page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.intruder = true';
    document.body.append(script);
    const picture = document.createElement('img');
    picture.src = 'http://example.org/a.png';
    document.body.append(picture);
    return 'intruder' in window;
  });
  assert.equal(ran, false);
  await until('both violations', () => {
    const violations = visit.complaints.filter((text) => text.startsWith('policy: ')).join('\n');
    return /script-src/.test(violations) && /img-src/.test(violations);
  });
});
