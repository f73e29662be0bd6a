import { expect, test } from "vitest";
import { chunks, LogRows } from "../../src/log/rows.ts";
import { beginsLate } from "../../src/log/use-log.ts";
import { logLine } from "../made.ts";

const texts = (rows: LogRows) => rows.rows.filter((row) => !row.heading).map((row) => row.text);

test("a long line is cut at the width, and nothing of it is lost", () => {
  const line = "0123456789".repeat(5);

  expect(chunks(line, 20)).toEqual(["01234567890123456789", "01234567890123456789", "0123456789"]);
  expect(chunks(line, 0)).toEqual([line]);
  expect(chunks("", 20)).toEqual([""]);
});

test("a line is cut at a blank if one is near its end", () => {
  expect(chunks("one two three four", 10)).toEqual(["one two ", "three four"]);
  expect(chunks("a bcdefghijklmnop", 10)).toEqual(["a bcdefghi", "jklmnop"]);
});

test("an entry of several lines has a row for each; only the first is marked", () => {
  const rows = new LogRows(80);

  rows.add([logLine(1, "one\ntwo\n")]);

  expect(rows.rows.map(({ text, first, heading }) => [text, first, heading]).slice(1)).toEqual([
    ["one", true, false],
    ["two", false, false],
  ]);
});

test("each session is announced once", () => {
  const rows = new LogRows(80);

  rows.add([logLine(1), logLine(2)]);
  rows.add([logLine(3, "x", { session_id: "t-a1-validator-1", role: "validator" })]);

  expect(rows.rows.filter((row) => row.heading).map((row) => row.text)).toEqual([
    "builder, attempt 1, session t-a1-builder-1",
    "validator, attempt 1, session t-a1-validator-1",
  ]);
});

test("escape sequences are shown, not obeyed", () => {
  const rows = new LogRows(80);

  rows.add([logLine(1, "\u001b[2Jgone")]);

  expect(texts(rows)).toEqual(["\\x1b[2Jgone"]);
});

test("a hundred thousand lines are laid out in pieces, with the same rows as at once", () => {
  const entries = Array.from({ length: 100_000 }, (_, at) => logLine(at));
  const [whole, pieces] = [new LogRows(40), new LogRows(40)];

  whole.add(entries);
  for (let at = 0; at < entries.length; at += 5000) pieces.add(entries.slice(at, at + 5000));

  expect(pieces.rows.length).toBe(100_001);
  expect(texts(pieces)).toEqual(texts(whole));
});

test("a log of which only the newest was read is known by its first number", () => {
  expect(beginsLate([logLine(1), logLine(2)])).toBe(false);
  expect(beginsLate([logLine(5, "x"), logLine(6)])).toBe(true);
  expect(beginsLate([logLine(5, "4 entries are not kept", { kind: "gap" }), logLine(6)])).toBe(false);
  expect(beginsLate([logLine(1), logLine(9, "x", { session_id: "other" })])).toBe(true);
});
