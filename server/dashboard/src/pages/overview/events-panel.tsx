import { events } from "../../live/store.ts";
import { EventList } from "../../ui/event-list.tsx";
import { Panel } from "../../ui/panel.tsx";
import { Empty } from "../../ui/states.tsx";

const SHOWN = 40;

/** What happened last. */
export function EventsPanel() {
  const found = events.value.slice(0, SHOWN);
  return (
    <Panel title="Latest events" class="latest">
      {found.length === 0 ? <Empty title="Nothing has happened yet." /> : <EventList events={found} />}
    </Panel>
  );
}
