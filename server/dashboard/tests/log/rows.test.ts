import { expect, test } from "vitest";
import { chunks, LogRows, type LogShape } from "../../src/log/rows.ts";
import { beginsLate } from "../../src/log/use-log.ts";
import { logLine } from "../made.ts";

const laidOut = (columns: number, more: Partial<LogShape> = {}, opened = new Set<number>()) =>
  new LogRows({ columns, open: false, found: false, ...more }, opened);
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
  const rows = laidOut(80);

  rows.add([logLine(1, "one\ntwo\n")]);

  expect(rows.rows.map(({ text, first, heading }) => [text, first, heading]).slice(1)).toEqual([
    ["one", true, false],
    ["two", false, false],
  ]);
});

test("each session is announced once", () => {
  const rows = laidOut(80);

  rows.add([logLine(1), logLine(2)]);
  rows.add([logLine(3, "x", { session_id: "t-a1-validator-1", role: "validator" })]);

  expect(rows.rows.filter((row) => row.heading).map((row) => row.text)).toEqual([
    "builder, attempt 1, session t-a1-builder-1",
    "validator, attempt 1, session t-a1-validator-1",
  ]);
});

test("escape sequences are shown, not obeyed", () => {
  const rows = laidOut(80);

  rows.add([logLine(1, "\u001b[2Jgone")]);

  expect(texts(rows)).toEqual(["\\x1b[2Jgone"]);
});

test("a hundred thousand lines are laid out in pieces, with the same rows as at once", () => {
  const entries = Array.from({ length: 100_000 }, (_, at) => logLine(at));
  const [whole, pieces] = [laidOut(40), laidOut(40)];

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

const CALL = logLine(2, 'bash {"command":\n"ls"}\n', { kind: "tool_started" });

test("a tool call is one line that opens and closes where it stands", () => {
  const opened = new Set<number>();
  const rows = laidOut(80, {}, opened);

  rows.add([logLine(1, "before"), CALL, logLine(3, "after")]);

  expect(texts(rows)).toEqual(["before", 'bash {"command":', "after"]);
  expect(rows.rows[2]?.folds).toBe(1);
  rows.toggle(2);
  expect(texts(rows)).toEqual(["before", 'bash {"command":', '"ls"}', "after"]);
  const wider = laidOut(120, {}, opened);
  wider.add([CALL]);
  expect(texts(wider)).toEqual(['bash {"command":', '"ls"}']);
  rows.toggle(2);
  rows.toggle(1);
  expect(texts(rows)).toEqual(["before", 'bash {"command":', "after"]);
});

test("a call of one line has nothing to open; all are whole on demand and in what a search finds", () => {
  const call = logLine(1, "read_file a.py", { kind: "tool_completed" });
  for (const more of [{ open: true }, { found: true }]) {
    const rows = laidOut(80, more);
    rows.add([call, CALL]);
    expect(texts(rows)).toEqual(["read_file a.py", 'bash {"command":', '"ls"}']);
    expect(rows.rows.every(({ folds }) => folds === 0)).toBe(true);
  }
  const rows = laidOut(80);
  rows.add([call]);
  expect(rows.rows[1]?.folds).toBe(0);
});

test("the prompt stands in the log only where a search has found it", () => {
  const prompt = logLine(1, "Do it.", { kind: "prompt" });
  const [rows, found] = [laidOut(80), laidOut(80, { found: true })];

  rows.add([prompt]);
  found.add([prompt]);

  expect([texts(rows), texts(found)]).toEqual([[], ["Do it."]]);
});

test("a code block of a reply goes on in the next piece, and ends with another kind of entry", () => {
  const rows = laidOut(80);
  const reply = (cursor: number, text: string) => logLine(cursor, text, { kind: "reply" });

  rows.add([
    reply(1, "# Done\nSee:\n```py\nx = 1"),
    reply(2, "y = `2`\n```\nand `z`"),
    reply(3, "~~~\nopen"),
  ]);
  rows.add([logLine(4, "out"), reply(5, "- **text**")]);

  expect(rows.rows.slice(1).map(({ layout, text }) => [layout, text])).toEqual([
    ["heading", "Done"],
    ["text", "See:"],
    ["code", "py"],
    ["code", "x = 1"],
    ["code", "y = `2`"],
    ["text", "and z"],
    ["code", "code"],
    ["code", "open"],
    ["text", "out"],
    ["text", "• text"],
  ]);
});
