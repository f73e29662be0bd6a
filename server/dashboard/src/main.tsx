import { render } from "preact";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/banners.css";
import "./styles/dialogs.css";
import "./styles/status.css";
import "./styles/panels.css";
import "./styles/pages.css";
import "./styles/tasks.css";
import "./styles/task.css";
import "./styles/changes.css";
import "./styles/graph.css";
import { App } from "./app.tsx";
import { reconnectNow } from "./live/store.ts";
import { followTitle } from "./shell/title.ts";
import { startClock } from "./state/clock.ts";
import { listenToKeys } from "./state/keys.ts";
import { watchWidth } from "./state/media.ts";
import { followAddress } from "./state/route.ts";
import { ask, session } from "./state/session.ts";
import { applyTheme } from "./state/theme.ts";
import { followStops } from "./stop/receipts.ts";

const ASK_AGAIN_MS = 1500;

applyTheme();
followAddress();
startClock();
watchWidth();
listenToKeys();
followStops();
followTitle();
window.addEventListener("online", reconnectNow);
void start();

const place = document.getElementById("app");
if (place !== null) render(<App />, place);

// The page may come from a cache of the browser while the server is away.
async function start(): Promise<void> {
  await ask();
  if (session.peek().state === "asking") window.setTimeout(() => void start(), ASK_AGAIN_MS);
}
