import { expect, test } from "vitest";
import { oneLine, visible } from "../../src/text/visible.ts";

test.each([
  ["\u001b[31mred\u001b[0m", "\\x1b[31mred\\x1b[0m"],
  ["\u001b]52;c;ZXZpbA==\u0007", "\\x1b]52;c;ZXZpbA==\\x07"],
  ["a\u202eb", "a\\u202eb"],
  ["zero\u200bwidth", "zero\\u200bwidth"],
  ["nul\u0000", "nul\\x00"],
  ["c1\u009b31m", "c1\\x9b31m"],
  ["line\u2028sep", "line\\u2028sep"],
])("hidden characters are shown: %j", (text, shown) => {
  expect(visible(text)).toBe(shown);
});

test.each(["plain", "tab\tand\nline", "Grüße, 日本語 🎉", "<img src=x onerror=alert(1)>"])(
  "%j stays as it is",
  (text) => {
    expect(visible(text)).toBe(text);
  },
);

test("one line is one line, and cut where it is too long", () => {
  expect(oneLine("a\n  b\tc\r\nd")).toBe("a b c d");
  expect(oneLine("x".repeat(600), 10)).toBe("xxxxxxxxx…");
});
