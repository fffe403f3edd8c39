// Which models are looked for, and in which order: pure functions over rows, and the form of a filter in the URL.
// What is unknown of a model fits no filter. A model counts for what is shown of it: the lower bound.
import { DECISIONS } from "./models-words.js";

const B = 1e9;
export const SIZES = {
  tiny: ["Under 1B", 0, B], small: ["1B to 4B", B, 4 * B], medium: ["4B to 10B", 4 * B, 10 * B],
  large: ["10B to 40B", 10 * B, 40 * B], huge: ["40B to 130B", 40 * B, 130 * B], vast: ["Over 130B", 130 * B, Infinity],
};
export const HERE = { held: "Held here", pull: "Can be pulled by name", weights: "Weights published", fits: "Fits this machine" };
export const FREEDOMS = { F3: "Any purpose", F2: "Commercial use, at least within terms", F1: "Any weights" };
export const SORTS = {
  here: "Held, then most open", openness: "Most open", name: "Name", size: "Smallest", "-size": "Largest",
  freedom: "Freest license", released: "Newest", fits: "Fits this machine", verdict: "Verdict",
};
const WITHOUT = { q: "", size: "", license: "", label: "", skill: "", here: "", verdict: "", sort: "here" };

/** The filter that a URL's query holds; what it cannot mean is left out. */
export function read(search) {
  const given = new URLSearchParams(search);
  const filter = { ...WITHOUT };
  for (const name of Object.keys(WITHOUT)) filter[name] = given.get(name) ?? WITHOUT[name];
  if (!(filter.sort in SORTS)) filter.sort = WITHOUT.sort;
  if (!(filter.size in SIZES)) filter.size = "";
  if (!(filter.here in HERE)) filter.here = "";
  if (!DECISIONS.includes(filter.verdict)) filter.verdict = "";
  filter.label = [...new Set(filter.label.match(/[0-5]/g) ?? [])].sort().join("");
  return filter;
}

/** The query of a URL for `filter`, with the model whose paper is open; empty where nothing is asked. */
export function written(filter, model = null) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value && value !== WITHOUT[name]) query.set(name, value);
  if (model) query.set("model", model);
  return query.size ? `?${query}` : "";
}

export const isEmpty = (filter) => Object.keys(WITHOUT).every((name) => name === "sort" || filter[name] === "");
export const cleared = (filter) => ({ ...WITHOUT, sort: filter.sort });

/** Whether `row` fits; `besides` names a part of the filter that is left out. */
export function fits(row, filter, besides = "") {
  return Object.entries(PARTS).every(([name, part]) => name === besides || !filter[name] || part(row, filter[name]));
}

const PARTS = {
  q: (row, text) => words(text).every((word) => row.haystack.includes(word)),
  size: (row, key) => row.parameters !== null && row.parameters >= SIZES[key][1] && row.parameters < SIZES[key][2],
  license: (row, asked) => (asked in FREEDOMS ? row.freedom !== null && row.freedom[0] >= Number(asked[1]) : row.license === asked),
  label: (row, stops) => row.label !== null && stops.includes(String(row.label[0])),
  skill: (row, skill) => row.skills.includes(skill),
  here: (row, where) => ({ held: row.held.length > 0, pull: row.pullable, weights: row.weights === "published", fits: row.brief?.fits === true })[where],
  verdict: (row, decision) => row.verdict === decision,
};

/** What a search looks at: one string for each row, made once. */
export const haystack = (row) => fold(`${row.name} ${row.title} ${row.publisher ?? ""} ${row.family ?? ""} ${row.repository ?? ""}`);
const fold = (text) => text.toLowerCase();
const words = (text) => fold(text).split(/\s+/).filter(Boolean);

const byName = new Intl.Collator("en", { numeric: true }).compare;
const last = Number.MAX_VALUE;
const openness = (row) => (row.label === null ? last : -(row.label[0] * 1000 + row.published[0] * 100 + row.label[1] * 10 + row.published[1]));
const KEYS = {
  here: (row) => [row.held.length ? 0 : row.pullable ? 1 : 2, openness(row)],
  openness: (row) => [openness(row)],
  name: () => [],
  size: (row) => [row.parameters ?? last],
  "-size": (row) => [row.parameters === null ? last : -row.parameters],
  freedom: (row) => (row.freedom === null ? [last] : [-row.freedom[0], -row.freedom[1]]),
  released: (row) => [row.released === null ? last : -Date.parse(row.released)],
  fits: (row) => [[true, null, false].indexOf(row.brief?.fits ?? null), openness(row)],
  verdict: (row) => [row.verdict ? DECISIONS.indexOf(row.verdict) : last],
};

/** `rows` in the order called `sort`; the unknown comes last, and rows that are alike stand by name. */
export function sorted(rows, sort) {
  const keyed = rows.map((row) => [KEYS[sort](row), row]);
  keyed.sort(([one, a], [other, b]) => {
    const at = one.findIndex((value, index) => value !== other[index]);
    return at === -1 ? byName(a.title, b.title) : one[at] - other[at];
  });
  return keyed.map(([, row]) => row);
}
