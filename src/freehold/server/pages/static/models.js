// The endpoints this house offers, and what is known of them. Unknown stays null: nothing here is made up.
import { ask } from "./house.js";
import { bytes, count } from "./numbers.js";

const LAST = "freehold.model";
// A link to the page may name a model, as /?model=NAME; the page's own address has no room for it once it runs.
let wanted = new URLSearchParams(location.search).get("model");

export class Models extends EventTarget {
  list = [];
  loaded = false;
  withheld = false; // the house wants to know who asks, before it says what it offers

  async load() {
    const answer = await (await ask("/v1/models")).json();
    this.list = (answer.data ?? []).map(model);
    this.loaded = true;
    this.withheld = false;
    this.dispatchEvent(new Event("changed"));
  }

  /** Nobody is signed in any more: what the house offers is not this page's to show. */
  forget() {
    this.list = [];
    this.loaded = false;
    this.withheld = true;
  }

  /** The model of that name, or null where the house does not offer it. */
  find(name) {
    return this.list.find((candidate) => candidate.name === name) ?? null;
  }

  /** The model a new conversation starts with: the one a link asked for, the one used last where it chats, the first
   * that does; a base model, which only continues text, where there is no other. */
  preferred() {
    const last = this.find(localStorage.getItem(LAST));
    return this.find(wanted) ?? (last?.chats ? last : null) ?? this.list.find((each) => each.chats) ?? this.list[0] ?? null;
  }

  /** Whether a person may pick it to talk to: a base model only where no model chats. */
  pickable(each) {
    return each.chats || !this.list.some((other) => other.chats);
  }

  remember(name) {
    wanted = null;
    localStorage.setItem(LAST, name);
  }
}

function model(row) {
  const facts = { ...row, ...(row.freehold ?? {}) };
  return {
    name: row.id,
    kind: facts.kind ?? null,
    title: facts.title ?? null,
    license: facts.license ?? null,
    sizeBytes: facts.size_bytes ?? null,
    quantization: facts.quantization ?? null,
    contextTokens: facts.context_tokens ?? facts.context_length ?? facts.max_model_len ?? null,
    note: facts.note ?? null,
    chats: (facts.chat ?? facts.capabilities?.chat) !== false,
  };
}

/** Where a question to this model goes, in one word and in one sentence. */
export function place(each) {
  if (each?.kind === "local") return { word: "local", sentence: "Answered on your own machine. Nothing leaves the house." };
  if (each?.kind === "remote") return { word: "remote", sentence: "Sent to a remote model: what you write leaves this house." };
  if (each?.kind === "fake") return { word: "test", sentence: "A test endpoint: its answers are made up on your own machine." };
  return { word: null, sentence: "" };
}

/** Known facts of a model, shortest first. */
export function facts(each) {
  return [
    each.license,
    each.quantization?.toUpperCase(),
    each.sizeBytes === null ? null : bytes(each.sizeBytes),
    each.contextTokens === null ? null : `${count(each.contextTokens)} tokens of context`,
    each.chats ? null : "base model: continues text",
    each.note,
  ].filter(Boolean);
}
