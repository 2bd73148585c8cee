// Data, and queries over it that work for a while.

import { LONG } from './wait.mjs';

/** Files of the data. */
const FILES = 4;
/** Rows of each. */
const ROWS = 100_000;
/** Applications of `md5`: a row costs some microseconds. */
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

/** An expression that costs some microseconds; its value is always 32. @param {string} text */
const slow = (text) => `length(${'md5('.repeat(ROUNDS)}${text}${')'.repeat(ROUNDS)})`;

/**
 * A query in so many tasks of a second or so each, and one that adds up.
 *
 * @param {number} tasks
 * @param {{ name?: string, times?: number }} [wanted] `name` stands in the query, to know it by; each
 *   task works on its file so many `times`
 */
export function manyTasks(tasks, { name = 'chars', times = 1 } = {}) {
  const parts = Array.from({ length: tasks }, (_, task) => `select sum(${slow('concat(s, cast(j as varchar))')}) as c
    from 'numbers/${task % FILES}.parquet' cross join generate_series(1, ${times}) as t(j)`);
  return `select sum(c) as ${name} from (${parts.join(' union all ')})`;
}

/** A shuffle: its first step is read by every task of the second. */
export const SHUFFLE = `select k % 100 as g, count(*) as n from 'numbers/*.parquet' group by k % 100
  order by g`;

/** A query whose tasks fail when they run. */
export const FAILING = "select sum(cast(s as bigint)) as n from 'numbers/*.parquet'";
