import { useEffect, useMemo } from "preact/hooks";
import type { TaskDetail } from "../../api/documents.ts";
import { ApiError } from "../../api/http.ts";
import { api } from "../../api/swarm.ts";
import { ChangesPanel } from "../../changes/changes-panel.tsx";
import { isChanges } from "../../changes/query.ts";
import { onStep } from "../../live/store.ts";
import { LogPanel } from "../../log/log-panel.tsx";
import { useLoad } from "../../state/load.ts";
import { href, route } from "../../state/route.ts";
import { throttled } from "../../state/throttle.ts";
import { Empty, Failure, Loading } from "../../ui/states.tsx";
import { ArtifactsPanel } from "./artifacts-panel.tsx";
import { AttemptsPanel } from "./attempts-panel.tsx";
import { DefinitionPanel } from "./definition-panel.tsx";
import { FactsPanel } from "./facts-panel.tsx";
import { FailedPanel } from "./failed-panel.tsx";
import { HeldPanel } from "./held-panel.tsx";
import { ReceiptPanel } from "./receipt-panel.tsx";
import { SaidPanel } from "./said-panel.tsx";
import { TaskEventsPanel } from "./task-events-panel.tsx";
import { TaskHead } from "./task-head.tsx";
import { TaskTabs } from "./task-tabs.tsx";
import { WhyPanel } from "./why-panel.tsx";

const REFRESH_MS = 400;

/** Everything about one task. */
export function TaskPage({ id }: { id: string }) {
  const { value: task, error, reload } = useLoad(id, (signal) => api.task(id, signal));
  const refresh = useMemo(() => throttled(reload, REFRESH_MS), [reload]);
  useEffect(() => {
    const stop = onStep((step) => {
      if (step.everything || step.changed.some((changed) => changed.id === id)) refresh();
    });
    return () => {
      stop();
      refresh.cancel();
    };
  }, [id, refresh]);
  if (task === null) return error === null ? <Loading what={id} /> : <NoTask error={error} retry={reload} />;
  return (
    <div class="page task" data-task={task.id} data-status={task.status}>
      <TaskHead task={task} />
      <FailedPanel task={task} reload={reload} />
      <HeldPanel task={task} reload={reload} />
      <ReceiptPanel task={task} />
      <WhyPanel task={task} />
      <TaskTabs task={task} />
      {isChanges(route.value.query) ? <ChangesPanel task={task} /> : <WorkPart task={task} reload={reload} />}
    </div>
  );
}

function WorkPart({ task, reload }: { task: TaskDetail; reload: () => void }) {
  return (
    <div class="columns">
      <div class="column wide">
        <LogPanel task={task} />
        <AttemptsPanel task={task} />
        <ArtifactsPanel task={task} />
      </div>
      <div class="column">
        <FactsPanel task={task} />
        <SaidPanel task={task} reload={reload} />
        <DefinitionPanel task={task} />
        <TaskEventsPanel id={task.id} />
      </div>
    </div>
  );
}

function NoTask({ error, retry }: { error: unknown; retry: () => void }) {
  if (!(error instanceof ApiError) || error.status !== 404) return <Failure error={error} retry={retry} />;
  return (
    <Empty title={error.message} heading>
      <a href={href("tasks")}>Look for it among all tasks</a>
    </Empty>
  );
}
