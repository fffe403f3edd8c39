// The Admin page: what the house is doing now, drawn by the house and asked for again while somebody looks.
import { byId, h } from "./dom.js";
import { clear, drawing, show } from "./drawn.js";
import { ask } from "./house.js";
import { Connection, notice } from "./notices.js";
import { initDialogs } from "./shortcuts.js";
import { SignIn } from "./sign-in.js";
import { initTheme } from "./theme.js";

const AGAIN_MS = 2000;
let timer = 0;
let deed = null; // what is done once somebody is sure
const connection = new Connection(() => load());

async function load() {
  clearTimeout(timer);
  try {
    show(byId("content"), await drawing("/ui/admin"));
    timer = setTimeout(again, AGAIN_MS);
  } catch (error) {
    clear(byId("content"));
    if (error.unreachable) connection.lost();
    else if (error.needsKey) signIn.needed();
    else if (error.code === "forbidden") byId("content").replaceChildren(closed());
    else notice(error.message);
  }
}

const closed = () => h("section", { class: "closed" },
  h("h2", {}, "What you signed in with does not open this page"),
  h("p", {}, "It shows what everybody asks of this house, and so is only for those who look after it. Whoever runs the house can give you a key that opens it."),
  h("p", {}, "What you used yourself is on the ", h("a", { href: "/usage" }, "Usage page"), "."),
  h("button", { type: "button", class: "quiet", onclick: () => byId("sign-out").click() }, "Sign in as somebody else"));

/** Nothing is asked for while the page is hidden; it comes back with what is so then. */
const again = () => { if (!document.hidden) load(); };

/** Buttons that the house drew say what they do, and what a person is asked before. */
function sure({ id, dataset }) {
  deed = { id, path: dataset.path, body: JSON.parse(dataset.body) };
  byId("sure-title").textContent = dataset.title;
  byId("sure-note").textContent = dataset.note;
  byId("sure-yes").textContent = dataset.yes;
  byId("sure").showModal();
  byId("sure-no").focus();
}

async function act() {
  const { path, body } = deed;
  byId("sure").close();
  try {
    notice((await (await ask(path, { body })).json()).text);
  } catch (error) {
    if (error.needsKey) signIn.needed();
    else notice(error.message);
  }
  load();
}

initTheme();
initDialogs();
const signIn = new SignIn({ signedIn: load, signedOut: () => clear(byId("content")) });
document.addEventListener("visibilitychange", again);
byId("content").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-path]");
  if (button) sure(button);
});
byId("sure").addEventListener("close", () => byId(deed?.id)?.focus());
byId("sure-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act();
});
load();
