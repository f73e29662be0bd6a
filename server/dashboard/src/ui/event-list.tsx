import type { SwarmEvent } from "../api/documents.ts";
import { taskHref } from "../state/route.ts";
import { clock, moment } from "../text/format.ts";
import { oneLine } from "../text/visible.ts";
import { eventWords } from "../text/words.ts";
import { Shape } from "./shape.tsx";

/** Events, the newest first. `task` false leaves out whose they are. */
export function EventList({ events, task = true }: { events: readonly SwarmEvent[]; task?: boolean }) {
  return (
    <ol class="events">
      {events.map((event) => (
        <li key={event.seq} data-seq={event.seq}>
          <time class="mono dim" dateTime={event.happened_at ?? undefined} title={moment(event.happened_at)}>
            {clock(event.happened_at)}
          </time>
          <span class="event-mark">{event.status !== null && <Shape status={event.status} />}</span>
          <span class="event-text" title={oneLine(eventWords(event), 1000)}>
            {task && event.task !== null && (
              <a class="mono" href={taskHref(event.task)}>
                {event.task}
              </a>
            )}
            {task && event.task === null && event.worker !== null && (
              <span class="mono">{oneLine(event.worker)}</span>
            )}{" "}
            {oneLine(eventWords(event), 240)}
          </span>
        </li>
      ))}
    </ol>
  );
}
