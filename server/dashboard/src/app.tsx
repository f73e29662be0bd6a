import { useEffect } from "preact/hooks";
import { connect, disconnect } from "./live/store.ts";
import { LoginPage } from "./pages/login/login-page.tsx";
import { Shell } from "./shell/shell.tsx";
import { session } from "./state/session.ts";

/** The login page, or the dashboard with its live connection. */
export function App() {
  const now = session.value;
  const inside = now.state === "in";
  useEffect(() => {
    if (!inside) return undefined;
    connect();
    return disconnect;
  }, [inside]);
  if (now.state === "asking") return <div class="shell" />;
  return now.state === "nobody" ? <LoginPage notice={now.notice} /> : <Shell />;
}
