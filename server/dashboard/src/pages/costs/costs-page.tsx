import { useEffect, useMemo } from "preact/hooks";
import type { CostGroup } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { onStep } from "../../live/store.ts";
import { useLoad } from "../../state/load.ts";
import { href, replace, route } from "../../state/route.ts";
import { throttled } from "../../state/throttle.ts";
import { plural } from "../../text/format.ts";
import { Choice } from "../../ui/choice.tsx";
import { Empty, Failure, Loading } from "../../ui/states.tsx";
import { CostsTable } from "./costs-table.tsx";
import { type CostsQuery, GROUPINGS, PERIODS, readCostsQuery, writeCostsQuery } from "./query.ts";

const REFRESH_MS = 5000;
const DAY_MS = 86_400_000;

/** What the sessions have cost, in groups. */
export function CostsPage() {
  const query = readCostsQuery(route.value.query);
  const { by, days } = query;
  const { value, error, reload } = useLoad(`${by} ${days}`, (signal) => {
    const since = days === 0 ? {} : { since: new Date(Date.now() - days * DAY_MS).toISOString() };
    return api.costs({ by, utc_offset_min: -new Date().getTimezoneOffset(), ...since }, signal);
  });
  const refresh = useMemo(() => throttled(reload, REFRESH_MS), [reload]);
  useEffect(() => {
    const stop = onStep(() => refresh());
    return () => {
      stop();
      refresh.cancel();
    };
  }, [refresh]);
  const groups = value?.groups ?? [];
  return (
    <div class="page costs-page">
      <div class="tasks-head">
        <h1>Costs</h1>
        <span class="dim">{value === null ? "" : plural(sessionsOf(groups), "session")}</span>
        <Choice
          label="Groups"
          choices={GROUPINGS}
          value={by}
          choose={(next) => show({ ...query, by: next })}
        />
        <Choice
          label="Period"
          choices={PERIODS}
          value={days}
          choose={(next) => show({ ...query, days: next })}
        />
      </div>
      {error !== null && value === null ? (
        <Failure error={error} retry={reload} />
      ) : value === null ? (
        <Loading what="the costs" />
      ) : groups.length === 0 ? (
        <Empty title="No session began in this period.">Choose a longer one.</Empty>
      ) : (
        <CostsTable groups={groups} by={by} />
      )}
    </div>
  );
}

function sessionsOf(groups: readonly CostGroup[]): number {
  return groups.reduce((sum, { sessions }) => sum + sessions, 0);
}

/** Keeps the choice in the address. */
function show(query: CostsQuery): void {
  replace(href("costs", null, writeCostsQuery(query)));
}
