import { ChartsPanel } from "./charts-panel.tsx";
import { EventsPanel } from "./events-panel.tsx";
import { NeedsPanel } from "./needs-panel.tsx";
import { ProgressPanel } from "./progress-panel.tsx";
import { RunningPanel } from "./running-panel.tsx";
import { WorkersPanel } from "./workers-panel.tsx";

/** The page for three in the morning: what needs a person, how far it is, what runs, what it costs. */
export function OverviewPage() {
  return (
    <div class="overview page">
      <h1 class="out-of-sight">Overview</h1>
      <NeedsPanel />
      <ProgressPanel />
      <div class="columns">
        <div class="column wide">
          <RunningPanel />
          <ChartsPanel />
        </div>
        <div class="column">
          <WorkersPanel />
          <EventsPanel />
        </div>
      </div>
    </div>
  );
}
