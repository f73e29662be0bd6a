import { expect, test } from "vitest";
import { isChanges, readChangesQuery, writeChangesQuery } from "../../src/changes/query.ts";

test("the address keeps what the tab shows", () => {
  const query = { attempt: 3, split: true, file: "a b/ü&.txt", q: "x=1" };
  const search = new URLSearchParams(writeChangesQuery(query).toString());
  expect(isChanges(search)).toBe(true);
  expect(readChangesQuery(search)).toEqual(query);
  expect(writeChangesQuery({ attempt: 0, split: false, file: "", q: "" }).toString()).toBe("tab=changes");
});

test.each(["", "-1", "x", "1.5", "9999999999"])("the attempt %s is the latest", (attempt) => {
  expect(readChangesQuery(new URLSearchParams({ attempt })).attempt).toBe(0);
});
