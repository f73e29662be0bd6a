// Who is logged in. Without anyone, the page is the login page.
import { computed, signal } from "@preact/signals";
import { keepCsrf } from "../api/csrf.ts";
import type { Me } from "../api/documents.ts";
import { ApiError, whenDenied } from "../api/http.ts";
import { api } from "../api/swarm.ts";

export type Session = { state: "asking" } | { state: "nobody"; notice: string } | { state: "in"; me: Me };

export const session = signal<Session>({ state: "asking" });

/** Whether the buttons that act are there at all. The server decides; this spares a refusal. */
export const operates = computed(() => session.value.state === "in" && session.value.me.role === "operator");

/** Without the CSRF token, which this browser may have lost, nothing can be read: log in again. */
export function enter(me: Me): void {
  if (me.csrf === "") {
    leave("Log in again: this browser has lost what belongs to the login.");
    return;
  }
  keepCsrf(me.csrf);
  whenDenied(() => leave("Your login has ended. Log in again to go on."));
  session.value = { state: "in", me };
}

export function leave(notice = ""): void {
  if (session.value.state !== "nobody") session.value = { state: "nobody", notice };
}

/** Asks who is logged in; false means nobody. While the server can't be reached, what was stands. */
export async function ask(): Promise<boolean> {
  const link = linkResult();
  try {
    enter(await api.me(link === "new"));
    if (link !== "") forgetLinkResult();
    return session.value.state === "in";
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      leave(NOTICES[link] ?? "");
      if (link !== "") forgetLinkResult();
      return false;
    }
    return true;
  }
}

export async function logIn(token: string): Promise<void> {
  enter(await api.login(token));
}

export async function logOut(): Promise<void> {
  await api.logout();
  keepCsrf("");
  leave("You are logged out.");
}

const NOTICES: Readonly<Record<string, string>> = {
  expired: "That link was used already, or is too old. `swarmctl dashboard` prints a new one.",
  new: "Another program got hold of this login, so it was ended. `swarmctl dashboard` prints a new link.",
};

/** What became of a login link: the server sends the browser on with `?login=new` or `?login=expired`. */
function linkResult(): string {
  return new URLSearchParams(location.search).get("login") ?? "";
}

function forgetLinkResult(): void {
  history.replaceState(null, "", location.pathname + location.hash);
}
