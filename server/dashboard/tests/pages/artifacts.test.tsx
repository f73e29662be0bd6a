// The files that attempts left: each can be saved, unless the server has lost its content.
import { render } from "preact";
import { expect, test } from "vitest";
import type { Artifact } from "../../src/api/documents.ts";
import { ArtifactsTable } from "../../src/pages/task/artifacts-panel.tsx";

const KEPT: Artifact = {
  attempt: 2,
  name: "shots/one.png",
  size: 12_345,
  sha256: "0".repeat(64),
  stored_at: "2026-01-02T03:04:05Z",
  lost: false,
};

test("a file is saved by its button, and a lost one has none", () => {
  const place = document.body.appendChild(document.createElement("div"));
  const saved: string[] = [];
  const lost = { ...KEPT, name: "gone.txt", lost: true };

  render(<ArtifactsTable artifacts={[KEPT, lost]} save={({ name }) => saved.push(name)} />, place);

  expect(place.textContent).toContain("12,345");
  expect(place.textContent).toContain("lost");
  const buttons = place.querySelectorAll("button");
  expect(buttons.length).toBe(1);
  buttons[0]?.click();
  expect(saved).toEqual(["shots/one.png"]);
});
