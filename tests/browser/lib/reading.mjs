// Reading what a page shows, as text and as numbers.

/** Units of bytes. */
const BYTES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** Text with every kind of space as a plain one. @param {string} text */
export const plain = (text) => text.replaceAll(/\s+/g, ' ').trim();

/** `12 480` as a number. @param {string} text */
export const number = (text) => Number(text.replaceAll(/\s/g, ''));

/** `1.50 GiB` as a number, which three digits do not tell exactly. @param {string} text */
export function bytes(text) {
  const [amount, unit] = plain(text).split(' ');
  return Number(amount) * (BYTES[/** @type {keyof typeof BYTES} */ (unit)] ?? Number.NaN);
}

/** Whether bytes are shown right: within what three digits leave open. @param {string} text @param {number} wanted */
export const isBytes = (text, wanted) => Math.abs(bytes(text) - wanted) <= wanted * 0.01;

/**
 * The rows of a table, each as a map from the names of its columns to what the cells say.
 *
 * @param {import('playwright-core').Locator} table
 * @returns {Promise<Record<string, string>[]>}
 */
export async function rows(table) {
  const { names, cells } = await table.evaluate((table) => {
    const text = (/** @type {Element} */ cell) => /** @type {HTMLElement} */ (cell).innerText;
    const all = (/** @type {Element} */ within, /** @type {string} */ selector) => [
      ...within.querySelectorAll(selector),
    ];
    return {
      names: all(table, 'thead th').map(text),
      cells: all(table, 'tbody tr').map((row) => all(row, 'th, td').map(text)),
    };
  });
  // An arrow stands behind the name of the column by which the rows are sorted.
  const columns = names.map((name) => plain(name).replace(/ ?[↑↓]$/, ''));
  return cells
    .filter((row) => row.length === columns.length)
    .map((row) => Object.fromEntries(row.map((cell, at) => [columns[at], plain(cell)])));
}

/**
 * Names and values of the lists of figures in a part of a page.
 *
 * @param {import('playwright-core').Locator} part
 * @returns {Promise<Record<string, string>>}
 */
export async function figures(part) {
  const found = await part.locator('dl > div, dl').evaluateAll((groups) => groups.flatMap((group) => {
    const name = group.querySelector(':scope > dt');
    const value = group.querySelector(':scope > dd');
    return name && value
      ? [[/** @type {HTMLElement} */ (name).innerText, /** @type {HTMLElement} */ (value).innerText]]
      : [];
  }));
  // Glyphs stand before the words of states, hidden from those who do not see them.
  return Object.fromEntries(found.map(([name, value]) => [
    plain(name ?? '').replace(/^[^\p{L}]+/u, ''),
    plain(value ?? ''),
  ]));
}

/** The table of a panel, whether one can move in it by arrow keys or not. @param {import('playwright-core').Locator} part */
export const table = (part) => part.getByRole('table').or(part.getByRole('grid')).first();

/**
 * A panel, by its title.
 *
 * @param {import('playwright-core').Page} page
 * @param {string | RegExp} title
 */
export const panel = (page, title) => page.getByRole('region', {
  name: title,
  ...(typeof title === 'string' ? { exact: true } : {}),
});
