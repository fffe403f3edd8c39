// The Models page: the catalog of this house, looked through by whoever has to answer for a model.
// The URL holds what is looked for and which paper is open, so that both can be sent to somebody else.
import { announce, byId, h, icon } from "./dom.js";
import { ask } from "./house.js";
import { fitSection } from "./models-fit.js";
import * as filters from "./models-filter.js";
import { describe, drawPaper, drawUnknown } from "./models-paper.js";
import { Stops } from "./models-stops.js";
import { Table } from "./models-table.js";
import { capital, DECISIONS, plain, plural } from "./models-words.js";
import { Connection, notice } from "./notices.js";
import { initDialogs } from "./shortcuts.js";
import { SignIn } from "./sign-in.js";
import { initTheme } from "./theme.js";

const INPUTS = ["q", "size", "license", "skill", "here", "verdict", "sort"];

class ModelsPage {
  #filter = filters.read(location.search);
  #rows = [];
  #shown = [];
  #words = null;
  #open = null;
  #asked = null;
  #connection = new Connection(() => this.#load());

  async start() {
    initTheme();
    initDialogs();
    this.table = new Table(byId("table"), {
      open: (name) => this.#show(name), sort: (key) => this.#change({ sort: key }), link: (name) => `/models${filters.written({}, name)}`,
    });
    this.stops = new Stops(byId("stops"), (label) => this.#change({ label }));
    // What was shown to somebody does not stay for the next one: the page begins anew.
    this.signIn = new SignIn({ signedIn: () => this.#load(), signedOut: () => this.#words && location.reload() });
    this.#listen();
    await this.#load();
  }

  #listen() {
    const read = () => this.#change(Object.fromEntries(INPUTS.map((name) => [name, field(name).value])));
    byId("filters").addEventListener("input", read);
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("sort").addEventListener("input", read);
    byId("clear").addEventListener("click", () => {
      this.#change(filters.cleared(this.#filter));
      field("q").focus();
    });
    byId("paper").addEventListener("close", () => this.#closed());
    byId("paper").addEventListener("keydown", (event) => this.#turn(event));
    byId("paper-before").addEventListener("click", () => this.#step(-1));
    byId("paper-after").addEventListener("click", () => this.#step(1));
    addEventListener("popstate", () => this.#follow());
    addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.closest?.("input, textarea, select") || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      field("q").focus();
    });
  }

  async #load() {
    try {
      this.#fill(await (await ask("/api/catalog")).json());
      await this.#loadFits();
    } catch (error) {
      this.#troubled(error);
    }
  }

  /** What fits comes after the table is there: it is a second of arithmetic for the house. */
  async #loadFits() {
    const { models } = await (await ask("/api/fit")).json();
    for (const row of this.#rows) row.brief = models[row.name] ?? null;
    this.table.tellFits(this.#rows);
    this.#draw();
  }

  #troubled(error) {
    if (error.unreachable) this.#connection.lost();
    else if (error.needsKey) this.signIn.needed();
    else notice(error.message);
  }

  #fill({ models, held, unreadable, judged, organization, rules, ...words }) {
    this.#words = { ...words, asker: { judged, organization, rules } };
    this.#rows = withHeld(models, held);
    byId("verdict-field").hidden = !judged;
    fillChoices(this.#rows, words);
    this.#filter = possible(this.#filter);
    byId("organization").replaceChildren(...organizationNote(judged, organization));
    byId("organization").hidden = false;
    if (unreadable) notice(`${plural(unreadable, "deed")} cannot be read and ${unreadable === 1 ? "its build is" : "their builds are"} not shown: \`freehold doctor\` says more.`);
    this.table.fill(this.#rows, words, { judged });
    this.stops.fill(words.labels);
    this.#draw();
    this.#follow({ arriving: true });
  }

  #change(part) {
    this.#filter = { ...this.#filter, ...part };
    history.replaceState(null, "", `/models${filters.written(this.#filter)}`);
    this.#draw();
  }

  #draw() {
    for (const name of INPUTS) if (field(name).value !== this.#filter[name]) field(name).value = this.#filter[name];
    if (!this.#words) return;
    this.#shown = filters.sorted(this.#rows.filter((row) => filters.fits(row, this.#filter)), this.#filter.sort);
    this.table.show(this.#shown, this.#filter.sort);
    this.stops.show(this.#rows.filter((row) => filters.fits(row, this.#filter, "label")), this.#filter.label);
    const all = this.#shown.length === this.#rows.length;
    byId("tally").textContent = all ? plural(this.#rows.length, "model") : `${this.#shown.length} of ${plural(this.#rows.length, "model")}`;
    byId("clear").hidden = filters.isEmpty(this.#filter);
    byId("none").hidden = this.#shown.length > 0;
  }

  /** Opens the paper of a model and puts it into the URL; Back closes it. */
  #show(name) {
    history.pushState({ paper: true }, "", `/models${filters.written(this.#filter, name)}`);
    this.#present(name);
  }

  async #present(name) {
    const row = this.#rows.find((each) => each.name === name);
    if (!row) return notice(`There is no model called ${name} here.`);
    this.#open = this.#asked = name;
    const at = this.#shown.indexOf(row);
    byId("paper-before").disabled = at <= 0;
    byId("paper-after").disabled = at === -1 || at === this.#shown.length - 1;
    byId("paper-place").textContent = at === -1 ? "" : `${at + 1} of ${this.#shown.length}`;
    try {
      const paper = row.listed ? await (await ask(`/api/catalog/${encodeURIComponent(name)}`)).json() : null;
      if (this.#asked !== name) return;
      byId("paper-body").replaceChildren(...(paper ? drawPaper(paper, row, this.#words) : drawUnknown(row, this.#words)).filter(Boolean));
      document.title = `${row.title} · Models · Freehold`;
      if (!byId("paper").open) byId("paper").showModal();
      byId("paper-body").scrollTop = 0;
      byId("paper-body").focus();
      announce(row.title);
      if (row.listed && row.weights !== "withheld") await this.#presentFits(name);
    } catch (error) {
      this.#troubled(error);
    }
  }

  /** What of the open paper's model fits, once the house has reckoned it. */
  async #presentFits(name) {
    const plan = await (await ask(`/api/fit/${encodeURIComponent(name)}`)).json();
    if (this.#asked === name) byId("paper-fits")?.replaceChildren(...fitSection(plan).filter(Boolean));
  }

  #turn(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.target.closest("pre")) return;
    event.preventDefault();
    this.#step(step);
  }

  #step(by) {
    const next = this.#shown[this.#shown.findIndex((row) => row.name === this.#open) + by];
    if (!next || !this.#open) return;
    history.replaceState(history.state, "", `/models${filters.written(this.#filter, next.name)}`);
    this.#present(next.name);
  }

  /** The dialog was closed by its button, Escape or Back: the URL and the focus go back to the row. */
  #closed() {
    const name = this.#open;
    this.#open = this.#asked = null;
    document.title = "Models · Freehold";
    if (new URLSearchParams(location.search).has("model")) {
      if (history.state?.paper) history.back();
      else history.replaceState(null, "", `/models${filters.written(this.#filter)}`);
    }
    this.table.link(name)?.focus();
  }

  /** Shows what the URL says, after Back, Forward or an arrival. */
  #follow({ arriving = false } = {}) {
    const name = new URLSearchParams(location.search).get("model");
    if (!arriving) {
      this.#filter = filters.read(location.search);
      this.#draw();
    }
    if (name && name !== this.#open) this.#present(name);
    else if (!name && byId("paper").open) byId("paper").close();
  }
}

const field = (name) => byId(name === "sort" ? "sort" : `filter-${name}`);

/** Rows of the catalog with the builds held of each, then the held builds that the catalog does not know. */
function withHeld(models, held) {
  const rows = models.map((model) => ({ ...model, listed: true, held: held.filter((each) => each.model === model.name) }));
  const others = held.filter((each) => each.model === null).map((each) => ({
    name: each.name, title: each.name, publisher: null, family: null, parameters: null, active_parameters: null, context_tokens: null,
    license: null, license_name: null, freedom: null, published: null, label: null, skills: [], weights: null, released: null,
    repository: null, pullable: false, verdict: each.verdict?.decision ?? null, listed: false, held: [each],
  }));
  return [...rows, ...others].map((row) => ({ ...row, haystack: filters.haystack(row) }));
}

function fillChoices(rows, words) {
  const licenses = new Map(rows.filter((row) => row.license).map((row) => [row.license, row.license_name]));
  const named = [...licenses].sort(([, a], [, b]) => a.localeCompare(b));
  choices("size", "Any size", Object.entries(filters.SIZES).map(([key, [name]]) => [key, name]));
  choices("license", "Any license", Object.entries(filters.FREEDOMS).map(([key, name]) => [key, `${key} ${name}`]), ["One license", named]);
  choices("skill", "Any skill", words.skills.map((skill) => [skill, plain(skill)]));
  choices("here", "Held or not", Object.entries(filters.HERE));
  choices("verdict", "Any verdict", DECISIONS.map((each) => [each, capital(each)]));
  field("sort").replaceChildren(...Object.entries(filters.SORTS).filter(([key]) => key !== "verdict" || !byId("verdict-field").hidden).map(option));
}

/** The filter without what this house has no choice for: a license or a verdict that a URL of another house named. */
function possible(filter) {
  const here = (name) => [...field(name).options].some((each) => each.value === filter[name]);
  const without = Object.fromEntries(["size", "license", "skill", "here", "verdict"].filter((name) => !here(name)).map((name) => [name, ""]));
  if (byId("verdict-field").hidden) without.verdict = "";
  return { ...filter, ...without, ...(here("sort") ? {} : { sort: "here" }) };
}

function choices(name, any, options, group = null) {
  field(name).replaceChildren(option(["", any]), ...options.map(option), ...(group ? [h("optgroup", { label: group[0] }, ...group[1].map(option))] : []));
}

const option = ([value, name]) => h("option", { value }, name);

function organizationNote(judged, organization) {
  if (organization) {
    const { name, stated, unknown } = organization;
    return [h("details", {}, h("summary", {}, icon("seal"), `Verdicts for ${name ?? "your organization"}`),
      h("p", { class: "sub" }, "As freehold.toml describes it:"), h("ul", { class: "stated" }, ...stated.map((fact) => h("li", {}, h("code", {}, fact)))),
      unknown.length > 0 && h("p", { class: "sub" }, `Not stated, so unknown: ${unknown.join(", ")}.`))];
  }
  return [h("p", {}, judged ? "Only the house's own rules are applied: no organization is described." : "No organization is described, so there are no verdicts."), describe()];
}

new ModelsPage().start();
