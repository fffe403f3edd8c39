// Signing in and out, the same on every page. The key goes to the house once, for a cookie that no script can read.
import { byId } from "./dom.js";
import { ask } from "./house.js";

/** `signedIn` is called when somebody has signed in, `signedOut` when what the page shows must go. */
export class SignIn {
  constructor({ signedIn, signedOut = () => {} }) {
    Object.assign(this, { signedIn, signedOut });
    byId("sign-in").addEventListener("click", () => byId("key").showModal());
    byId("sign-out").addEventListener("click", () => this.#out());
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#in(byId("key-box").value.trim());
    });
    this.#look();
  }

  /** The house wants to know who is here: nobody is, or not any more. */
  needed() {
    this.signedOut();
    this.#show({ signed_in: false, admin: false });
    byId("signed-out").hidden = false;
    if (!byId("key").open) byId("key").showModal();
  }

  async #look() {
    try {
      this.#show(await (await ask("/api/session")).json());
    } catch {
      // The page's own request meets the same trouble, and tells of it.
    }
  }

  async #in(key) {
    if (!key) return;
    byId("key-wrong").textContent = "";
    try {
      this.#show(await (await ask("/api/sign-in", { body: { key } })).json());
    } catch (error) {
      byId("key-wrong").textContent = error.message;
      byId("key-box").select();
      return;
    }
    byId("key-box").value = "";
    byId("key").close();
    byId("signed-out").hidden = true;
    this.signedIn();
  }

  /** Loads the page anew, so that nothing of what was shown stays in it. */
  async #out() {
    try {
      await ask("/api/sign-out", { body: {} });
    } finally {
      location.reload();
    }
  }

  #show(session) {
    byId("sign-out").hidden = !session.signed_in;
    byId("sign-out").title = session.owner ? `Sign out ${session.owner}` : "Sign out";
    for (const each of document.querySelectorAll("[data-admin]")) each.hidden = !session.admin;
    if ("takes_tokens" in session) byId("key-label").textContent = session.takes_tokens ? "Key, or token of your sign-on" : "Key";
  }
}
