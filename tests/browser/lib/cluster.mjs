// A cluster of real processes, as people start it.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { Place } from './place.mjs';
import { Hopeless, LONG, SOON, until } from './wait.mjs';

/**
 * What the scheduler writes for those who may use it.
 *
 * @typedef {{ name: string, address: string, token: string, pid: number }} Access
 */

let started = 0;

/** A scheduler and its workers. */
export class Cluster {
  /** @param {Place} place @param {string} name */
  constructor(place, name) {
    this.place = place;
    this.name = name;
    /** @type {import('./place.mjs').Process[]} */
    this.workers = [];
    /** @type {import('./place.mjs').Process} */
    this.scheduler = /** @type {any} */ (undefined);
    /** @type {Access} */
    this.access = /** @type {any} */ (undefined);
  }

  /**
   * Starts a scheduler and `workers` workers, and waits until they have joined.
   *
   * @param {{ workers?: number, threads?: number, memory?: string, scheduler?: string[] }} [wanted]
   */
  static async start({ workers = 0, threads = 1, memory = '512MiB', scheduler = [] } = {}) {
    const cluster = new Cluster(new Place(), `test-${process.pid}-${++started}`);
    try {
      await cluster.startScheduler({ args: scheduler });
      for (let at = 0; at < workers; at += 1) {
        cluster.startWorker({ threads, memory });
      }
      await cluster.waitForWorkers(workers);
    } catch (error) {
      const logs = cluster.place.logs();
      await cluster.close();
      throw new Error(`the cluster did not start: ${logs}`, { cause: error });
    }
    return cluster;
  }

  /**
   * Starts the scheduler, and waits until it answers.
   *
   * @param {{ port?: number, token?: string, args?: string[] }} [wanted]
   */
  async startScheduler({ port = 0, token = '', args = [] } = {}) {
    const flags = ['--host=127.0.0.1', `--port=${port}`, `--name=${this.name}`, ...args];
    this.scheduler = this.place.partita(['scheduler', ...flags], token ? { PARTITA_TOKEN: token } : {});
    const { pid } = this.scheduler;
    const file = this.place.path('home', `${this.name}.json`);
    this.access = await until('the access file of the scheduler', () => {
      if (!this.scheduler.isRunning) {
        throw new Hopeless(`the scheduler ended: ${this.scheduler.stderr}`);
      }
      /** @type {Access} */
      const access = JSON.parse(readFileSync(file, 'utf8'));
      // One that was killed has left its own.
      return access.pid === pid && access;
    });
    await until('the scheduler', async () => (await fetch(`${this.origin}/healthz`)).ok);
  }

  /** Kills the scheduler and starts it again: the same address, and the same token if none is given. @param {string} [token] */
  async restartScheduler(token = this.access.token) {
    await this.scheduler.kill();
    await this.startScheduler({ port: this.port, token });
  }

  /** Starts one more worker. @param {{ threads?: number, memory?: string, name?: string }} [wanted] */
  startWorker({ threads = 1, memory = '512MiB', name = '' } = {}) {
    const flags = [
      '--host=127.0.0.1',
      `--nthreads=${threads}`,
      `--memory-limit=${memory}`,
      `--local-directory=${this.place.path('scratch')}`,
      `--scheduler-file=${this.place.path('home', `${this.name}.json`)}`,
      ...(name ? [`--name=${name}`] : []),
    ];
    const worker = this.place.partita(['worker', ...flags]);
    this.workers.push(worker);
    return worker;
  }

  /** Waits until `count` workers are connected. @param {number} count */
  async waitForWorkers(count) {
    await until(`${count} workers`, async () => (await this.get('cluster')).workers === count);
  }

  /** `http://host:port`. */
  get origin() {
    return `http://${this.access.address}`;
  }

  /** Where its page is. */
  get page() {
    return `${this.origin}/`;
  }

  /** The token that opens the page, and nothing else. */
  get pageToken() {
    const secret = this.access.token.replace(/\.[0-9a-f]{64}$/, '');
    return createHmac('sha256', secret).update('partita page token').digest('hex');
  }

  /** The page's address with the token in it, as `partita dashboard` prints it. */
  get link() {
    return `${this.page}#token=${this.pageToken}`;
  }

  /** The port. */
  get port() {
    return Number(this.access.address.split(':').at(-1));
  }

  /**
   * Asks by HTTPS, from whoever owns the certificate that lies beside the access file.
   *
   * @param {string} path
   * @param {{ method?: string, token?: string | undefined }} [how]
   * @returns {Promise<{ status: number, body: string }>}
   */
  ask(path, { method = 'GET', token } = {}) {
    const ca = readFileSync(this.place.path('home', `${this.name}.pem`));
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const how = { ca, servername: 'partita', method, headers, agent: false };
    return new Promise((resolve, reject) => {
      const asking = request(`https://${this.access.address}/${path}`, how, (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (part) => { body += part; });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
        answer.on('error', reject);
      });
      asking.on('error', reject);
      asking.end();
    });
  }

  /**
   * What the REST API says.
   *
   * @param {string} path below `/api/v2/`
   * @returns {Promise<any>}
   */
  async get(path) {
    const { status, body } = await this.ask(`api/v2/${path}`, { token: this.access.token });
    assert.equal(status, 200, `GET ${path}`);
    return JSON.parse(body);
  }

  /** All jobs, the oldest first. @returns {Promise<any[]>} */
  async jobs() {
    const { jobs } = await this.get('jobs?limit=1000');
    return jobs.reverse();
  }

  /** All workers. @returns {Promise<any[]>} */
  async workerRows() {
    return (await this.get('workers?limit=1000')).workers;
  }

  /** Starts `partita sql`. @param {string} query @param {...string} flags */
  startSql(query, ...flags) {
    const file = `--scheduler-file=${this.place.path('home', `${this.name}.json`)}`;
    return this.place.partita(['sql', file, '--output=csv', '--progress=none', ...flags, query]);
  }

  /** Runs a query, and gives its rows as CSV. @param {string} query @param {...string} flags */
  sql(query, ...flags) {
    return this.startSql(query, ...flags).ok(LONG);
  }

  /** Waits until the latest job is in this state, and gives it. @param {string} state @param {number} [bound] */
  async waitForJob(state, bound = SOON) {
    return until(`a job that is ${state}`, async () => {
      const job = (await this.jobs()).at(-1);
      return job?.state === state && job;
    }, bound);
  }

  /** Waits until nothing changes any more: no job lives, and no worker has anything. */
  async waitUntilIdle() {
    await until('a cluster with nothing to do', async () => {
      const cluster = await this.get('cluster');
      const rows = (await this.workerRows()).filter((row) => row.state === 'up');
      const idle = rows.every((row) => row.assigned + row.metrics.running + row.metrics.queued
        + row.metrics.partitions + row.metrics.reserved_bytes === 0);
      return cluster.jobs_live === 0 && idle;
    });
  }

  /** Ends all of it. */
  async close() {
    await this.place.close();
  }
}
