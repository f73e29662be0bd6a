import { render } from "preact";
import { expect, test } from "vitest";
import type { CostGroup } from "../../src/api/documents.ts";
import { CostsTable } from "../../src/pages/costs/costs-table.tsx";
import { readCostsQuery, writeCostsQuery } from "../../src/pages/costs/query.ts";

function group(name: string | null, cost: string | null, unpriced = 0): CostGroup {
  return { name, sessions: 2, unpriced, usage: { input_tokens: 1000, output_tokens: 10, cost } };
}

test("the costs have their share and a sum that floating point does not blur", () => {
  const place = document.createElement("div");

  render(
    <CostsTable groups={[group("build", "0.3"), group(null, "0.1", 1), group("<b>", null, 2)]} by="phase" />,
    place,
  );

  const cells = [...place.querySelectorAll("tbody tr, tfoot tr")].map((row) =>
    [...row.querySelectorAll("th, td")].map((cell) => cell.textContent?.trim()),
  );
  expect(cells).toEqual([
    ["build", "2", "1.00 k", "10", "$0.30", "75 %"],
    ["no phase", "2", "1.00 k", "10", "$0.10", "25 %"],
    ["<b>", "2", "1.00 k", "10", "–", "0 %"],
    ["Sum", "6", "3.00 k", "30", "$0.40", ""],
  ]);
  expect(place.textContent).toContain("3 of the sessions reported no price");
});

test("what is shown of the costs survives in the address", () => {
  const shown = { by: "day", days: 7 } as const;

  expect(readCostsQuery(writeCostsQuery(shown))).toEqual(shown);
  expect(readCostsQuery(new URLSearchParams("by=colour&days=-1"))).toEqual({ by: "phase", days: 0 });
});
