// What can be done to a task whose work is kept.
import { render } from "preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TaskDetail } from "../../src/api/documents.ts";
import { api } from "../../src/api/swarm.ts";
import { TaskHead } from "../../src/pages/task/task-head.tsx";
import { session } from "../../src/state/session.ts";
import { task } from "../made.ts";

let place: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  place = document.body.appendChild(document.createElement("div"));
  const me = { name: "me", role: "operator" as const, csrf: "x", version: "1", swarm_id: null };
  session.value = { state: "in", me };
});

afterEach(() => vi.restoreAllMocks());

function shown(more: Partial<TaskDetail>): HTMLButtonElement | undefined {
  render(<TaskHead task={task("draft", "completed", more) as TaskDetail} />, place);
  return [...place.querySelectorAll("button")].find((button) => button.textContent.trim() === "Land");
}

test("kept work has a button that lands it", () => {
  const land = vi.spyOn(api, "land").mockResolvedValue(task("draft", "not_started"));

  shown({ kept_ref: "refs/swarm/draft/1" })?.click();

  expect(land).toHaveBeenCalledWith("draft");
});

test("a task without kept work has no such button", () => {
  expect(shown({ kept_ref: null })).toBeUndefined();
});

test("a task that is to land says whose work that is", () => {
  shown({ work_of: 1 });

  expect(place.textContent).toContain("lands the work of attempt 1");
});
