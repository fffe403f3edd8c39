// The page: which conversation is open, which answers are under way, and how its parts reach each other.
import { Answer } from "./answer.js";
import { Composer } from "./composer.js";
import { announce, byId } from "./dom.js";
import { exportConversation } from "./export.js";
import { Follow } from "./follow.js";
import { Header } from "./header.js";
import { Models } from "./models.js";
import { Connection, notice } from "./notices.js";
import { SettingsPanel } from "./settings.js";
import { initDialogs, initShortcuts } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { SignIn } from "./sign-in.js";
import { Store } from "./store.js";
import { initTheme } from "./theme.js";
import { Thread } from "./thread.js";
import { add, parentOf, path, titleOf, turn } from "./tree.js";

const narrow = matchMedia("(max-width: 760px)");

class App {
  #current = null;
  #answers = new Map();
  #hasty = false; // asked before the house said what it offers: the question waits in its box
  #models = new Models();
  #offer = null; // what the house offers to who has just signed in, while it is asked
  #store = new Store();
  #connection = new Connection(() => this.#loadModels());

  async start() {
    this.#build();
    this.#listen();
    await this.#store.open();
    this.#open(this.#store.get(location.hash.slice(1)) ?? this.#store.create(null));
    await this.#loadModels();
    if (!narrow.matches && !document.querySelector("dialog[open]")) this.composer.focus();
  }

