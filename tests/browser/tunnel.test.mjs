// The page through `ssh -N -L`, which is how most people see it.

import { freePort } from './lib/place.mjs';
import { scene, test } from './lib/scene.mjs';
import { LoginNode } from './lib/servers.mjs';
import { until } from './lib/wait.mjs';

const here = scene({ workers: 1 });

test('the page lives through a tunnel, notices when it breaks, and lives again when it is back', async () => {
  const login = await LoginNode.start(here.cluster.place);
  const local = await freePort();
  const { port } = here.cluster;
  const tunnel = await login.tunnel({ local, port });
  const origin = `http://localhost:${local}`;
  const visit = await here.visit(`${origin}/#token=${here.cluster.pageToken}`);
  await visit.live();
  await visit.page.getByText(here.cluster.name).first().waitFor();
  visit.assertQuiet(origin);
  await tunnel.kill();
  await until('a page that says that it is cut off', async () => /reconnecting/i.test(await visit.link.innerText()));
  await login.tunnel({ local, port });
  await visit.live();
});
