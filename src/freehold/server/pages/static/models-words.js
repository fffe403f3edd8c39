// The words of the Models page: numbers, names of components and clauses, levels. null is unknown and is said so.

export const UNKNOWN = "unknown";
const units = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];

/** Parameters as people say them: 70.6B. */
export function size(parameters) {
  if (parameters === null) return UNKNOWN;
  const [unit, letter] = units.find(([each]) => parameters >= each) ?? [1, ""];
  const value = parameters / unit;
  return `${value >= 99.95 ? Math.round(value) : Number(value.toPrecision(3))}${letter}`;
}

/** Tokens of context: 131072 is 128K, 1000000 is 1M. */
export function tokens(count) {
  if (count % 1024 === 0) return count >= 1 << 20 ? `${Number((count / (1 << 20)).toPrecision(3))}M` : `${count / 1024}K`;
  return size(count);
}

const COMPONENTS = {
  weights_final: "final weights", weights_base: "base weights", weights_intermediate: "intermediate checkpoints",
  architecture: "architecture", inference_code: "inference code", training_code: "training code",
  preprocessing_code: "code that prepared the data", eval_code: "evaluation code", eval_data: "evaluation data",
  recipe: "training recipe", datasets: "training data", data_information: "information about the data",
  model_card: "model card", data_card: "data card", tech_report: "report or paper", eval_results: "evaluation results",
};
export const component = (name) => COMPONENTS[name] ?? plain(name);

export const plain = (name) => name.replaceAll("_", " ");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** A level or an interval of levels: L3, L1–5. */
export const levels = (letter, [low, high]) => (low === high ? `${letter}${low}` : `${letter}${low}–${high}`);

/** One axis or the label in words; an interval says what is shown and what is possible. */
export function meaning(words, [low, high]) {
  return low === high ? words[low] : `at least ${words[low]}, at most ${words[high]}`;
}

const FREEDOM = ["no weights", "restricted use", "commercial use within terms", "any purpose"];
/** What a license leaves free, short enough for a table. */
export const freedom = ([low, high]) => (low === high ? capital(FREEDOM[low]) : `${capital(FREEDOM[low])}, perhaps ${FREEDOM[high]}`);

const months = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });
const days = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
export const month = (date) => months.format(new Date(date));
export const day = (date) => days.format(new Date(date));

export const DECISIONS = ["allow", "allow with duties", "review", "deny"];
