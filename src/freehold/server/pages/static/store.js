// Conversations, kept in this browser alone (IndexedDB), shared by its windows, and never lost in silence.
import { newConversation } from "./tree.js";

const TABLE = "conversations";
const JOURNAL = "freehold.journal";
const DRAFT = "freehold.draft.";

/** Events: "changed" (detail: the conversation's id, null for all) and "trouble" (detail: what could not be kept). */
export class Store extends EventTarget {
  #database = null;
  #all = new Map();
  #channel = new BroadcastChannel("freehold");
  #busy = new Set();

  async open() {
    try {
      this.#database = await opened();
      for (const each of await this.#run("readonly", (table) => table.getAll())) this.#all.set(each.id, each);
    } catch (error) {
      this.#trouble("This browser keeps nothing for this page: conversations end when it is closed.", error);
    }
    await this.#recover();
    this.#channel.onmessage = ({ data }) => this.#heard(data);
    addEventListener("pagehide", () => this.#writeJournal());
  }

  /** Newest first; with `words`, those whose title or messages contain them all. */
  list(words = "") {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const holds = (each) => {
      const text = [each.title ?? "", ...each.messages.map((message) => message.text)].join("\n").toLowerCase();
      return wanted.every((word) => text.includes(word));
    };
    return [...this.#all.values()].filter(holds).sort((a, b) => b.updated - a.updated);
  }

  get(id) {
    return this.#all.get(id) ?? null;
  }

  create(model) {
    return newConversation(model);
  }

  /** Keeps the conversation as it is now. `touch` moves it to the top of the list. */
  async save(conversation, { touch = false } = {}) {
    if (touch) conversation.updated = Date.now();
    this.#all.set(conversation.id, conversation);
    this.#tell(conversation.id);
    await this.#write((table) => table.put(conversation), conversation.id);
  }

  async remove(conversation) {
    this.#all.delete(conversation.id);
    this.#tell(conversation.id);
    await this.#write((table) => table.delete(conversation.id), conversation.id);
    localStorage.removeItem(DRAFT + conversation.id);
  }

  /** While an answer is under way its conversation is this window's, and is journaled should the page be closed. */
  async whileAnswering(conversation, message, work) {
    this.#busy.add(conversation);
    const held = () => work().finally(() => this.#busy.delete(conversation));
    return navigator.locks ? navigator.locks.request(`freehold-${message.id}`, held) : held();
  }

  isBusy = (conversation) => this.#busy.has(conversation);

  draft = (id) => localStorage.getItem(this.#draftKey(id)) ?? "";

  keepDraft(id, text) {
    try {
      if (text) localStorage.setItem(this.#draftKey(id), text);
      else localStorage.removeItem(this.#draftKey(id));
    } catch (error) {
      this.#trouble("The browser's storage is full: this draft is not kept.", error);
    }
  }

  // Conversations without a message are not kept and share one draft.
  #draftKey = (id) => DRAFT + (this.#all.has(id) ? id : "new");

  #tell(id) {
    this.dispatchEvent(new CustomEvent("changed", { detail: id }));
  }

  #trouble(text, error) {
    console.warn(text, error);
    this.dispatchEvent(new CustomEvent("trouble", { detail: text }));
  }

  async #write(change, id) {
    if (!this.#database) return;
    try {
      await this.#run("readwrite", change);
      this.#channel.postMessage(id);
    } catch (error) {
      const full = error?.name === "QuotaExceededError";
      this.#trouble(`${full ? "The browser's storage is full" : "The browser could not store this"}: the conversation is only in `
        + "this window. Export it, or delete others.", error);
    }
  }

  #run(mode, action) {
    return new Promise((resolve, reject) => {
      const change = this.#database.transaction(TABLE, mode);
      const request = action(change.objectStore(TABLE));
      change.oncomplete = () => resolve(request.result);
      change.onerror = change.onabort = () => reject(change.error ?? request.error);
    });
  }

  async #heard(id) {
    const mine = this.#all.get(id);
    if (mine && this.#busy.has(mine)) return;
    const theirs = await this.#run("readonly", (table) => table.get(id));
    if (theirs && mine) merge(mine, theirs);
    else if (theirs) this.#all.set(id, theirs);
    else this.#all.delete(id);
    this.#tell(id);
  }

  // Storage that is written when a page closes must be synchronous: what was streaming goes to localStorage.
  #writeJournal() {
    if (!this.#busy.size) return;
    try {
      localStorage.setItem(JOURNAL, JSON.stringify([...this.#busy]));
    } catch (error) {
      this.#trouble("The last words of an answer could not be kept.", error);
    }
  }

  async #recover() {
    const journal = JSON.parse(localStorage.getItem(JOURNAL) ?? "[]");
    localStorage.removeItem(JOURNAL);
    for (const each of journal) this.#all.set(each.id, each);
    const elsewhere = new Set(((await navigator.locks?.query())?.held ?? []).map((lock) => lock.name));
    for (const each of this.#all.values()) {
      const broken = each.messages.filter((message) => message.status === "streaming" && !elsewhere.has(`freehold-${message.id}`));
      for (const message of broken) message.status = "interrupted";
      if (broken.length) await this.save(each);
    }
  }
}

// Messages stay the same objects, so that what is on the screen grows instead of being drawn anew.
function merge(mine, theirs) {
  const known = new Map(mine.messages.map((message) => [message.id, message]));
  const messages = theirs.messages.map((message) => Object.assign(known.get(message.id) ?? message, message));
  Object.assign(mine, theirs, { messages });
}

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("freehold", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
