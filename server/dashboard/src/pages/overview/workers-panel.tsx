import type { Worker } from "../../api/documents.ts";
import { workers } from "../../live/store.ts";
import { href } from "../../state/route.ts";
import { Age } from "../../ui/age.tsx";
import { Panel } from "../../ui/panel.tsx";
import { Slots } from "../../ui/slots.tsx";
import { Empty } from "../../ui/states.tsx";
import { Line } from "../../ui/text.tsx";
import { WorkerMark } from "../../ui/worker-mark.tsx";
import { inOrder } from "../workers/order.ts";

const SHOWN = 12;

/** The workers with their slots and when they were last heard; those in trouble first. */
export function WorkersPanel() {
  const known = inOrder(workers.value);
  const more = known.length - SHOWN;
  return (
    <Panel title="Workers" aside={<a href={href("workers")}>All workers</a>}>
      {known.length === 0 ? (
        <Empty title="No worker is connected.">Start one with `swarm-worker`.</Empty>
      ) : (
        <ul class="worker-list">
          {known.slice(0, SHOWN).map((worker) => (
            <Row key={worker.name} worker={worker} />
          ))}
        </ul>
      )}
      {more > 0 && (
        <p class="panel-more">
          <a href={href("workers")}>{more} more</a>
        </p>
      )}
    </Panel>
  );
}

function Row({ worker }: { worker: Worker }) {
  return (
    <li>
      <Line class="strong" text={worker.name} />
      <WorkerMark status={worker.status} />
      <Slots used={worker.running} slots={worker.slots} />
      <span class="right dim small nowrap">
        <Age from={worker.last_seen} suffix />
      </span>
    </li>
  );
}
