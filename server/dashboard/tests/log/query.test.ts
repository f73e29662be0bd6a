import { expect, test } from "vitest";
import { readLogQuery, writeLogQuery } from "../../src/log/query.ts";

test("what is shown of a log survives in the address", () => {
  const shown = { role: "validator", attempt: 2, q: "a & b", line: 4_194_305, open: true };
  expect(readLogQuery(new URLSearchParams(writeLogQuery(shown).toString()))).toEqual(shown);
  expect(writeLogQuery({ role: "", attempt: 0, q: "", line: 0, open: false }).toString()).toBe("");
});

test("nonsense in an address shows the whole log", () => {
  const read = readLogQuery(new URLSearchParams("role=judge&attempt=-1&line=x"));
  expect(read).toEqual({ role: "", attempt: 0, q: "", line: 0, open: false });
});
