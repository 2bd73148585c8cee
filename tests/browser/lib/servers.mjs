// Third-party servers between browser and scheduler: a proxy, and both ends of a tunnel. Each has
// its files in the test's own folder and listens only on a local port.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { freePort, listens } from './place.mjs';
import { until } from './wait.mjs';

const NGINX = '/usr/sbin/nginx';
const SSHD = '/usr/sbin/sshd';
const SSH = '/usr/bin/ssh';
const SSH_KEYGEN = '/usr/bin/ssh-keygen';
/** Where sshd, as root, locks the part of it that faces strangers away. */
const SSHD_FOLDER = '/run/sshd';

/** @typedef {import('./place.mjs').Place} Place */

/**
 * Starts a proxy that serves what is at `port` below a prefix, which it takes off.
 *
 * @param {Place} place
 * @param {{ port: number, prefix: string, host: string }} wanted `host`: lines of its configuration
 *   that say what the scheduler learns of the host that the browser asked
 */
export async function startProxy(place, { port, prefix, host }) {
  const own = await freePort();
  const folder = place.path(`nginx-${own}`);
  mkdirSync(folder);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`);
  const configuration = place.write(`nginx-${own}.conf`, `
daemon off;
master_process off;
pid ${folder}/pid;
events {}
http {
  access_log ${folder}/access.log;
  ${temporary.join('\n  ')}
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen 127.0.0.1:${own};
    location ${prefix} {
      proxy_pass http://127.0.0.1:${port}/;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      ${host}
    }
  }
}
`);
  const server = place.spawn(NGINX, ['-e', 'stderr', '-p', folder, '-c', configuration]);
  await until('nginx', async () => server.isRunning && listens(own));
  return {
    origin: `http://127.0.0.1:${own}`,
    /** What it wrote down of requests. */
    log: () => readFileSync(`${folder}/access.log`, 'utf8'),
  };
}

/** A login node, as far as a tunnel is concerned. */
export class LoginNode {
  /** @param {Place} place @param {number} port */
  constructor(place, port) {
    this.place = place;
    this.port = port;
  }

  /** Starts a server with keys of its own, which lets nobody in but with the key made here. @param {Place} place */
  static async start(place) {
    const port = await freePort();
    for (const name of ['host_key', 'user_key']) {
      await place.spawn(SSH_KEYGEN, ['-q', '-t', 'ed25519', '-N', '', '-f', place.path(name)]).ok();
    }
    copyFileSync(place.path('user_key.pub'), place.path('authorized_keys'));
    if (userInfo().uid === 0 && !existsSync(SSHD_FOLDER)) {
      mkdirSync(SSHD_FOLDER, { mode: 0o755 });
    }
    const configuration = place.write('sshd.conf', `
ListenAddress 127.0.0.1
Port ${port}
HostKey ${place.path('host_key')}
AuthorizedKeysFile ${place.path('authorized_keys')}
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
# The folder lies below one that everybody may write to.
StrictModes no
`);
    const server = place.spawn(SSHD, ['-D', '-e', '-f', configuration]);
    await until('sshd', async () => server.isRunning && listens(port));
    return new LoginNode(place, port);
  }

  /**
   * Opens a tunnel from the local port `local` to the remote port `port`.
   *
   * @param {{ local: number, port: number }} ports
   */
  async tunnel({ local, port }) {
    const options = [
      'BatchMode=yes',
      'ExitOnForwardFailure=yes',
      'IdentitiesOnly=yes',
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
    ].flatMap((option) => ['-o', option]);
    const through = this.place.spawn(SSH, [
      ...['-N', '-F', '/dev/null', '-i', this.place.path('user_key'), '-p', String(this.port)],
      ...options,
      ...['-L', `127.0.0.1:${local}:127.0.0.1:${port}`, `${userInfo().username}@127.0.0.1`],
    ]);
    await until('the tunnel', async () => through.isRunning && listens(local));
    return through;
  }
}
