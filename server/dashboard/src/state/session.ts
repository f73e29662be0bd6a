// Who is logged in. Without anyone, the page is the login page.
import { computed, signal } from "@preact/signals";
import type { Me } from "../api/documents.ts";
import { ApiError, authorize } from "../api/http.ts";
import { api } from "../api/swarm.ts";

export type Session = { state: "asking" } | { state: "nobody"; notice: string } | { state: "in"; me: Me };

export const session = signal<Session>({ state: "asking" });

/** Whether the buttons that act are there at all. The server decides; this spares a refusal. */
export const operates = computed(() => session.value.state === "in" && session.value.me.role === "operator");

export function enter(me: Me): void {
  authorize(me.csrf, () => leave("Your login has ended. Log in again to go on."));
  session.value = { state: "in", me };
}

export function leave(notice = ""): void {
  if (session.value.state !== "nobody") session.value = { state: "nobody", notice };
}

/** Asks who is logged in; false means nobody. While the server can't be reached, what was stands. */
export async function ask(): Promise<boolean> {
  try {
    enter(await api.me());
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      leave(linkNotice());
      return false;
    }
    return true;
  }
}

export async function logIn(token: string): Promise<void> {
  await api.login(token);
  enter(await api.me());
}

export async function logOut(): Promise<void> {
  await api.logout();
  leave("You are logged out.");
}

/** What to say to someone whose login link was no good; the server sends them on with that word. */
function linkNotice(): string {
  if (new URLSearchParams(location.search).get("login") !== "expired") return "";
  history.replaceState(null, "", location.pathname + location.hash);
  return "That link was used already, or is too old. `swarmctl dashboard` prints a new one.";
}
