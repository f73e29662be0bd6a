// The graph with live statuses, loaded anew when it has other tasks.
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../../api/swarm.ts";
import type { Graph } from "../../graph/collapse.ts";
import { lacks, renewed, withPhase, withStatuses } from "../../graph/store.ts";
import { onStep } from "../../live/store.ts";
import { throttled } from "../../state/throttle.ts";

const RELOAD_MS = 2500;

export interface LiveGraph {
  readonly graph: Graph | null;
  readonly error: unknown;
  readonly reload: () => void;
  readonly loadPhase: (phase: string) => void;
}

export function useGraph(): LiveGraph {
  const [graph, setGraph] = useState<Graph | null>(null);
  const [error, setError] = useState<unknown>(null);
  const reload = useCallback(() => {
    api.graph().then(
      (answer) => {
        setGraph((known) => renewed(known, answer));
        setError(null);
      },
      (problem: unknown) => setError(problem),
    );
  }, []);
  const loadPhase = useCallback((phase: string) => {
    api.graph(phase).then(
      (answer) => setGraph((known) => (known === null ? known : withPhase(known, answer))),
      (problem: unknown) => setError(problem),
    );
  }, []);
  const again = useMemo(() => throttled(reload, RELOAD_MS), [reload]);
  useEffect(() => {
    again();
    const stop = onStep((step) =>
      setGraph((known) => {
        if (known === null) return known;
        if (step.everything || step.removed.length > 0 || known.phases.size > 0 || lacks(known, step.changed))
          again();
        return withStatuses(known, step.changed);
      }),
    );
    return () => {
      stop();
      again.cancel();
    };
  }, [again]);
  return { graph, error, reload, loadPhase };
}
