// A held task on its page: an operator settles it, a viewer reads it, and the server's word counts.
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Hold, TaskDetail } from "../../src/api/documents.ts";
import { HeldPanel } from "../../src/pages/task/held-panel.tsx";
import { SaidPanel } from "../../src/pages/task/said-panel.tsx";
import { notices } from "../../src/state/notices.ts";
import { session } from "../../src/state/session.ts";
import { attempt, hold, task } from "../made.ts";

const QUESTION = "Which port?\n  <b>80</b> or\n8080";
let place: HTMLElement;
let reload: () => void;
let answers: Response[];
let sent: [string, unknown][];

beforeEach(() => {
  document.body.replaceChildren();
  place = document.body.appendChild(document.createElement("div"));
  reload = vi.fn();
  notices.value = [];
  answers = [];
  sent = [];
  vi.stubGlobal("fetch", async (url: URL | string, init: RequestInit) => {
    sent.push([new URL(url).pathname, JSON.parse(String(init.body))]);
    return answers.shift() ?? new Response("{}");
  });
});

afterEach(() => {
  render(null, place);
  session.value = { state: "asking" };
  vi.unstubAllGlobals();
});

function detail(held: Hold | null, more: Partial<TaskDetail> = {}): TaskDetail {
  return {
    ...task("a/b", held === null ? "not_started" : "held", { hold: held }),
    description: null,
    acceptance_criteria: [],
    files: [],
    design_docs: [],
    checks: [],
    on_dependency_failure: null,
    validate: null,
    labels: {},
    exclusive: [],
    artifacts: [],
    workspace: null,
    setup: [],
    keep: [],
    land: null,
    landing: null,
    landing_checks: [],
    changes: null,
    retry_from: null,
    course: [],
    attempts: [],
    holds: [],
    notes: [],
    ...more,
  };
}

function logIn(role: "operator" | "viewer"): void {
  session.value = { state: "in", me: { name: role, role, csrf: "c", version: "0", swarm_id: null } };
}

function show(held: Hold): void {
  act(() => render(<HeldPanel task={detail(held)} reload={reload} />, place));
}

const buttons = () => [...place.querySelectorAll("button")].map(({ textContent }) => textContent);

function button(name: string): HTMLButtonElement {
  const found = [...place.querySelectorAll("button")].find(({ textContent }) => textContent === name);
  if (!found) throw new Error(`no button ${name}`);
  return found;
}

function field(label: string): HTMLTextAreaElement {
  const found = [...place.querySelectorAll("label")].find(({ textContent }) =>
    textContent?.startsWith(label),
  );
  const area = found?.querySelector("textarea");
  if (!area) throw new Error(`no field ${label}`);
  return area;
}

