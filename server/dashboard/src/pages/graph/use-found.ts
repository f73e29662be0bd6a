// The task that the search means, in a graph of which perhaps only the phases are loaded.
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api/swarm.ts";
import { type Graph, type GraphTask, NO_PHASE } from "../../graph/collapse.ts";
import { findTask } from "../../graph/find.ts";

const TYPED_MS = 250;

export interface FoundTask {
  readonly id: string;
  readonly phase: string;
}

/** Looks among the loaded tasks, then asks the server; null while nothing is found. */
export function useFound(graph: Graph | null, wanted: string): FoundTask | null {
  const text = wanted.trim();
  const here: GraphTask | null = graph === null ? null : findTask(graph, text);
  const [told, setTold] = useState<{ text: string; task: FoundTask | null }>({ text: "", task: null });
  const partly = graph !== null && graph.phases.size > 0;
  const ask = partly && here === null && text !== "" && told.text !== text;
  useEffect(() => {
    if (!ask) return undefined;
    const timer = window.setTimeout(() => {
      api.tasks({ status: [], phase: "", q: text }, { limit: 100 }).then(
        ({ tasks }) => {
          const best = tasks.find(({ id }) => id.toLowerCase() === text.toLowerCase()) ?? tasks[0];
          const task = best === undefined ? null : { id: best.id, phase: best.phase ?? NO_PHASE };
          setTold({ text, task });
        },
        // The next letter asks again.
        () => undefined,
      );
    }, TYPED_MS);
    return () => window.clearTimeout(timer);
  }, [ask, text]);
  return here ?? (told.text === text ? told.task : null);
}
