// The Usage page: what the house drew of its ledger, for whoever is signed in.
import { byId } from "./dom.js";
import { clear, drawing, show } from "./drawn.js";
import { Connection, notice } from "./notices.js";
import { initDialogs } from "./shortcuts.js";
import { SignIn } from "./sign-in.js";
import { initTheme } from "./theme.js";

const connection = new Connection(() => load());

async function load() {
  try {
    show(byId("content"), await drawing("/ui/usage"));
  } catch (error) {
    if (error.unreachable) connection.lost();
    else if (error.needsKey) signIn.needed();
    else notice(error.message);
  }
}

initTheme();
initDialogs();
const signIn = new SignIn({ signedIn: load, signedOut: () => clear(byId("content")) });
load();
