import { expect, test } from "vitest";
import { STATUSES } from "../../src/api/documents.ts";
import { canHold, canKill, canRetry, eventWords, why } from "../../src/text/words.ts";
import { BAR_ORDER } from "../../src/ui/status-bar.tsx";
import { event, hold, task } from "../made.ts";

test("each status has its part of the bar", () => {
  expect([...BAR_ORDER].sort()).toEqual([...STATUSES].sort());
});

test("a held task can be killed and retried; only a task that waits can be held", () => {
  expect([canKill("held"), canRetry("held")]).toEqual([true, true]);
  expect(STATUSES.filter(canHold)).toEqual(["blocked", "not_started"]);
});

test("a held task says what it waits for", () => {
  const held = (more: object) => why(task("a", "held", { cause: "old", hold: hold(more) }));

  expect(held({})).toBe("asks: Which port?");
  expect(held({ kind: "suspended", text: "later", held_by: "ann" })).toBe("held by ann: later");
  expect(held({ kind: "suspended", text: "later" })).toBe("suspended: later");
});

test("events of holds have words", () => {
  const words = (kind: string, cause: string) => eventWords(event(1, { kind, task: "a", attempt: 2, cause }));

  expect(words("task_held", "question: Which port?")).toBe("task held (attempt 2): question: Which port?");
  expect(words("task_unheld", "answered: 80 (ann)")).toBe("task unheld (attempt 2): answered: 80 (ann)");
  expect(words("task_noted", "ann: use 80")).toBe("task noted (attempt 2): ann: use 80");
});