function type(label: string, text: string): void {
  act(() => {
    const area = field(label);
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

async function press(name: string): Promise<void> {
  const found = button(name);
  const before = vi.mocked(reload).mock.calls.length;
  act(() => found.click());
  await vi.waitFor(() => expect(vi.mocked(reload).mock.calls.length).toBe(before + 1));
}

test("the question keeps its lines and is text, and the answer is sent as it was typed", async () => {
  logIn("operator");
  show(hold({ text: QUESTION }));
  expect(place.querySelector("pre")?.textContent).toBe(QUESTION);
  expect(place.querySelector("b")).toBe(null);
  type("Answer", '  "80",\nelse \\8080\n');

  await press("Answer");

  expect(sent).toEqual([["/api/tasks/a%2Fb/answer", { hold_id: "1-1", text: '  "80",\nelse \\8080\n' }]]);
  expect(notices.value.map(({ text }) => text)).toEqual(["a/b has its answer."]);
});

test("an empty answer can't be sent", () => {
  logIn("operator");
  show(hold());
  type("Answer", " \n ");

  expect([...place.querySelectorAll("button")].map(({ disabled }) => disabled)).toEqual([true, true]);
});

test("options are buttons, and their number is the answer", async () => {
  logIn("operator");
  show(hold({ options: ["80", "8080"] }));
  expect(buttons()).toEqual(["80", "8080", "Leave the note"]);

  await press("8080");

  expect(sent).toEqual([["/api/tasks/a%2Fb/answer", { hold_id: "1-1", option: 2 }]]);
});

test("somebody who was first is named, the task is loaded anew, and what was typed stays", async () => {
  const message = "task 'a/b' was answered by ann already: '80'";
  answers = [new Response(JSON.stringify({ error: { reason: "HOLD_REFUSED", message } }), { status: 409 })];
  logIn("operator");
  show(hold());
  type("Answer", "8080");

  await press("Answer");

  expect(notices.value.map(({ kind, text }) => [kind, text])).toEqual([["error", message]]);
  expect(field("Answer").value).toBe("8080");
});

test("a task that an operator holds is let go by a button", async () => {
  logIn("operator");
  show(hold({ kind: "suspended", text: "after the fair", held_by: "ann", attempt: null }));
  expect(place.textContent).toContain("after the fair");
  expect(place.textContent).toContain("suspended by ann");

  await press("Let it start");

  expect(sent).toEqual([["/api/tasks/a%2Fb/unhold", {}]]);
});

test("a task without progress takes an answer, or starts again", async () => {
  logIn("operator");
  show(hold({ kind: "no_progress", text: "attempts 1 and 2 left the same change" }));
  expect(place.textContent).toContain("It makes no progress");
  expect(buttons()).toEqual(["Answer", "Let it start", "Leave the note"]);
  type("Answer", "the test is wrong");

  await press("Answer");

  expect(sent).toEqual([["/api/tasks/a%2Fb/answer", { hold_id: "1-1", text: "the test is wrong" }]]);
});

test("a task that has used up its budget gets more", async () => {
  logIn("operator");
  show(hold({ kind: "budget", text: "cap 1.00, spent 1.03" }));
  expect(buttons()).toEqual(["Raise", "Leave the note"]);
  expect(button("Raise").disabled).toBe(true);
  const [dollars] = place.querySelectorAll("input");
  if (!dollars) throw new Error("no field for dollars");
  act(() => {
    dollars.value = "2.50";
    dollars.dispatchEvent(new Event("input", { bubbles: true }));
  });

  await press("Raise");

  expect(sent).toEqual([["/api/tasks/a%2Fb/budget", { add_cost: "2.50", add_tokens: 0 }]]);
});

test.each([
  ["before-start", "Let it start"],
  ["before-landing", "Let it land"],
  ["after", "Let it count"],
])("what waits %s is approved by a button, by the id of its hold", async (point, name) => {
  logIn("operator");
  show(hold({ kind: "approval", text: "may its work land?", point }));
  expect(place.textContent).toContain("It waits for an approval");

  await press(name);

  expect(sent).toEqual([["/api/tasks/a%2Fb/approve", { hold_id: "1-1" }]]);
  expect(notices.value.map(({ text }) => text)).toEqual(["a/b is approved."]);
});

test("a rejection needs a reason, which is sent as it was typed", async () => {
  logIn("operator");
  show(hold({ kind: "approval", text: "may its work land?", point: "before-landing" }));
  expect(button("Reject").disabled).toBe(true);
  type("What its builder", 'say "80",\n <b>not</b> 8080');

  await press("Reject");

  expect(sent).toEqual([
    ["/api/tasks/a%2Fb/reject", { hold_id: "1-1", text: 'say "80",\n <b>not</b> 8080' }],
  ]);
});

test("beside the button stand the change, the checks and the verdict of the attempt that waits", () => {
  logIn("viewer");
  const work = {
    ...attempt(2),
    change: { base: "b", head: "h", ref: "r", file_count: 3, ignored: [], files: [] },
    checks: [{ command: "make test", exit_code: 0, output_tail: "ok", duration_s: 1 }],
    verdict: {
      verdict: "PASS" as const,
      confidence: null,
      test_quality_score: null,
      recommendations: [],
      summary: "it is right",
    },
  };
  const held = hold({ kind: "approval", text: "may its work land?", point: "before-landing", attempt: 2 });
  const attempts = [attempt(1), work];

  act(() => render(<HeldPanel task={detail(held, { attempts })} reload={reload} />, place));

  const shown = place.querySelector(".work-to-approve");
  expect(shown?.querySelector("a")?.getAttribute("href")).toContain("attempt=2");
  expect(shown?.textContent).toMatch(/3 files.*make test.*PASS.*it is right/s);
  expect(place.querySelectorAll("button").length).toBe(0);
});

test("a note is sent, and its field is empty again", async () => {
  logIn("operator");
  show(hold());
  type("Note", "use\nthe cache");

  await press("Leave the note");

  expect(sent).toEqual([["/api/tasks/a%2Fb/note", { text: "use\nthe cache" }]]);
  await vi.waitFor(() => expect(field("Note").value).toBe(""));
});

test("a viewer reads question and options, and has nothing to press", () => {
  logIn("viewer");
  show(hold({ text: QUESTION, options: ["80", "8080"] }));

  expect(place.querySelector("pre")?.textContent).toBe(QUESTION);
  expect([...place.querySelectorAll("li")].map(({ textContent }) => textContent)).toEqual(["80", "8080"]);
  expect(place.querySelectorAll("button, textarea, input").length).toBe(0);
});

test("ended holds and notes tell who said what", () => {
  logIn("viewer");
  const ended = { ended_at: "2026-01-01T12:00:00Z", ended_by: "ann" };
  const holds = [
    hold({ text: QUESTION, answer: "80\nfor now", ...ended }),
    hold({ hold_id: "1-2", kind: "suspended", text: "later", held_by: "bob", ...ended }),
    hold({ hold_id: "1-3", text: "still open" }),
    hold({ hold_id: "1-4", kind: "approval", text: "may it start?", approved: true, ...ended }),
    hold({ hold_id: "1-5", kind: "approval", text: "may it land?", answer: "no", ...ended }),
  ];
  const notes = [{ text: "use\nthe cache", author: "eve", noted_at: "2026-01-01T12:00:00Z" }];

  act(() => render(<SaidPanel task={detail(null, { holds, notes })} reload={reload} />, place));

  const parts = [...place.querySelectorAll(".said-part")];
  const texts = parts.map((part) => [...part.querySelectorAll("pre")].map(({ textContent }) => textContent));
  expect(texts).toEqual([
    [QUESTION, "80\nfor now"],
    ["later"],
    ["may it start?"],
    ["may it land?", "no"],
    ["use\nthe cache"],
  ]);
  expect(parts[0]?.textContent).toContain("Answered by ann");
  expect(parts[1]?.textContent).toMatch(/Held by bob.*Ended by ann/s);
  expect(parts[2]?.textContent).toContain("Approved by ann");
  expect(parts[3]?.textContent).toContain("Rejected by ann");
  expect(parts[4]?.textContent).toContain("Note by eve");
});

test("nothing is shown where nothing was said and nobody may say anything", () => {
  logIn("viewer");
  act(() => render(<SaidPanel task={detail(null)} reload={reload} />, place));

  expect(place.textContent).toBe("");
});
