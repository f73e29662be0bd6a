import { expect, test } from "vitest";
import { inline, MarkdownReader, sliced } from "../../src/log/markdown.ts";

const styled = (text: string) =>
  inline(text).map(({ text, style }) => (style === "" ? text : `${style}(${text})`));

test("marks of code and emphasis become styles, and what is no mark stays", () => {
  expect(styled("use `a*b*c` and **do it** *now*")).toEqual([
    "use ",
    "code(a*b*c)",
    " and ",
    "strong(do it)",
    " ",
    "emphasis(now)",
  ]);
  for (const text of ["2 * 3 * 4", "a_b_c", "**", "``", "snake*case*", "[x](javascript:hit) <b>no</b>"]) {
    expect(styled(text)).toEqual([text]);
  }
  expect(styled("")).toEqual([""]);
});

test("a line that a row cuts keeps the style of its parts", () => {
  const spans = inline("see `the code` here");

  expect(sliced(spans, 0, 7)).toEqual([
    { text: "see ", style: "" },
    { text: "the", style: "code" },
  ]);
  expect(sliced(spans, 7, 17)).toEqual([
    { text: " code", style: "code" },
    { text: " here", style: "" },
  ]);
});

test("only the same fence, or a longer one, ends a code block", () => {
  const reader = new MarkdownReader();

  const layouts = ["````", "```", "# no heading", "`````", "> said", "| a | b |"].map(
    (line) => reader.line(line)?.layout ?? null,
  );

  expect(layouts).toEqual(["code", "code", "code", null, "quote", "code"]);
});

test("a line made to be slow takes no time", () => {
  const begun = performance.now();

  for (const text of ["*".repeat(8000), "`".repeat(8000), "*a".repeat(4000), "**a ".repeat(2000)])
    inline(text);

  expect(performance.now() - begun).toBeLessThan(1500);
});
