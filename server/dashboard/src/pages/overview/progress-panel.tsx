import { STATUSES, type SwarmStatus } from "../../api/documents.ts";
import { status } from "../../live/store.ts";
import { tasksHref } from "../../state/route.ts";
import { count, hours, money, percent, plural, short } from "../../text/format.ts";
import { STATUS_MEANINGS, statusWord } from "../../text/words.ts";
import { Shape } from "../../ui/shape.tsx";
import { StatusBar } from "../../ui/status-bar.tsx";

/** How far the swarm is, by tasks and by hours, and what that cost. */
export function ProgressPanel() {
  const now = status.value;
  if (now === null) return <section class="panel progress loading" aria-label="Progress" />;
  return (
    <section class="panel progress" aria-label="Progress">
      <Figures now={now} />
      <StatusBar counts={now.counts} total={now.total} class="big" />
      <div class="chips">
        {STATUSES.map((name) => {
          const found = now.counts[name] ?? 0;
          return (
            <a
              key={name}
              class={found > 0 ? "chip" : "chip none"}
              href={tasksHref({ status: name })}
              data-status={name}
              title={STATUS_MEANINGS[name]}
            >
              <Shape status={name} />
              {statusWord(name)} <strong>{count(found)}</strong>
            </a>
          );
        })}
      </div>
    </section>
  );
}

function Figures({ now }: { now: SwarmStatus }) {
  const done = now.counts.completed ?? 0;
  return (
    <dl class="figures">
      <Figure
        name="Completed"
        value={percent(done, now.total)}
        detail={`${count(done)} of ${count(now.total)} tasks`}
      />
      {now.estimated_hours > 0 && (
        <Figure
          name="Estimated work done"
          value={percent(now.completed_hours, now.estimated_hours)}
          detail={`${hours(now.completed_hours)} of ${hours(now.estimated_hours)}`}
        />
      )}
      <Figure
        name="Spent"
        value={money(now.usage.cost)}
        detail={`${short(now.usage.input_tokens)} in, ${short(now.usage.output_tokens)} out`}
      />
      <Figure
        name="Running"
        value={count(now.counts.in_progress ?? 0)}
        detail={`of ${plural(now.slots, "slot")} on ${plural(now.workers, "worker")}`}
      />
    </dl>
  );
}

function Figure({ name, value, detail }: { name: string; value: string; detail: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="figure-value">{value}</dd>
      <dd class="dim small">{detail}</dd>
    </div>
  );
}
