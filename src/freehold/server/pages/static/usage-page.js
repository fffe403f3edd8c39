// The Usage page: what the house drew of its ledger, for whoever is signed in with a key.
import { byId } from "./dom.js";
import { ask, forgetKey, hasKey, rememberKey } from "./house.js";
import { Connection, notice } from "./notices.js";
import { initDialogs } from "./shortcuts.js";
import { initTheme } from "./theme.js";

// The one place of this page where a string becomes HTML, and the string is the house's own drawing.
const policy = globalThis.trustedTypes?.createPolicy("freehold", { createHTML: (html) => html });
const connection = new Connection(() => load());

async function load() {
  try {
    const html = await (await ask("/ui/usage", { accept: "text/html" })).text();
    byId("content").innerHTML = policy ? policy.createHTML(html) : html;
    byId("signed-out").hidden = true;
    byId("sign-out").hidden = !hasKey();
  } catch (error) {
    if (error.unreachable) connection.lost();
    else if (error.needsKey) signedOut();
    else notice(error.message);
  }
}

function signedOut() {
  forgetKey();
  byId("content").replaceChildren();
  byId("sign-out").hidden = true;
  byId("signed-out").hidden = false;
  if (!byId("key").open) byId("key").showModal();
}

initTheme();
initDialogs();
byId("sign-in").addEventListener("click", () => byId("key").showModal());
byId("sign-out").addEventListener("click", () => {
  forgetKey();
  load();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key-box").value.trim();
  if (!key) return;
  rememberKey(key);
  byId("key-box").value = "";
  byId("key").close();
  load();
});
load();
