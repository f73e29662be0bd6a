// What sessions, files and models wrote is shown as text, whatever it looks like.
import { render } from "preact";
import { beforeEach, expect, test } from "vitest";
import type { Artifact, Change, TaskDetail } from "../../src/api/documents.ts";
import { ChangeFacts } from "../../src/changes/change-facts.tsx";
import { LandingView } from "../../src/changes/landing-view.tsx";
import { parsePatch } from "../../src/changes/patch.ts";
import { PatchRowView } from "../../src/changes/patch-row.tsx";
import { layOut, type PatchRow } from "../../src/changes/rows.ts";
import { TooLong } from "../../src/changes/too-long.tsx";
import { LogRowView } from "../../src/log/log-row.tsx";
import { LogRows } from "../../src/log/rows.ts";
import { AnswerForm } from "../../src/pages/task/answer-form.tsx";
import { ArtifactsTable } from "../../src/pages/task/artifacts-panel.tsx";
import { AttemptView } from "../../src/pages/task/attempt-view.tsx";
import { DefinitionPanel } from "../../src/pages/task/definition-panel.tsx";
import { FactsPanel } from "../../src/pages/task/facts-panel.tsx";
import { HeldPanel } from "../../src/pages/task/held-panel.tsx";
import { SaidPanel } from "../../src/pages/task/said-panel.tsx";
import { TaskRow } from "../../src/pages/tasks/task-row.tsx";
import { WorkerRow } from "../../src/pages/workers/worker-row.tsx";
import { EventList } from "../../src/ui/event-list.tsx";
import { attempt, event, hold, logLine, task, worker } from "../made.ts";

const CORPUS = [
  "<script>window.hit=1</script>",
  "<img src=x onerror=window.hit=1>",
  '"><svg onload=window.hit=1>',
  "javascript:window.hit=1",
  "{{constructor.constructor('window.hit=1')()}}",
  "</pre><iframe srcdoc='<script>parent.hit=1</script>'>",
  "' onmouseover='window.hit=1",
];
const NOON = "2026-01-02T12:00:00Z";
let place: HTMLElement;

beforeEach(() => {
  document.body.replaceChildren();
  place = document.body.appendChild(document.createElement("div"));
});

function detail(text: string): TaskDetail {
  return {
    ...task(text, "failed", {
      name: text,
      phase: text,
      type: text,
      worker: text,
      cause: text,
      last_error: text,
      failure_class: text,
      hold: hold({ text, options: [text], held_by: text }),
    }),
    description: text,
    acceptance_criteria: [text],
    files: [text],
    design_docs: [text],
    checks: [text],
    on_dependency_failure: null,
    validate: null,
    labels: { [text]: text },
    exclusive: [text],
    artifacts: [text],
    workspace: "clone",
    setup: [text],
    keep: [text],
    land: false,
    landing: text,
    landing_checks: [text],
    changes: text,
    retry_from: text,
    course: [1],
    attempts: [],
    holds: [hold({ text, options: [text], held_by: text, ended_by: text, answer: text, ended_at: NOON })],
    notes: [{ text, author: text, noted_at: NOON }],
  };
}

function artifact(name: string): Artifact {
  return {
    attempt: 1,
    name,
    size: 3,
    sha256: "0".repeat(64),
    stored_at: "2026-01-02T03:04:05Z",
    lost: false,
  };
}

function ended(text: string) {
  const answer = { finding_id: "a1f1", kind: "disputed", why: text };
  const builder = {
    status: text,
    files_created: [text],
    files_modified: [text],
    tests_written: true,
    tests_passed: false,
    implementation_notes: text,
    blockers: [text],
    answers: [answer],
    questions: [{ text, options: [text] }],
  };
  return attempt(1, {
    error: text,
    worker: text,
    builder_result: builder,
    checks: [{ command: text, exit_code: 1, output_tail: text, duration_s: 1 }],
    verdict: {
      verdict: "FAIL",
      confidence: 1,
      test_quality_score: 1,
      recommendations: [text],
      summary: text,
    },
    findings: [{ finding_id: "a1f1", file: text, issue: text, severity: text }],
  });
}

function changed(text: string): Change {
  return {
    base: text,
    head: text,
    ref: text,
    files: [{ path: text, status: text, added: 1, removed: null }],
    file_count: 1,
    ignored: [text],
  };
}

function patchRows(text: string): readonly PatchRow[] {
  const patch = `diff --git a/${text} b/${text}\nrename from ${text}\n${text}\n@@ -1 +1 @@ ${text}\n-${text}\n+${text}\n`;
  return [false, true].flatMap(
    (split) => layOut(parsePatch(patch), { split, columns: 0, folded: new Set() }).rows,
  );
}

test.each(CORPUS)("%s stays text in every view", (text) => {
  const found = ended(text);
  const log = new LogRows({ columns: 0, open: false, found: true });
  const kinds = ["output", "reply", "tool_started", "prompt"];
  log.add(
    kinds.flatMap((kind, at) =>
      [text, `\`${text}\``, `**${text}**`].map((said, of) => logLine(3 * at + of, said, { kind })),
    ),
  );

  render(
    <div>
      <TaskRow
        task={detail(text)}
        index={0}
        active={false}
        ticked={false}
        tick={() => undefined}
        activate={() => undefined}
      />
      <HeldPanel task={detail(text)} reload={() => undefined} />
      <SaidPanel task={detail(text)} reload={() => undefined} />
      <AnswerForm id={text} hold={hold({ options: [text] })} reload={() => undefined} />
      <FactsPanel task={detail(text)} />
      <DefinitionPanel task={detail(text)} />
      <AttemptView attempt={found} attempts={[found, { ...found, number: 2 }]} open task={text} />
      <ChangeFacts attempt={found} change={changed(text)} />
      <LandingView attempt={{ ...found, failure_class: "landing_conflict" }} />
      <LandingView attempt={{ ...found, landing: { target: text, commit: text, onto: text, found: true } }} />
      <TooLong change={changed(text)} />
      {patchRows(text).map((row, index) => (
        <PatchRowView key={index} row={row} index={index} file={() => undefined} fold={() => undefined} />
      ))}
      <ArtifactsTable artifacts={[artifact(text)]} save={() => undefined} />
      <EventList events={[event(1, { task: text, worker: text, cause: text, kind: text })]} />
      <table>
        <tbody>
          <WorkerRow
            worker={worker(text, { host: text, runner: text, labels: { [text]: text }, task_ids: [text] })}
            drain={null}
          />
        </tbody>
      </table>
      {log.rows.map((row) => (
        <LogRowView
          key={row.text}
          row={row}
          open={false}
          toggle={() => undefined}
          linked={false}
          link={() => undefined}
        />
      ))}
    </div>,
    place,
  );

  expect(place.querySelectorAll("script, img, iframe, [onerror], [onload], [onmouseover]").length).toBe(0);
  const links = [...place.querySelectorAll("a")].map((link) => link.getAttribute("href") ?? "");
  expect(links.every((link) => link.startsWith("#/"))).toBe(true);
  expect(place.textContent?.split(text).length).toBeGreaterThan(20);
});
