// What of a model fits this machine. Every figure shows what it rests on: exact as it is, a range behind "≈", "measured",
// or unknown with its reason. Nothing is drawn before the house has answered, and nothing where it cannot say.
import { h } from "./dom.js";
import { bytes, count } from "./numbers.js";

const HAD = { held: "held", catalog: "by name", offered: "from hubs", given: "as given" };
const FITS = new Map([[true, "Fits"], [false, "No build to take"], [null, "Cannot say"]]);

/** What the table says of a row: `brief` is what the house said of the model, null where it was not asked. Of a model
    that is held it speaks of the build at hand, and of another one only where that does not fit. */
export function fitCell(brief) {
  if (!brief) return [];
  const any = said(brief.fits, brief.fits ? `Fits in ${brief.tag}` : FITS.get(brief.fits), brief.reason);
  if (!brief.held || brief.held.fits) return [any];
  const words = brief.held.fits === false ? `${brief.held.tag} does not fit` : `${brief.held.tag}: cannot say`;
  return [said(brief.held.fits, words, brief.held.why_not), brief.fits && any].filter(Boolean);
}

const said = (fits, words, why) =>
  h("span", { class: `fits ${fits === true ? "yes" : fits === false ? "no" : "unknown"}`, title: why ?? "" }, words);

/** A figure with its kind, its unit said by `show`. */
export function figure(found, show) {
  if (found.kind === "unknown") return h("span", { class: "unknown", title: found.reason }, "unknown");
  if (found.kind === "exact") return h("span", { class: "exact" }, show(found.value));
  if (found.kind === "measured") return h("span", { class: "measured" }, `${show(found.value)} measured`);
  return h("span", { class: "estimated", title: found.basis }, `≈ ${range(show(found.low), show(found.high))}`);
}

/** From low to high, the unit said once where both have the same. */
function range(low, high) {
  if (low === high) return low;
  const unit = (text) => text.slice(text.search(/[^0-9.,]/) === -1 ? text.length : text.search(/[^0-9.,]/));
  return unit(low) === unit(high) ? `${low.slice(0, low.length - unit(low).length)}–${high}` : `${low} – ${high}`;
}

const rate = (value) => (value >= 20 ? Math.round(value).toLocaleString("en") : value.toFixed(1));
const nats = (value) => String(Number(value.toPrecision(2)));

/** The builds of a model on this machine, what to take, and what is unknown. */
export function fitSection(plan) {
  const run = plan.builds[0]?.run;
  const how = run ? `${count(run.context_tokens)} tokens of context in ${run.slots === 1 ? "one slot" : `${run.slots} slots`}.` : "";
  const why = plan.builds.find((build) => build.generation_tokens_per_s.kind === "unknown" && build.fits)?.generation_tokens_per_s.reason;
  return [
    h("p", { class: "fit-reason" }, plan.reason),
    h("div", { class: "fit-room", tabindex: "0", role: "region", "aria-label": "Builds and what they need" },
      h("table", { class: "fit-table" },
        h("thead", {}, h("tr", {}, ...["Build", "Had", "Fits", "Memory", "Longest context", "Tokens/s", "Loss"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...plan.builds.map((build) => row(build, plan.recommended))))),
    h("p", { class: "fine" }, `${how} ≈ is an estimate and a range; a figure alone is exact. Loss is expected, in nats a token against the 16-bit model.`),
    why && h("p", { class: "fine" }, `Speed is unknown: ${why}.`),
  ];
}

function row(build, recommended) {
  const fits = build.fits === true ? "yes" : build.fits === false ? "no" : "unknown";
  return h("tr", { class: build.tag === recommended ? "recommended" : "" },
    h("th", { scope: "row" }, h("code", {}, build.tag), build.tag === recommended && h("span", { class: "visually-hidden" }, " recommended")),
    h("td", {}, HAD[build.origin] ?? build.origin),
    h("td", {}, h("span", { class: `fits ${fits}`, title: build.why_not ?? "" }, { yes: "yes", no: "no", unknown: "cannot say" }[fits])),
    h("td", {}, figure(build.total_bytes, bytes)),
    h("td", {}, figure(build.largest_context_tokens, count)),
    h("td", {}, figure(build.generation_tokens_per_s, rate)),
    h("td", {}, figure(build.loss_nats_per_token, nats)));
}
