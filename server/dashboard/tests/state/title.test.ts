import { expect, test } from "vitest";
import { pageName, titleOf } from "../../src/shell/title.ts";
import { parseRoute } from "../../src/state/route.ts";

test("the title names the page, or the task", () => {
  const name = (hash: string) => titleOf("running", false, 0, pageName(parseRoute(hash)));
  expect(name("#/overview")).toBe("Amplifier Swarm");
  expect(name("#/timeline")).toBe("Timeline · Amplifier Swarm");
  expect(name("#/task/3.7.1?attempt=2")).toBe("3.7.1 · Amplifier Swarm");
});

test("trouble comes before the page", () => {
  expect(titleOf("stopped", false, 2, "Tasks")).toBe("■ STOPPED · Tasks · Amplifier Swarm");
  expect(titleOf("running", true, 2, "Tasks")).toBe("○ offline · Tasks · Amplifier Swarm");
  expect(titleOf("running", false, 2, "Tasks")).toBe("(2) Tasks · Amplifier Swarm");
});
