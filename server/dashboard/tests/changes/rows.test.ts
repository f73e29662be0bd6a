import { expect, test } from "vitest";
import { parsePatch } from "../../src/changes/patch.ts";
import { digitsOf, layOut, matching, type PatchRow, textColumns } from "../../src/changes/rows.ts";

const PATCH = `diff --git a/a.txt b/a.txt
@@ -9,3 +9,4 @@
 same
-one
-two
+ONE
+TWO
+THREE
 end
diff --git a/b.txt b/b.txt
@@ -0,0 +1 @@
+only
`;
const NONE = new Set<string>();

function shown(rows: readonly PatchRow[]): string[] {
  return rows.map((row) => {
    if (row.kind === "line") return `${row.before ?? ""}|${row.after ?? ""}|${row.mark}${row.text}`;
    if (row.kind !== "pair") return row.kind;
    return [row.left, row.right]
      .map((side) => (side === null ? "" : `${side.number ?? ""}${side.mark}${side.text}`))
      .join("|");
  });
}

test("lines stand below each other", () => {
  const { rows, places } = layOut(parsePatch(PATCH), { split: false, columns: 80, folded: NONE });
  expect(shown(rows)).toEqual([
    "file",
    "hunk",
    "9|9| same",
    "10||-one",
    "11||-two",
    "|10|+ONE",
    "|11|+TWO",
    "|12|+THREE",
    "12|13| end",
    "gap",
    "file",
    "hunk",
    "|1|+only",
  ]);
  expect([...places]).toEqual([
    ["a.txt", 0],
    ["b.txt", 10],
  ]);
});

test("what replaces a line stands beside it", () => {
  const { rows } = layOut(parsePatch(PATCH), { split: true, columns: 80, folded: NONE });
  expect(shown(rows).slice(2, 7)).toEqual([
    "9 same|9 same",
    "10-one|10+ONE",
    "11-two|11+TWO",
    "|12+THREE",
    "12 end|13 end",
  ]);
});

test("a wrapped line has its number once, and its other side stays beside it", () => {
  const files = parsePatch("diff --git a/x b/x\n@@ -1 +1 @@\n-short\n+aaaa bbbb cccc\n");
  expect(shown(layOut(files, { split: false, columns: 5, folded: NONE }).rows).slice(2)).toEqual([
    "1||-short",
    "|1|+aaaa ",
    "||+bbbb ",
    "||+cccc",
  ]);
  expect(shown(layOut(files, { split: true, columns: 5, folded: NONE }).rows).slice(2)).toEqual([
    "1-short|1+aaaa ",
    "|+bbbb ",
    "|+cccc",
  ]);
});

test("a folded file is its heading", () => {
  const { rows } = layOut(parsePatch(PATCH), { split: false, columns: 80, folded: new Set(["a.txt"]) });
  expect(rows.map(({ kind }) => kind)).toEqual(["file", "gap", "file", "hunk", "line"]);
});

test("characters that draw nothing are shown", () => {
  const files = parsePatch("diff --git a/x b/x\n@@ -1 +1 @@\n+a\u202eb\r\n");
  expect(shown(layOut(files, { split: false, columns: 80, folded: NONE }).rows).at(-1)).toBe(
    "|1|+a\\u202eb\\x0d",
  );
});

test("files are found by a part of their path", () => {
  const files = parsePatch(PATCH);
  expect(matching(files, "B.T").map(({ path }) => path)).toEqual(["b.txt"]);
  expect(matching(files, "")).toBe(files);
});

test("numbers, marks and padding leave the rest for text", () => {
  expect(digitsOf(parsePatch(PATCH))).toBe(2);
  expect(textColumns(100, { digits: 3, split: false, narrow: false })).toBe(87);
  expect(textColumns(100, { digits: 3, split: false, narrow: true })).toBe(92);
  expect(textColumns(100, { digits: 3, split: true, narrow: false })).toBe(42);
  expect(textColumns(4, { digits: 3, split: true, narrow: false })).toBe(10);
});
