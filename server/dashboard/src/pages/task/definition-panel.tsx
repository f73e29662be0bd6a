import type { TaskDetail } from "../../api/documents.ts";
import { visible } from "../../text/visible.ts";
import { Panel } from "../../ui/panel.tsx";
import { Prose } from "../../ui/text.tsx";

/** What the author of the task asks for. */
export function DefinitionPanel({ task }: { task: TaskDetail }) {
  const labels = Object.entries(task.labels).map(([name, value]) => `${name}=${value}`);
  return (
    <Panel title="Task description" class="definition">
      {task.description !== null && <Prose text={task.description} />}
      <List title="Acceptance criteria" entries={task.acceptance_criteria} />
      <List title="Checks" entries={task.checks} mono />
      <List title="Files" entries={task.files} mono />
      <List title="Design documents" entries={task.design_docs} mono />
      <List title="Labels that a worker must have" entries={labels} mono />
      <List title="Names that it has the use of alone" entries={task.exclusive} mono />
      <List title="Files for people" entries={task.artifacts} mono />
      <List title="Setup of the workspace" entries={task.setup} mono />
      <List title="Kept folders" entries={task.keep} mono />
      <List title="Checks before the landing" entries={task.landing_checks} mono />
      <List title="Workspace and landing" entries={choices(task)} mono />
    </Panel>
  );
}

/** The choices about its workspace that the author has made, in the words of a task file. */
function choices(task: TaskDetail): string[] {
  const made = {
    workspace: task.workspace,
    changes: task.changes,
    land: task.land,
    landing: task.landing,
    retry_from: task.retry_from,
  };
  return Object.entries(made)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}`);
}

function List({
  title,
  entries,
  mono = false,
}: {
  title: string;
  entries: readonly string[];
  mono?: boolean;
}) {
  if (entries.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class={mono ? "bullets mono" : "bullets"}>
        {entries.map((entry) => (
          <li key={entry}>{visible(entry)}</li>
        ))}
      </ul>
    </>
  );
}
