import { expect, test } from "vitest";
import type { KillReceipt } from "../../src/api/documents.ts";
import { byWorker, type Ending, endedByStop } from "../../src/stop/receipts.ts";
import { task } from "../made.ts";

function receipt(more: Partial<KillReceipt>): KillReceipt {
  return {
    containment: "subreaper",
    processes_found: 2,
    terminated: 0,
    killed: 2,
    survivors: 0,
    duration_s: 0.2,
    last_output: null,
    ...more,
  };
}

function ending(id: string, worker: string, more: Partial<Ending> = {}): Ending {
  return { task: id, worker, status: "killing", receipt: null, ...more };
}

test("the receipts of a worker's tasks are added up", () => {
  const [found] = byWorker([
    ending("a", "w", { status: "killed", receipt: receipt({ survivors: 1 }) }),
    ending("b", "w", { status: "killed", receipt: receipt({ processes_found: 5 }) }),
    ending("c", "w", { status: "killed", receipt: null }),
  ]);

  expect([found?.gone, found?.told, found?.found, found?.killed, found?.survivors]).toEqual([3, 2, 7, 4, 1]);
});

test("workers that are still ending stand first", () => {
  const found = byWorker([
    ending("a", "w1", { status: "killed", receipt: receipt({}) }),
    ending("b", "w2"),
    ending("c", "w0", { status: "killed", receipt: receipt({}) }),
  ]);

  expect(found.map(({ worker }) => worker)).toEqual(["w2", "w0", "w1"]);
});

test.each([
  ["killing", 1, "fire", true],
  ["killed", 1, "fire", true],
  ["killed", 0, "fire", false],
  ["killed", 1, "other", false],
  ["failed", 1, "fire", false],
] as const)(
  "a task that is %s after %i attempts with cause %s counts: %s",
  (status, attempt, cause, counts) => {
    expect(endedByStop(task("a", status, { attempt, cause }), "fire")).toBe(counts);
  },
);
