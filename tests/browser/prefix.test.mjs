// The page below a path prefix, behind a proxy that takes it off, as Jupyter's does.

import assert from 'node:assert/strict';
import { ROUTES } from './lib/routes.mjs';
import { scene, test } from './lib/scene.mjs';
import { startProxy } from './lib/servers.mjs';
import { until } from './lib/wait.mjs';

const PREFIX = '/user/x/proxy/8787/';

const here = scene({ workers: 1 });

/** @param {string} host */
const proxy = (host) => startProxy(here.cluster.place, { port: here.cluster.port, prefix: PREFIX, host });

for (const [what, host] of [
  ['hands the host on', 'proxy_set_header Host $http_host;'],
  ['says in a header which host it was', 'proxy_set_header X-Forwarded-Host $http_host;'],
]) {
  test(`behind a proxy that ${what}, the page lives below a prefix and asks for nothing above it`, async () => {
    const { origin, log } = await proxy(host);
    const below = `${origin}${PREFIX}`;
    const visit = await here.visit(`${below}#token=${here.cluster.pageToken}`);
    await visit.live();
    assert.equal(visit.sockets.length, 1);
    for (const { route } of ROUTES) {
      await visit.go(route);
      await until(`the address of ${route}`, () => visit.page.url() === `${below}${route}`);
    }
    await visit.page.reload();
    await visit.live();
    visit.assertQuiet(below);
    // What stands behind `#` never leaves the browser: a proxy's log has no token.
    await until('the proxy\'s log', () => log().includes(PREFIX));
    assert.ok(!log().includes(here.cluster.pageToken), log());
  });
}

test('an address without its last slash gets it, with the token behind it', async () => {
  // A proxy that serves the page there as well, as Jupyter's does: the browser itself must go on.
  const { origin } = await proxy('proxy_set_header Host $http_host;');
  const visit = await here.visit(here.cluster.link);
  await visit.page.route(`${origin}${PREFIX.slice(0, -1)}`, async (route) => {
    const answer = await fetch(here.cluster.page);
    await route.fulfill({ status: 200, headers: Object.fromEntries(answer.headers), body: await answer.text() });
  });
  await visit.page.goto(`${origin}${PREFIX.slice(0, -1)}#token=${here.cluster.pageToken}`);
  await visit.live();
  assert.equal(visit.page.url(), `${origin}${PREFIX}#/`);
});

for (const kept of ['/node/n17/8786/', '/user/x/proxy/absolute/8786/']) {
  test(`the page lives below ${kept}, which proxies do not take off`, async () => {
    const { origin } = here.cluster;
    const visit = await here.visit(`${origin}${kept}#token=${here.cluster.pageToken}`);
    await visit.live();
    visit.assertQuiet(`${origin}${kept}`);
  });
}

test('two clusters behind one proxy do not share their tokens', async () => {
  const { origin } = await proxy('proxy_set_header Host $http_host;');
  const visit = await here.visit(`${origin}${PREFIX}#token=${here.cluster.pageToken}`);
  await visit.live();
  // The same tab goes to another path of the same origin: nothing of this page is known there.
  const kept = await visit.page.evaluate(() => Object.entries({ ...sessionStorage }));
  const withToken = kept.filter(([, value]) => value.includes(here.cluster.pageToken));
  assert.equal(withToken.length, 1);
  assert.ok(withToken[0]?.[0].includes(PREFIX), 'the name under which it is kept has the path in it');
});
