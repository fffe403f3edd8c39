// Signing in and out, the same on every page. The key goes to the house once, for a cookie that no script can read; who
// signs in with the firm's sign-on goes there and comes back with one.
import { byId } from "./dom.js";
import { ask } from "./house.js";

/** `signedIn` is called when somebody has signed in, `signedOut` when what the page shows must go. */
export class SignIn {
  constructor({ signedIn, signedOut = () => {} }) {
    Object.assign(this, { signedIn, signedOut });
    byId("sign-in").addEventListener("click", () => this.#open());
    byId("sign-out").addEventListener("click", () => this.#out());
    byId("sign-on-go").addEventListener("click", () => this.#leave());
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#in(byId("key-box").value.trim());
    });
    // A page that the browser kept while somebody was elsewhere may show what is theirs no more.
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
    this.#look();
  }

  /** The house wants to know who is here: nobody is, or not any more. */
  needed() {
    this.signedOut();
    this.#show({ signed_in: false, admin: false });
    byId("signed-out").hidden = false;
    this.#open();
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

  /** Goes to the firm's sign-on, which leads back to this page. */
  async #leave() {
    byId("sign-on-wrong").textContent = "";
    const next = location.pathname + location.search + location.hash;
    try {
      location.assign((await (await ask("/api/sign-on", { body: { next } })).json()).goes_to);
    } catch (error) {
      byId("sign-on-wrong").textContent = error.message;
    }
  }

  /** Loads the page anew, so that nothing of what was shown stays in it, or goes to be signed out at the sign-on too. */
  async #out() {
    let elsewhere = null;
    try {
      elsewhere = (await (await ask("/api/sign-out", { body: {} })).json()).goes_to;
    } finally {
      if (elsewhere) location.replace(elsewhere);
      else location.reload();
    }
  }

  #open() {
    if (!byId("key").open) byId("key").showModal();
    this.#offer();
  }

  /** Puts the keyboard on the firm's sign-on where there is one, and nobody is writing a key. */
  #offer() {
    if (!byId("sign-on").hidden && byId("key").open && !byId("key-box").value) byId("sign-on-go").focus();
  }

  #show(session) {
    byId("sign-out").hidden = !session.signed_in;
    byId("sign-out").title = session.owner ? `Sign out ${session.owner}` : "Sign out";
    for (const each of document.querySelectorAll("[data-admin]")) each.hidden = !session.admin;
    if ("sign_on" in session) {
      byId("sign-on").hidden = !session.sign_on;
      byId("sign-on-go").textContent = `Sign in with ${session.sign_on}`;
      this.#offer();
    }
    if ("takes_tokens" in session) byId("key-label").textContent = session.takes_tokens ? "Key, or token of your sign-on" : "Key";
  }
}
