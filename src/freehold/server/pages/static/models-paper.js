// The paper of one model: what it is, how open, what this organization may expect, and the way to every piece of evidence.
import { copyWithButton, h, icon, iconButton } from "./dom.js";
import { bytes, count } from "./numbers.js";
import { componentsSection, figuresSection, licenseSections, lineageSection, unknownSection } from "./models-evidence.js";
import { ladder, labelWords, track } from "./models-spectrum.js";
import { chatLink, verdict } from "./models-table.js";
import { capital, component, day, levels, plain, plural, size, tokens } from "./models-words.js";

/** The whole paper. `row` is the table's row, with what is held; `words` are the meanings of the levels. */
export function drawPaper(paper, row, words) {
  return [
    head(paper.model, row), heldSection(row), fitsSection(row), opennessSection(paper, words), verdictSection(paper.verdict, paper.override, words.asker),
    ...licenseSections(paper), componentsSection(paper, words), figuresSection(paper), lineageSection(paper),
    shapeSection(paper.model), unknownSection(paper.model),
  ];
}

/** What there is to say of a held build that the catalog does not know. */
export function drawUnknown(row, words) {
  return [
    h("header", { class: "paper-head" }, h("h2", { id: "paper-title" }, row.title),
      h("p", { class: "paper-sub" }, "Held here, and not in the catalog: who made it, its license and what was published of it are unknown."),
      row.held[0].endpoint && h("div", { class: "actions" }, chatLink(row.held[0].endpoint, row.title))),
    heldSection(row),
    section("How open it is", track(null, "track big"), h("p", {}, "Nobody can say: the catalog does not know this model.")),
    verdictSection(row.held[0].verdict, null, words.asker),
  ];
}

/** Filled when the house has said what fits. */
const fitsSection = (row) => row.weights === "withheld" ? "" :
  section("What fits here", h("div", { id: "paper-fits", "aria-live": "polite" }, h("p", { class: "fine" }, "The house is reckoning.")));

export const section = (title, ...children) => h("section", { class: "part" }, h("h3", {}, title), ...children);

function head(model, row) {
  const { publisher } = model;
  const facts = [
    [publisher.name, publisher.kind, publisher.country].filter(Boolean).join(", "),
    model.weights === "withheld" ? "a service; its weights are kept" : model.weights_released ? `weights since ${day(model.weights_released)}` : null,
  ];
  return h("header", { class: "paper-head" },
    h("h2", { id: "paper-title" }, model.title),
    h("p", { class: "paper-sub" }, facts.filter(Boolean).join(" · ")),
    h("p", { class: "chips" }, ...model.skills.map((skill) => h("span", { class: "badge" }, skill)),
      ...model.modalities.filter((each) => each !== "text").map((each) => h("span", { class: "badge" }, each))),
    h("div", { class: "actions" }, ...actions(model, row)));
}

function actions(model, row) {
  const endpoint = row.held.find((each) => each.endpoint)?.endpoint;
  const found = [endpoint && chatLink(endpoint, model.title)];
  if (model.builds.length && !row.held.length) found.push(command(`freehold pull ${model.name}`));
  found.push(model.repository && h("code", { class: "place-of" }, `hf:${model.repository}`));
  if (model.gated) found.push(h("span", { class: "sub" }, "Terms must be accepted, with an account, before it can be downloaded."));
  return found;
}

/** A command with a button that copies it. */
export function command(text) {
  const button = iconButton("copy", `Copy ${text}`, () => copyWithButton(button, text));
  return h("span", { class: "command" }, h("code", {}, text), button);
}

function heldSection(row) {
  if (!row.held.length) return "";
  return section("Held here", h("ul", { class: "held-list" }, ...row.held.map((each) => h("li", {},
    h("div", { class: "held-name" }, h("code", {}, each.name), h("span", { class: "sub" }, [each.quantization, bytes(each.size_bytes), `kept ${day(each.kept_at)}`].filter(Boolean).join(" · "))),
    h("div", { class: "held-deed" }, ...deed(each)),
    each.no_engine && h("p", { class: "fine" }, `${capital(each.no_engine)}.`),
    each.model && !each.known_by_bytes && h("p", { class: "fine" }, "That it is this model is what its source says: the catalog does not know these bytes."),
    row.listed && each.verdict && each.verdict.decision !== row.verdict && h("p", { class: "decision" }, verdict(each.verdict.decision), h("span", { class: "sub" }, `this build: ${each.verdict.reasons[0]?.text ?? ""}`)),
    h("p", { class: "hash" }, each.digest)))),
  h("p", { class: "fine" }, "As the deed says. ", h("code", {}, "freehold deed verify"), " looks at every byte again."));
}

const SIGNED = {
  valid: ["good", "Deed signed"], missing: ["soft", "Deed not signed"], wrong: ["bad", "Signature is wrong"],
  "unknown key": ["soft", "Signed by a key this house does not trust"], undecided: ["soft", "Signature not checked: a key cannot be read"],
};
const LOOKED = { clean: ["good", "Files clean"], refuse: ["bad", "Files refused"], review: ["soft", "Files to be reviewed"], undecided: ["soft", "Files undecided"] };

function deed(each) {
  const [signed, told] = SIGNED[each.signature];
  const kind = signed === "soft" && each.signature_wanted ? "bad" : signed;
  const [looked, found] = each.looked === null ? ["soft", "What was found in its files is not recorded"] : (LOOKED[each.looked] ?? ["soft", `Files: ${each.looked}`]);
  const when = each.looked_on ? `, on ${day(each.looked_on)}` : "";
  const more = each.findings ? `, ${plural(each.findings, "note")}` : "";
  return [seal(kind, each.signed_by ? `${told} by ${each.signed_by.slice(0, 16)}…` : told), seal(looked, `${found}${when}${more}`)];
}

