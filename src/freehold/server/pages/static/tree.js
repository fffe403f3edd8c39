// A conversation is a tree: editing a question or asking again adds a branch, so nothing is ever overwritten.
// Pure but for the conversation it is given.

const ROOT = "root";
const under = (message) => message.parent ?? ROOT;

export function newConversation(model) {
  return {
    id: crypto.randomUUID?.() ?? randomId(), title: null, model, settings: {}, messages: [], chosen: {},
    created: Date.now(), updated: Date.now(),
  };
}

/** Adds a message after `parent` (null: at the start) and makes its branch the one shown. */
export function add(conversation, parent, fields) {
  const message = { id: randomId(), parent: parent?.id ?? null, text: "", status: "complete", at: Date.now(), ...fields };
  conversation.messages.push(message);
  conversation.chosen[under(message)] = message.id;
  return message;
}

/** The messages shown, first to last. */
export function path(conversation) {
  const shown = [];
  for (let at = ROOT; ;) {
    const children = conversation.messages.filter((each) => under(each) === at);
    const next = children.find((each) => each.id === conversation.chosen[at]) ?? children.at(-1);
    if (!next) return shown;
    shown.push(next);
    at = next.id;
  }
}

/** The message and its alternatives, oldest first. */
export const siblings = (conversation, message) => conversation.messages.filter((each) => under(each) === under(message));

/** Shows the alternative that lies `step` away. */
export function turn(conversation, message, step) {
  const all = siblings(conversation, message);
  const other = all[all.indexOf(message) + step];
  if (other) conversation.chosen[under(message)] = other.id;
}

export const parentOf = (conversation, message) => conversation.messages.find((each) => each.id === message.parent) ?? null;

export function titleOf(conversation) {
  if (conversation.title) return conversation.title;
  const first = conversation.messages.find((each) => each.role === "user")?.text.trim().replace(/\s+/g, " ");
  return first ? (first.length > 60 ? `${first.slice(0, 59)}…` : first) : "New conversation";
}

// crypto.randomUUID is missing where the page is served over plain http to another machine.
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
