import { useMemo } from "preact/hooks";
import { api } from "../../api/swarm.ts";
import { merged } from "../../live/history.ts";
import { events } from "../../live/store.ts";
import { useLoad } from "../../state/load.ts";
import { EventList } from "../../ui/event-list.tsx";
import { Panel } from "../../ui/panel.tsx";

const LIMIT = 200;

/** What happened to the task: from the server what was, from the feed what comes. */
export function TaskEventsPanel({ id }: { id: string }) {
  const { value } = useLoad(id, () => api.events({ task: id, limit: LIMIT }));
  const live = events.value;
  const all = useMemo(
    () =>
      merged(
        live.filter((event) => event.task === id),
        value?.events ?? [],
      ),
    [live, value, id],
  );
  return (
    <Panel title="Events" aside={<span class="dim small">{all.length}</span>}>
      <EventList events={all} task={false} />
    </Panel>
  );
}
