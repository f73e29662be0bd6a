import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { bind, listenToKeys } from "../../src/state/keys.ts";
import { parseRoute, taskHref, tasksHref } from "../../src/state/route.ts";

let ran: string[];
let unbind: () => void;

beforeAll(listenToKeys);
beforeEach(() => {
  ran = [];
  document.body.replaceChildren();
  const binding = (keys: string) => ({ keys, what: keys, run: () => ran.push(keys) });
  unbind = bind(["j", "g t", "/", "Escape"].map(binding));
});
afterEach(() => unbind());

function press(key: string, target: Element = document.body, more: KeyboardEventInit = {}): void {
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
}

test("a key runs what it is bound to", () => {
  press("j");
  press("q");

  expect(ran).toEqual(["j"]);
});

test("g and a letter are one", () => {
  press("g");
  press("t");
  press("t");

  expect(ran).toEqual(["g t"]);
});

test("whoever types is left alone; Escape leaves the field and nothing else", () => {
  const field = document.body.appendChild(document.createElement("input"));
  field.value = "typed";
  field.focus();
  press("j", field);
  press("/", field);
  press("Escape", field);

  expect(ran).toEqual([]);
  expect(document.activeElement).not.toBe(field);
  expect(field.value).toBe("typed");
  press("Escape");
  expect(ran).toEqual(["Escape"]);
});

test("an open dialog has its own keys, Escape too", () => {
  const dialog = document.body.appendChild(document.createElement("dialog"));
  dialog.setAttribute("open", "");
  press("j");
  press("Escape");

  expect(ran).toEqual([]);
});

test("Enter on a button is the button's", () => {
  const end = bind([{ keys: "Enter", what: "open", run: () => ran.push("Enter") }]);
  press("Enter", document.body.appendChild(document.createElement("button")));
  press("Enter");
  end();

  expect(ran).toEqual(["Enter"]);
});

test("what is the browser's stays the browser's", () => {
  press("j", document.body, { ctrlKey: true });
  press("j", document.body, { metaKey: true });

  expect(ran).toEqual([]);
});

test("what was bound later goes first, until it is given up", () => {
  const end = bind([{ keys: "j", what: "later", run: () => ran.push("later") }]);
  press("j");
  end();
  press("j");

  expect(ran).toEqual(["later", "j"]);
});

test("an address is read as it is written, whatever the id", () => {
  for (const id of ["2.6.1.a", "a/b?c#d", "100%", "ünï"]) {
    expect(parseRoute(taskHref(id))).toMatchObject({ page: "task", id });
  }
  expect(parseRoute(tasksHref({ status: ["failed", "killed"] })).query.getAll("status")).toEqual([
    "failed",
    "killed",
  ]);
  expect(parseRoute("")).toMatchObject({ page: "overview", id: null });
  expect(parseRoute("#/task/%E0%A4%A").id).toBe("%E0%A4%A");
});