const seal = (kind, text) => h("span", { class: `seal ${kind}` }, icon(kind === "good" ? "seal" : "warn"), text);

function opennessSection(paper, words) {
  const { label, sentence, freedom, published, evidence } = paper.openness;
  const bounds = [label.low, label.high];
  return section("How open it is",
    h("p", { class: "label-line" }, labelWords(bounds, words.labels)),
    track(bounds, "track big"),
    h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, "closed"), h("span", {}, "open science")),
    (label.low < label.high || freedom.decided_by !== paper.model.name) && h("p", { class: "fine" }, sentence),
    h("div", { class: "ladders" },
      h("div", {}, h("h4", {}, `License ${levels("F", [freedom.low, freedom.high])}`), ladder("F", [freedom.low, freedom.high], words.freedom)),
      h("div", {}, h("h4", {}, `Published ${levels("T", [published.low, published.high])}`), ladder("T", [published.low, published.high], words.published))),
    h("p", { class: "fine" }, "Two things, never added up: what the license leaves free, and what was published beside the weights.",
      published.derived ? " What others published of its bases counts in the second." : ""),
    ...closing(evidence, paper.model.name));
}

function closing(evidence, name) {
  if (!evidence.length) return [];
  return [h("h4", {}, "What would close the gap"), h("ul", { class: "plain" }, ...evidence.map((each) => h("li", {}, missing(each, name))))];
}

function missing(each, name) {
  const of = each.of === name ? "" : ` of ${each.of}`;
  if (each.kind === "component") return `Whether its ${component(each.what)} ${/s$/.test(component(each.what)) ? "were" : "was"} published${of}`;
  if (each.kind === "license") return `The text of ${each.what}${of}: there is no record of it`;
  return `${capital(plain(each.kind))}: ${each.what}${of}`;
}

function verdictSection(found, override, asker) {
  if (found === null) {
    return section("For your organization", h("p", {}, "No organization is described, so there is no verdict: what a license asks depends on who you are."), describe());
  }
  const who = asker.organization ? `For ${asker.organization.name ?? "your organization"}` : "By the house's own rules";
  return section(who,
    h("p", { class: "decision" }, verdict(found.decision), h("span", { class: "sub" }, "by our reading; not legal advice")),
    override && overridden(override),
    asker.organization === null && h("p", { class: "fine" }, "No organization is described: every fact of it is unknown here."),
    ...list("Why", found.reasons), ...list("What you have to do", found.duties),
    ...list("What does not apply, by your facts", found.ruled_out), ...list("What may change it", found.risks),
    h("ul", { class: "readings" }, ...found.readings.map((each) => h("li", {}, `${each.name}: `, ...reading(each.words),
      each.live && h("p", { class: "fine" }, each.live)))));
}

/** Who took the model against the policy, when and why; and whether that still answers what stands against it. */
function overridden(each) {
  const covers = each.covers_this ? "" : " It does not cover what stands against the model today.";
  return h("p", { class: "override" }, `Taken all the same by ${each.by} on ${day(each.date)}: “${each.reason}”.${covers}`);
}

/** On whose word a statement stands; the hash in it as a hash. */
export function reading(words) {
  const [said, hash] = words.split(/(?=sha256:)/);
  return [said, hash && h("span", { class: "hash" }, hash)].filter(Boolean);
}

function list(title, said) {
  return said.length ? [h("h4", {}, title), h("ul", { class: "said" }, ...said.map(statement))] : [];
}

/** One statement of a verdict: the words, where they stand, and the fact they turned on. */
function statement(each) {
  const where = [each.license, each.clause && plain(each.clause), each.section && `section ${each.section}`].filter(Boolean).join(", ");
  return h("li", { class: each.decision ? `reason ${each.decision}` : "" }, h("span", {}, capital(each.text)),
    each.when && h("span", { class: "when" }, each.when),
    h("span", { class: "sub" }, where), each.fact && h("code", { class: "fact" }, each.fact));
}

export const EXAMPLE = `[organization]
name = "Harbor Bank"
domicile = "DE"
commercial = true
monthly_active_users = 400_000
revenue_year_usd = 300_000_000
sectors = ["finance"]
hosts_for_others = false
distributes = false
trains_on_outputs = false
`;

/** How to say who the organization is. */
export function describe() {
  const button = iconButton("copy", "Copy the example", () => copyWithButton(button, EXAMPLE));
  return h("details", { class: "describe" }, h("summary", {}, "How to describe it"),
    h("p", {}, "Write what is true of you into ", h("code", {}, "freehold.toml"), " and start the house again. What you leave out stays unknown, and a license that asks for it comes back as review."),
    h("div", { class: "example" }, h("pre", { tabIndex: 0 }, EXAMPLE), button));
}

function shapeSection(model) {
  const numbers = Object.entries(model.shape).filter(([, value]) => value); // 0: this architecture has none
  const nominal = model.parameters_nominal ? " (the publisher's round number)" : "";
  const rows = [
    ["parameters", model.parameters === null ? null : `${count(model.parameters)}${nominal}`],
    ["at work on a token", model.active_parameters === null ? undefined : size(model.active_parameters)],
    ["context", model.context_tokens === null ? null : `${count(model.context_tokens)} tokens (${tokens(model.context_tokens)})`],
    ...numbers.map(([name, value]) => [plain(name), typeof value === "number" ? count(value) : value]),
  ];
  return h("details", { class: "part fold" }, h("summary", {}, h("h3", {}, "Size and shape")),
    h("dl", { class: "facts" }, ...rows.filter(([, value]) => value !== undefined).flatMap(([name, value]) => [h("dt", {}, name), h("dd", { class: value === null ? "unknown" : "" }, value ?? "unknown")])));
}
