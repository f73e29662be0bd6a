import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { csrfToken, keepCsrf } from "../../src/api/csrf.ts";
import { whenDenied } from "../../src/api/http.ts";
import { ask, leave, session } from "../../src/state/session.ts";

const page = window as unknown as { happyDOM: { setURL(url: string): void } };
const ME = { name: "me", role: "operator", version: "1", swarm_id: "s" };
const calls: { url: string; csrf: string | null }[] = [];

function answers(status: number, body: object): void {
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    calls.push({ url, csrf: new Headers(init.headers).get("X-Swarm-CSRF") });
    return new Response(JSON.stringify(body), { status });
  });
}

beforeEach(() => {
  calls.length = 0;
  whenDenied(() => undefined);
  session.value = { state: "asking" };
});

afterEach(() => {
  vi.unstubAllGlobals();
  localStorage.clear();
});

test("after a login link the page asks for the CSRF token once, keeps it and sends it with reads", async () => {
  page.happyDOM.setURL("http://127.0.0.1:8765/?login=new#/tasks");
  answers(200, { ...ME, csrf: "secret" });

  expect(await ask()).toBe(true);
  await ask();

  expect(calls).toEqual([
    { url: "http://127.0.0.1:8765/api/me?login=new", csrf: null },
    { url: "http://127.0.0.1:8765/api/me", csrf: "secret" },
  ]);
  expect(session.value.state).toBe("in");
  expect(location.href).toBe("http://127.0.0.1:8765/#/tasks");
});

test("a login whose CSRF token another program has got says so", async () => {
  page.happyDOM.setURL("http://127.0.0.1:8765/?login=new");
  answers(401, { error: { reason: "LOGIN_EXPIRED", message: "gone" } });

  expect(await ask()).toBe(false);

  expect(session.value).toMatchObject({
    state: "nobody",
    notice: expect.stringContaining("Another program"),
  });
});

test("a cookie without its CSRF token leads to the login page", async () => {
  page.happyDOM.setURL("http://127.0.0.1:8765/");
  keepCsrf("of another login");
  answers(200, { ...ME, csrf: "" });

  expect(await ask()).toBe(false);

  expect(session.value.state).toBe("nobody");
});

test("while the server can't be reached the login stands", async () => {
  page.happyDOM.setURL("http://127.0.0.1:8765/");
  keepCsrf("secret");
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no network")));

  expect(await ask()).toBe(true);
  expect(csrfToken()).toBe("secret");
  leave();
});
