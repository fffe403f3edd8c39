// The evidence of a paper: each component with its state, who says so and where it was read; each clause with its
// section and the hash of the text it was read in; the bases; the figures of others, as theirs.
import { h } from "./dom.js";
import { capital, component, plain } from "./models-words.js";

const STATES = {
  open: "published, openly licensed", restricted: "published, its license is not open", partial: "published in part",
  absent: "not published", unknown: "nobody has read whether",
};
const EVIDENCE = { verified: "a program saw it", cited: "a public index says so", claimed: "its publisher says so" };
const fold = (title, note, ...children) => h("details", { class: "part fold" }, h("summary", {}, h("h3", {}, title), note && h("span", { class: "sub" }, note)), ...children);
const short = (hash) => `sha256:${hash.slice(0, 16)}…`;

/** The license in plain words: what it asks, then clause by clause. */
export function licenseSections(paper) {
  const { license, lineage, model } = paper;
  const bases = lineage.ancestors.filter((each) => each.binding);
  return [
    h("section", { class: "part" }, h("h3", {}, "License: ", license.name),
      h("p", {}, license.summary), model.license_note && h("p", { class: "fine" }, model.license_note),
      h("h4", {}, "What it asks of whoever takes the model"), ...dutiesOf(license),
      ...bases.flatMap((base) => [h("h4", {}, `And the license of ${base.name}, which it was made from: ${base.license_name ?? "unknown"}`), ...dutiesOf(base)]),
      h("p", { class: "fine" }, `${capital(license.reading.split("sha256:")[0])}`, license.text?.sha256 && h("span", { class: "hash" }, `sha256:${license.text.sha256}`),
        ". A reading is not legal advice."), license.live && h("p", { class: "fine" }, license.live)),
    license.known && clauses(license),
  ];
}

function dutiesOf({ known, duties }) {
  if (!known) return [h("p", { class: "unknown" }, "Unknown: nobody has read these terms. Read them before you use it.")];
  if (!duties.length) return [h("p", {}, "Nothing that we found.")];
  return [h("ul", { class: "said" }, ...duties.map((each) => h("li", {}, h("span", {}, capital(each.what)),
    h("span", { class: "sub" }, [plain(each.clause), each.section && `section ${each.section}`].filter(Boolean).join(", ")))))];
}

function clauses(license) {
  const entries = Object.entries(license.clauses);
  const there = entries.filter(([, each]) => each && each.words !== "none");
  const none = entries.filter(([, each]) => each && each.words === "none").map(([name]) => (name === "indemnity" ? "a general indemnity" : plain(name)));
  return fold("Every clause", `${there.length} found, ${none.length} looked for and not there`,
    h("dl", { class: "clauses" }, ...there.flatMap(([name, each]) => [h("dt", {}, plain(name)), h("dd", {}, capital(each.words), each.note && h("span", { class: "note-of" }, each.note), h("span", { class: "sub" }, source(each, license)))])),
    none.length > 0 && h("p", { class: "fine" }, `No rule found on: ${none.join(", ")}. Not covered by these records: warranty, liability, trademarks, and the indemnity that whoever offers a warranty of their own may owe.`),
    license.unknown.length > 0 && h("p", { class: "fine" }, `Nobody looked for: ${license.unknown.map(plain).join(", ")}.`));
}

/** Where a clause was read: the section, and the hash of the text that has it. */
function source(clause, license) {
  const policy = clause.place === "use policy" && license.use_policy;
  const text = policy || license.text;
  const where = clause.section ? `${policy ? "use policy, " : ""}section ${clause.section.replace(/^policy, /, "")}` : "no section";
  if (clause.confidence !== "seen") return `${where} · from memory, the text was not read`;
  return `${where} · ${text?.sha256 ? short(text.sha256) : (text?.source ?? "text unknown")}`;
}

/** Every component, grouped by the level that asks for it; a click shows where it was read. */
export function componentsSection({ model, openness }, words) {
  const asked = Object.entries(words.required);
  const rest = words.components.filter((name) => !asked.some(([, names]) => names.includes(name)));
  const group = (title, names) => [h("h4", {}, title), h("ul", { class: "components" }, ...names.map((name) => evidence(name, model.published[name], openness.published.components[name])))];
  return h("section", { class: "part" }, h("h3", {}, "What was published"),
    ...asked.flatMap(([level, names]) => group(`T${level} asks for`, names)), ...group("Beside these", rest));
}

