import type { TaskDetail } from "../../api/documents.ts";
import { Panel } from "../../ui/panel.tsx";
import { Empty } from "../../ui/states.tsx";
import { AttemptView } from "./attempt-view.tsx";

/** The attempts, the last first and open. */
export function AttemptsPanel({ task }: { task: TaskDetail }) {
  const last = task.attempts.at(-1)?.number;
  return (
    <Panel title="Attempts" aside={<span class="dim">{task.attempts.length}</span>}>
      {task.attempts.length === 0 ? (
        <Empty title="No attempt has begun." />
      ) : (
        [...task.attempts]
          .reverse()
          .map((attempt) => (
            <AttemptView
              key={attempt.number}
              attempt={attempt}
              attempts={task.attempts}
              task={task.id}
              open={attempt.number === last}
            />
          ))
      )}
    </Panel>
  );
}
