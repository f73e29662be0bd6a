import { expect, test } from "vitest";
import { ends, fitted } from "../../src/graph/label-width.ts";
import { middle } from "../../src/text/format.ts";

// Here no canvas measures: each character counts as 8 pixels.
test("a label is cut to the width of its box, an id in its middle", () => {
  expect(fitted("short", 100, "id", middle)).toBe("short");
  expect(fitted("a-very-long-id-0042", 80, "id", middle)).toBe("a-ver…0042");
  expect(fitted("Write the importer", 80, "name", ends)).toBe("Write the…");
});