function evidence(name, { state, evidence: kind, source: from }, range) {
  const summary = h("summary", {}, h("i", { class: `state ${state}`, "aria-hidden": "true" }), h("span", { class: "component-name" }, capital(component(name))),
    h("span", { class: "sub" }, state === "unknown" ? "unknown" : `${state}, ${kind}`));
  const inherited = range && state === "unknown" && range.low === range.high ? `With its bases: ${range.low}.` : "";
  return h("li", {}, h("details", { class: "component" }, summary,
    h("p", {}, `${capital(STATES[state])}${kind in EVIDENCE ? `: ${EVIDENCE[kind]}` : ""}. ${inherited}`), from && h("p", { class: "from" }, ...cite(from))));
}

/** A source, with its address where it has one; nothing is fetched unless somebody follows it. */
function cite(source) {
  const date = source.date ? ` (${source.date})` : "";
  const link = /^https:\/\//.test(source.url ?? "") && h("a", { href: source.url, target: "_blank", rel: "noopener noreferrer" }, source.url);
  return [`${source.text}${date} `, link || ""];
}

/** What others say, each figure theirs, and what others' rules give. */
export function figuresSection({ openness }) {
  const { mof, osaid } = openness;
  const classes = mof.low === mof.high ? mof.low : `${mof.low} to ${mof.high}`;
  const rows = [
    ["Model Openness Framework", `class ${classes}`, `version ${mof.version}, computed here`, [...lacks("lacks", mof.missing), ...lacks("unknown:", mof.unknown)]],
    ["Open Source AI Definition", osaid.verdict, `version ${osaid.version}, computed here`, [...osaid.reasons, ...lacks("unknown:", osaid.unknown)]],
    ["Reviewed by the OSI", openness.osi_reviewed, "", []],
    figure("European Open Source AI Index", openness.osai), figure("Transparency index of the publisher", openness.transparency),
  ];
  return fold("What others say", rows.slice(0, 2).map(([, said]) => said).join(" · "), h("dl", { class: "facts wide" }, ...rows.flatMap(([name, said, note, more]) => [
    h("dt", {}, name), h("dd", {}, h("span", { class: said === "unknown" ? "unknown" : "" }, said), note && h("span", { class: "sub" }, note),
      more.length > 0 && h("ul", { class: "plain" }, ...more.map((each) => h("li", {}, each))))])));
}

const lacks = (word, names) => (names.length ? [`${word} ${names.map(component).join(", ")}`] : []);

function figure(name, found) {
  if (found === null) return [name, "unknown", "", []];
  return [name, `${found.value} of ${found.of}`, `their figure, ${found.date}. ${found.source?.text ?? ""}`, []];
}

export function lineageSection({ lineage, model }) {
  const chain = lineage.ancestors.map((each) => h("li", { class: `depth-${Math.min(each.path.length - 1, 4)}` }, h("span", {}, each.name),
    h("span", { class: "sub" }, [each.publisher, each.license_name ?? "license unknown", each.binding && "its license binds here too"].filter(Boolean).join(" · "))));
  const gaps = lineage.gaps.map((gap) => h("li", { class: "unknown" }, `${gap.of}: ${gap.kind === "base models" ? "what it was made from is not known" : gap.what}`));
  return h("section", { class: "part" }, h("h3", {}, "What it was made from"),
    chain.length + gaps.length ? h("ol", { class: "lineage" }, ...chain, ...gaps) : h("p", {}, `${model.title} was trained from scratch: it has no base model.`));
}

export function unknownSection(model) {
  const names = model.unknown.map((name) => (name.startsWith("published.") ? component(name.slice(10)) : plain(name.replace("shape.", ""))));
  const note = names.length ? `${names.length} of its facts` : "none of the fields asked of any model";
  const sources = Object.entries(model.sources).map(([name, from]) => [h("dt", {}, plain(name)), h("dd", {}, ...cite(from))]).flat();
  return fold("What nobody has read, and where the rest was", note, h("p", {}, names.length ? `Unknown: ${names.join(", ")}.` : "Every field that the catalog asks of any model is known: size, shape, lineage, what was published."),
    h("dl", { class: "facts" }, ...sources));
}
