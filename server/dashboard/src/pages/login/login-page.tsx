import { useState } from "preact/hooks";
import { sentence } from "../../state/notices.ts";
import { logIn } from "../../state/session.ts";

/** Takes a token. The link that `swarmctl dashboard` prints comes in without this page. */
export function LoginPage({ notice }: { notice: string }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await logIn(token.trim());
    } catch (problem) {
      setError(sentence(problem));
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form class="panel" onSubmit={submit}>
        <h1>Amplifier Swarm</h1>
        {notice !== "" && <p class="warn">{notice}</p>}
        <p class="dim">
          Run <code>swarmctl dashboard</code> where swarmd runs and open the link that it prints. Or paste a
          token, such as the one in the server's token file.
        </p>
        <label class="labelled">
          Token
          <input
            class="field mono"
            name="token"
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={token}
            autoFocus
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        {error !== "" && (
          <p class="bad" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="button primary" disabled={busy || token.trim() === ""}>
          {busy ? "Logging in…" : "Log in"}
        </button>
      </form>
    </main>
  );
}
