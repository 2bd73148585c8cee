// Data, and queries over it that work for a while.

import { LONG } from './wait.mjs';

/** Files of the data. */
const FILES = 4;
/** Rows of each. */
const ROWS = 100_000;
/** Applications of `md5` that a row costs, each some tenths of a microsecond. */
const ROUNDS = 12;

/** Writes Parquet files: `k` counts from 0, `s` is a text. @param {import('./cluster.mjs').Cluster} cluster */
export async function makeNumbers(cluster) {
  const statements = Array.from({ length: FILES }, (_, file) => {
    const [first, last] = [file * ROWS, (file + 1) * ROWS - 1];
    return `copy (select value as k, concat('row-', cast(value as varchar)) as s
      from generate_series(${first}, ${last})) to 'numbers/${file}.parquet'`;
  });
  const file = cluster.place.write('data/numbers.sql', `${statements.join(';\n')};\n`);
  const made = ['sql', '--embedded', '--threads=1', '--progress=none', '--file', file];
  await cluster.place.partita(made).ok(LONG);
}

/**
 * A query in 4, 16 or 64 tasks, all of one stage, and one that adds up. Its text stays short enough to be
 * read on a page.
 *
 * @param {4 | 16 | 64} tasks
 * @param {{ name?: string, rounds?: number, files?: string }} [wanted] `name` stands in the query, to
 *   know it by; `rounds` makes each task longer; with all `files`, there are as many times more tasks as
 *   there are slots
 */
export function manyTasks(tasks, { name = 'chars', rounds = ROUNDS, files = '0' } = {}) {
  const slow = `length(${'md5('.repeat(rounds)}s${')'.repeat(rounds)})`;
  const steps = [`t0 as (select ${slow} as c from 'numbers/${files}.parquet')`];
  for (let made = 1; made < tasks; made *= 4) {
    const all = Array.from({ length: 4 }, () => `select c from t${steps.length - 1}`);
    steps.push(`t${steps.length} as (${all.join(' union all ')})`);
  }
  return `with ${steps.join(',\n')}\nselect sum(c) as ${name} from t${steps.length - 1}`;
}

/** A shuffle: its first step is read by every task of the second. */
export const SHUFFLE = `select k % 100 as g, count(*) as n from 'numbers/*.parquet' group by k % 100
  order by g`;

/** A query whose tasks fail when they run. */
export const FAILING = "select sum(cast(s as bigint)) as n from 'numbers/*.parquet'";

/** Rows that are too many to be on their way to a client that does not take them. */
export const LARGE = "select k, concat(s, md5(s)) as t from 'numbers/*.parquet' order by t";