  #build() {
    initTheme();
    initDialogs();
    this.signIn = new SignIn({
      signedIn: () => {
        this.#offer = this.#loadModels();
        this.composer.focus();
      },
      signedOut: () => {
        this.#models.forget();
        this.#show();
      },
    });
    this.follow = new Follow(byId("scroller"), byId("thread"), byId("latest"));
    this.header = new Header(this.#models, (model) => this.#choose(model));
    this.composer = new Composer(this.#store, {
      send: (text) => this.#ask(text), stop: () => this.#stop(), editLast: () => this.thread.editLast(),
    });
    this.settings = new SettingsPanel((settings) => {
      this.#current.settings = settings;
      this.#keep();
    });
    this.thread = new Thread(byId("thread"), this.#models, {
      ask: (text) => this.#ask(text), edit: (message, text) => this.#offered(() => this.#edit(message, text)),
      again: (message) => this.#offered(() => this.#again(message)), retry: (message) => this.#offered(() => this.#retry(message)),
      turn: (message, step) => this.#turn(message, step), offerKey: () => this.signIn.needed(),
    });
    this.sidebar = new Sidebar(this.#store, {
      open: (conversation) => this.#open(conversation), exportAs: exportConversation, remove: (conversation) => this.#remove(conversation),
      rename: (conversation, title) => {
        conversation.title = title;
        this.#store.save(conversation);
      },
    });
  }

  #listen() {
    initShortcuts({
      stop: () => this.#stop(), write: () => this.composer.focus(), create: () => this.#new(), move: (event) => this.#move(event),
      search: () => this.sidebar.search(narrow.matches), pick: () => this.header.pick(),
      settings: () => byId("settings").showModal(), help: () => byId("help").showModal(),
    });
    byId("new").addEventListener("click", () => this.#new());
    byId("open-settings").addEventListener("click", () => byId("settings").showModal());
    byId("open-help").addEventListener("click", () => byId("help").showModal());
    addEventListener("hashchange", () => {
      const named = this.#store.get(location.hash.slice(1));
      if (named && named !== this.#current) this.#open(named);
    });
    addEventListener("focus", () => this.#loadModels());
    this.#store.addEventListener("trouble", ({ detail }) => notice(detail));
    this.#store.addEventListener("changed", ({ detail }) => this.#changed(detail));
  }

  async #loadModels() {
    try {
      await this.#models.load();
    } catch (error) {
      this.#troubled(error);
    }
    this.#current.model ??= this.#models.preferred()?.name ?? null;
    this.#show();
    if (!this.#hasty || !this.#models.loaded) return;
    this.#hasty = false;
    this.composer.send();
  }

  #troubled(error) {
    if (error.unreachable) this.#connection.lost();
    else if (error.needsKey) this.signIn.needed();
    else notice(error.message);
  }

  #open(conversation) {
    this.#current = conversation;
    conversation.model ??= this.#models.preferred()?.name ?? null;
    const kept = this.#store.get(conversation.id);
    history.replaceState(null, "", kept ? `#${conversation.id}` : location.pathname);
    this.composer.open(conversation);
    this.settings.show(conversation.settings);
    this.#show();
    if (conversation.messages.length) this.follow.jump();
    else this.follow.begin();
    if (narrow.matches) this.sidebar.drawer(false);
  }

  #show() {
    const model = this.#models.find(this.#current.model);
    document.title = `${titleOf(this.#current)} · Freehold`;
    this.header.show(this.#current);
    this.thread.show(this.#current, model);
    this.composer.show({ answering: this.#answers.has(this.#current.id), model, models: this.#models });
    this.sidebar.show(this.#current);
  }

  #changed(id) {
    if (id === this.#current?.id && !this.#answers.has(id)) {
      if (!this.#store.get(id)) return this.#new();
      this.#show();
    } else this.sidebar.show();
  }

  #keep() {
    if (this.#store.get(this.#current.id)) this.#store.save(this.#current);
  }

  #new() {
    this.#open(this.#store.create(this.#current.model));
    this.composer.focus();
  }

  #move(event) {
    const all = this.#store.list();
    const next = all[all.indexOf(this.#current) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) this.#open(next);
  }

  #choose(model) {
    this.#current.model = model.name;
    this.#models.remember(model.name);
    this.#keep();
    this.#show();
  }

  #ask(text) {
    if (!this.#models.loaded) {
      this.#hasty = true;
      if (this.#models.withheld) this.signIn.needed();
      return false;
    }
    if (this.#answers.has(this.#current.id) || !this.#model()) return false;
    const question = add(this.#current, path(this.#current).at(-1), { role: "user", text });
    this.#answer(question);
    return true;
  }

  /** Does `step` once it is known what there is to ask: who signs in and clicks at once would be taken for signed out. */
  async #offered(step) {
    await this.#offer;
    step();
  }

  #edit(message, text) {
    if (!this.#model()) return;
    this.#answer(add(this.#current, parentOf(this.#current, message), { role: "user", text }));
  }

  #again(message) {
    if (this.#model()) this.#answer(parentOf(this.#current, message));
  }

  /** Asks once more in the place of an answer that failed; what it already said stays as a version. */
  #retry(message) {
    if (!this.#model()) return;
    const question = parentOf(this.#current, message);
    if (!message.text) this.#current.messages = this.#current.messages.filter((each) => each !== message);
    this.#answer(question);
  }

  #turn(message, step) {
    turn(this.#current, message, step);
    this.#keep();
    this.#show();
  }

  #model() {
    const model = this.#models.find(this.#current.model);
    if (!model && this.#models.withheld) this.signIn.needed();
    else if (!model) notice(this.#models.list.length ? `The house does not offer ${this.#current.model} now: choose another model.` : "There is no model to ask.");
    return model;
  }

  #answer(question) {
    this.#stop();
    const conversation = this.#current;
    const model = this.#model();
    const message = add(conversation, question, { role: "assistant", model: model.name, status: "streaming" });
    const answer = new Answer(conversation, message, model, this.#store);
    let drawn = 0;
    answer.addEventListener("grown", () => {
      drawn ||= requestAnimationFrame(() => {
        drawn = 0;
        if (conversation === this.#current) this.thread.grow(message, answer.progress);
      });
    });
    answer.addEventListener("ended", () => this.#ended(answer));
    this.#answers.set(conversation.id, answer);
    answer.run();
    history.replaceState(null, "", `#${conversation.id}`);
    this.#show();
    this.follow.jump();
  }

  #ended(answer) {
    const { conversation, message } = answer;
    if (this.#answers.get(conversation.id) === answer) this.#answers.delete(conversation.id);
    if (answer.error?.unreachable) this.#connection.lost();
    if (answer.error?.needsKey) this.#troubled(answer.error);
    // A worker tells its context once it runs, and the first question is what starts it.
    if (!answer.error && answer.model.contextTokens === null) this.#loadModels();
    if (conversation === this.#current) this.#show();
    else this.sidebar.show();
    if (message.status === "complete") announce(`${message.model} answered: ${message.text.slice(0, 1000)}`);
    if (message.status === "stopped") announce("Stopped.");
  }

  /** Stops the answer of the open conversation; false where there is none. */
  #stop() {
    const answer = this.#answers.get(this.#current.id);
    answer?.stop();
    if (answer) this.composer.focus();
    return Boolean(answer);
  }

  #remove(conversation) {
    this.#answers.get(conversation.id)?.stop();
    const shown = conversation === this.#current;
    const title = titleOf(conversation);
    if (shown) this.#open(this.#store.list().find((each) => each !== conversation) ?? this.#store.create(conversation.model));
    this.#store.remove(conversation);
    notice(`Deleted “${title}”.`, () => {
      this.#store.save(conversation);
      if (shown) this.#open(conversation);
    });
  }
}

new App().start();
