// The list of conversations: grouped by day, searched, renamed, exported, deleted.
import { byId, h, iconButton } from "./dom.js";
import { openMenu } from "./menu.js";
import { titleOf } from "./tree.js";

const DAY_MS = 86_400_000;

/** `actions`: open(conversation), rename(conversation, title), exportAs(conversation, kind), remove(conversation). */
export class Sidebar {
  constructor(store, actions) {
    Object.assign(this, { store, actions, current: null });
    byId("search").addEventListener("input", () => this.show());
    byId("search").addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !event.target.value) return;
      event.stopPropagation();
      event.target.value = "";
      this.show();
    });
    byId("open-sidebar").addEventListener("click", () => this.drawer(true));
    byId("shade").addEventListener("click", () => this.drawer(false));
    matchMedia("(min-width: 761px)").addEventListener("change", () => this.drawer(false));
    byId("sidebar").addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.isDrawerOpen()) return;
      event.stopPropagation();
      this.drawer(false);
    });
  }

  show(current = this.current) {
    this.current = current;
    const words = byId("search").value.trim();
    const found = this.store.list(words);
    const state = JSON.stringify([words, this.current?.id, found.map((each) => [each.id, titleOf(each), day(each), this.store.isBusy(each)])]);
    if (state === this.shown || this.renaming) return;
    this.shown = state;
    const groups = Map.groupBy ? Map.groupBy(found, day) : grouped(found);
    const focused = document.activeElement?.closest?.("[data-conversation]")?.dataset.conversation;
    byId("conversations").replaceChildren(...[...groups].map(([name, list]) => this.#group(name, list)));
    if (!found.length) byId("conversations").append(h("p", { class: "nothing" }, words ? "Nothing found." : "Your conversations stay in this browser."));
    if (focused) this.#row(focused)?.querySelector(".conversation-open")?.focus();
  }

  isDrawerOpen = () => document.body.classList.contains("drawer-open");

  drawer(open) {
    if (open === this.isDrawerOpen()) return;
    document.body.classList.toggle("drawer-open", open);
    byId("open-sidebar").setAttribute("aria-expanded", String(open));
    byId("main").inert = open;
    if (open) byId("new").focus();
    else byId("open-sidebar").focus();
  }

  /** Puts the cursor into the search box; `drawer` where the sidebar has to be opened first. */
  search(drawer) {
    if (drawer) this.drawer(true);
    byId("search").focus();
  }

  #row = (id) => byId("conversations").querySelector(`[data-conversation="${CSS.escape(id)}"]`);

  #group(name, list) {
    const id = `group-${name.replaceAll(" ", "-")}`;
    return h("section", { "aria-labelledby": id }, h("h2", { id }, name), h("ul", {}, ...list.map((each) => this.#item(each))));
  }

  #item(conversation) {
    const here = conversation.id === this.current?.id;
    const title = titleOf(conversation);
    const more = iconButton("more", `Options of ${title}`, () => this.#menu(conversation, more), { class: "icon-button more", "aria-haspopup": "menu" });
    return h("li", { class: here ? "conversation here" : "conversation", "data-conversation": conversation.id },
      h("button", {
        type: "button", class: "conversation-open", "aria-current": here ? "true" : undefined, title,
        onclick: () => this.actions.open(conversation), ondblclick: () => this.#rename(conversation),
      }, this.store.isBusy(conversation) ? h("span", { class: "busy", title: "Answering" }) : null, title), more);
  }

  #menu(conversation, anchor) {
    openMenu(anchor, "Conversation", [
      { label: "Rename", icon: "edit", action: () => this.#rename(conversation) },
      { label: "Export as Markdown", icon: "save", action: () => this.actions.exportAs(conversation, "markdown") },
      { label: "Export as JSON", icon: "save", action: () => this.actions.exportAs(conversation, "json") },
      { label: "Delete", icon: "bin", danger: true, action: () => this.actions.remove(conversation) },
    ]);
  }

  #rename(conversation) {
    const row = this.#row(conversation.id);
    if (!row) return;
    const box = h("input", { class: "rename", value: titleOf(conversation), "aria-label": "Name of the conversation", maxLength: 120 });
    this.renaming = true;
    const finish = (keep) => {
      if (!this.renaming) return;
      this.renaming = false;
      this.shown = null;
      if (keep && box.value.trim()) this.actions.rename(conversation, box.value.trim());
      this.show();
      this.#row(conversation.id)?.querySelector(".conversation-open")?.focus();
    };
    box.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") finish(true);
      if (event.key !== "Escape") return;
      event.stopPropagation();
      finish(false);
    });
    box.addEventListener("blur", () => finish(true));
    row.replaceChildren(box);
    box.select();
  }
}

function day(conversation) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (conversation.updated >= midnight) return "Today";
  if (conversation.updated >= midnight - DAY_MS) return "Yesterday";
  return conversation.updated >= midnight - 7 * DAY_MS ? "Last 7 days" : "Earlier";
}

function grouped(list) {
  const groups = new Map();
  for (const each of list) groups.set(day(each), [...(groups.get(day(each)) ?? []), each]);
  return groups;
}
