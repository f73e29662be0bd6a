import { afterEach, expect, test } from "vitest";
import { atServer } from "../../src/api/address.ts";
import { csrfToken, keepCsrf } from "../../src/api/csrf.ts";

const page = window as unknown as { happyDOM: { setURL(url: string): void } };

afterEach(() => {
  localStorage.clear();
  page.happyDOM.setURL("http://localhost:3000/");
});

test.each([
  ["http://127.0.0.1:8765/", "http://127.0.0.1:8765/api/me"],
  ["http://127.0.0.1:8765/login?code=x", "http://127.0.0.1:8765/api/me"],
  ["https://host.example/swarm/", "https://host.example/swarm/api/me"],
  ["https://host.example/swarm/?login=new#/task/a", "https://host.example/swarm/api/me"],
  ["https://host.example/a/b/login", "https://host.example/a/b/api/me"],
])("below %s a route is at %s", (address, route) => {
  page.happyDOM.setURL(address);

  expect(atServer("/api/me")).toBe(route);
});

test("the CSRF token is kept by path, read again and forgotten", () => {
  page.happyDOM.setURL("https://host.example/a/");
  keepCsrf("one");
  expect(csrfToken()).toBe("one");

  page.happyDOM.setURL("https://host.example/b/");
  expect(csrfToken()).toBe("");

  page.happyDOM.setURL("https://host.example/a/#/tasks");
  expect(csrfToken()).toBe("one");
  keepCsrf("");
  expect(csrfToken()).toBe("");
});
