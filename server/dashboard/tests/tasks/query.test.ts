import { expect, test } from "vitest";
import { readQuery, sortedBy, toggled, writeQuery } from "../../src/pages/tasks/query.ts";
import { appended, mayMove, patched } from "../../src/pages/tasks/rows.ts";
import { task } from "../made.ts";

const query = (text: string) => readQuery(new URLSearchParams(text));

test.each(["", "status=failed&status=killed", "phase=build&q=auth+x", "sort=priority&order=desc"])(
  "an address of %j is what it is written as",
  (text) => {
    expect(writeQuery(query(text)).toString()).toBe(text);
  },
);

test("what an address says wrongly is left out", () => {
  expect(writeQuery(query("status=nonsense&sort=drop&order=sideways")).toString()).toBe("");
});

test("a status is toggled, and stays in the order of life", () => {
  expect(toggled(["failed"], "blocked")).toEqual(["blocked", "failed"]);
  expect(toggled(["blocked", "failed"], "failed")).toEqual(["blocked"]);
});

test("sorting by the same column again turns it round, and once more undoes it", () => {
  const once = sortedBy(query(""), "priority");

  expect([once.sort, once.order]).toEqual(["priority", "asc"]);
  const twice = sortedBy(once, "priority");
  expect([twice.sort, twice.order]).toEqual(["priority", "desc"]);
  expect(sortedBy(twice, "priority")).toEqual(query(""));
});

test("a change takes the place of its row, and no other array is made for nothing", () => {
  const rows = [task("a"), task("b")];

  expect(patched(rows, [task("b", "failed")]).map(({ status }) => status)).toEqual(["not_started", "failed"]);
  expect(patched(rows, [task("c")])).toBe(rows);
});

test("a row that moved between two pages stands there once", () => {
  expect(appended([task("a"), task("b")], [task("b"), task("c")]).map(({ id }) => id)).toEqual([
    "a",
    "b",
    "c",
  ]);
});

test.each([
  ["", "a", "completed", false],
  ["", "new", "not_started", false],
  ["sort=priority", "a", "completed", false],
  ["status=failed", "a", "completed", true],
  ["status=failed", "new", "not_started", false],
  ["status=failed", "new", "failed", true],
  ["sort=status", "a", "completed", true],
  ["sort=started_at", "new", "completed", true],
] as const)("with %j a change of %s to %s may move it: %s", (text, id, status, moves) => {
  const rows = [task("a", text.includes("failed") ? "failed" : "not_started")];

  expect(mayMove(rows, [task(id, status)], query(text))).toBe(moves);
});
