import { describe, expect, test } from "vitest";
import { parsePatch, unquoted } from "../../src/changes/patch.ts";

const PATCH = `diff --git a/src/app.py b/src/app.py
index 1111111..2222222 100644
--- a/src/app.py
+++ b/src/app.py
@@ -3,4 +3,4 @@ def main():
 same
-old
+new
 
\\ No newline at end of file
diff --git a/old name.txt b/new name.txt
similarity index 96%
rename from old name.txt
rename to new name.txt
diff --git a/logo.png b/logo.png
index 1111111..2222222 100644
Binary files a/logo.png and b/logo.png differ
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
index 1111111..0000000
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-bye
`;

describe("a patch", () => {
  const files = parsePatch(PATCH);

  test("has its files in order, with renames and notes", () => {
    expect(files.map(({ path, from, notes }) => [path, from, notes])).toEqual([
      ["src/app.py", null, []],
      ["new name.txt", "old name.txt", ["96% unchanged"]],
      ["logo.png", null, ["binary file"]],
      ["run.sh", null, ["mode 100644 → 100755"]],
      ["gone.txt", null, []],
    ]);
  });

  test("numbers the lines of both sides", () => {
    expect(files[0]?.hunks[0]?.lines).toEqual([
      { mark: " ", text: "same", before: 3, after: 3 },
      { mark: "-", text: "old", before: 4, after: null },
      { mark: "+", text: "new", before: null, after: 4 },
      { mark: " ", text: "", before: 5, after: 5 },
      { mark: "\\", text: "No newline at end of file", before: null, after: null },
    ]);
    expect(files[4]?.hunks[0]?.lines).toEqual([{ mark: "-", text: "bye", before: 1, after: null }]);
  });
});

test("content that looks like git's own lines stays content", () => {
  const forged = "diff --git a/x b/x\n@@ -1,2 +1,3 @@\n--- a/y\n+++ b/y\n+diff --git a/y b/y\n+@@ -9 +9 @@\n";
  const [file, ...others] = parsePatch(forged);
  expect(others).toEqual([]);
  expect(file?.hunks.length).toBe(1);
  expect(file?.hunks[0]?.lines.map(({ mark, text }) => mark + text)).toEqual([
    "--- a/y",
    "+++ b/y",
    "+diff --git a/y b/y",
    "+@@ -9 +9 @@",
  ]);
});

test("a line that git did not write is kept as text", () => {
  const [file] = parsePatch("diff --git a/x b/x\nwhat is this\n@@ -1 +1 @@\nmasked\n+x\n");
  expect(file?.notes).toEqual(["what is this"]);
  expect(file?.hunks[0]?.lines[0]).toEqual({ mark: " ", text: "masked", before: null, after: null });
  expect(parsePatch("@@ -1 +1 @@\n+x")[0]?.hunks[0]?.lines.length).toBe(1);
  expect(parsePatch("")).toEqual([]);
});

test.each([
  ["plain path", "plain path"],
  ['"na\\303\\257ve \\"x\\"\\t\\\\.txt"', 'naïve "x"\t\\.txt'],
  ['"\\001\\a\\377"', "\u0001\u0007\ufffd"],
  ['"open', '"open'],
])("%s is the path %s", (quoted, path) => expect(unquoted(quoted)).toBe(path));

test("a quoted path is the same in every header", () => {
  const quoted = '"a/na\\303\\257ve" "b/na\\303\\257ve"';
  const hunk = '--- /dev/null\n+++ "b/na\\303\\257ve"\n@@ -0,0 +1 @@\n+x\n';
  for (const rest of ["", hunk]) {
    expect(parsePatch(`diff --git ${quoted}\nnew file mode 100755\n${rest}`)[0]).toMatchObject({
      path: "naïve",
      notes: ["mode 100755"],
    });
  }
});

test("a path with the name of another inside is not cut", () => {
  expect(parsePatch("diff --git a/x b/x b/x b/x\n")[0]?.path).toBe("x b/x");
});
