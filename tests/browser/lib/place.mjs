// A folder for one file of tests, and the processes that are started in it. All ends with it: the
// processes are killed when it is closed, and by the kernel if this process ends first.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { binary } from './surroundings.mjs';
import { SOON, until } from './wait.mjs';

/** Variables that would change what the binary does, and must not come from outside. */
const FOREIGN = /^(PARTITA_|SLURM_|TMPDIR$)/;
/** Characters of a log that are shown when something goes wrong. */
const LOG_CHARS_MAX = 4000;

/** A process that was started. */
export class Process {
  /**
   * @param {string} name
   * @param {import('node:child_process').ChildProcess} child
   * @param {string} log the path of its log, without ending
   */
  constructor(name, child, log) {
    this.name = name;
    this.child = child;
    this.log = log;
    /** @type {number | null} its exit code; 128 and more for a signal */
    this.code = null;
    /** @type {Promise<number>} */
    this.ended = new Promise((resolve) => {
      child.on('error', () => resolve((this.code = 127)));
      child.on('exit', (code, signal) => resolve((this.code = code ?? (signal ? 128 : 127))));
    });
  }

  /** Its process id. */
  get pid() {
    return this.child.pid;
  }

  /** Whether it has not ended. */
  get isRunning() {
    return this.code === null;
  }

  /** What it wrote to standard error so far. */
  get stderr() {
    return readFileSync(`${this.log}.err`, 'utf8');
  }

  /** What it wrote to standard output so far. */
  get stdout() {
    return readFileSync(`${this.log}.out`, 'utf8');
  }

  /** Kills it with this signal and waits for its end. @param {NodeJS.Signals} [signal] */
  async kill(signal = 'SIGKILL') {
    if (this.isRunning) {
      this.child.kill(signal);
      await this.ended;
    }
  }

  /** Waits until it has ended well, and gives its standard output. @param {number} [bound] */
  async ok(bound = SOON) {
    await until(`the end of ${this.name}`, () => !this.isRunning, bound);
    if (this.code !== 0) {
      throw new Error(`${this.name} ended with ${this.code}: ${this.stderr.slice(-LOG_CHARS_MAX)}`);
    }
    return this.stdout;
  }
}

/** A port that nobody has. Somebody may take it before it is used, so those who use it may fail. */
export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether something listens there. @param {number} port @returns {Promise<boolean>} */
export function listens(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** A folder for one file of tests: access files, data, scratch, logs. */
export class Place {
  /** A new one. */
  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'partita-browser-'));
    for (const name of ['data', 'scratch', 'logs', 'home']) {
      mkdirSync(this.path(name), { mode: 0o700 });
    }
    /** @type {Process[]} */
    this.processes = [];
  }

  /** A path in it. Commands run in `data`. @param {...string} names */
  path(...names) {
    return path.join(this.folder, ...names);
  }

  /** Writes a file. @param {string} name @param {string} text */
  write(name, text) {
    writeFileSync(this.path(name), text, { mode: 0o600 });
    return this.path(name);
  }

  /**
   * Starts a program; what it writes goes to files.
   *
   * @param {string} program an absolute path
   * @param {string[]} args
   * @param {Record<string, string>} [more] variables
   */
  spawn(program, args, more = {}) {
    const name = `${path.basename(program)} ${args[0] ?? ''}`.trim();
    const number = String(this.processes.length).padStart(3, '0');
    const log = this.path('logs', `${number}-${name.replaceAll(/\W+/g, '-')}`);
    const kept = Object.entries(process.env).filter(([key]) => !FOREIGN.test(key));
    const files = ['out', 'err'].map((kind) => openSync(`${log}.${kind}`, 'w'));
    // Tests that are killed leave nothing behind: setpriv has the kernel see to that, and then
    // becomes the program, under the same process id.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      cwd: this.path('data'),
      env: {
        ...Object.fromEntries(kept),
        HOME: this.folder,
        PARTITA_HOME: this.path('home'),
        TMPDIR: this.path('scratch'),
        ...more,
      },
      stdio: ['ignore', ...files],
    });
    files.forEach((file) => closeSync(file));
    const started = new Process(name, child, log);
    this.processes.push(started);
    return started;
  }

  /** Starts `partita ARGS`. @param {string[]} args @param {Record<string, string>} [more] */
  partita(args, more) {
    return this.spawn(binary, args, more);
  }

  /** The ends of all logs, for when something goes wrong. */
  logs() {
    const shown = this.processes.map((one) => `--- ${one.name}\n${one.stderr.slice(-LOG_CHARS_MAX)}`);
    // A scheduler prints its link, and tokens do not belong in logs, not even those of tests.
    return shown.join('\n').replaceAll(/#token=\S+/g, '#token=…');
  }

  /** Ends all that was started here, the latest first, and removes the folder. */
  async close() {
    for (const one of this.processes.toReversed()) {
      await one.kill();
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
