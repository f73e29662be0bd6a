import type { CostGroup } from "../../api/documents.ts";
import { href, tasksHref } from "../../state/route.ts";
import { count, money, percent, short, sumOfCosts } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { Panel } from "../../ui/panel.tsx";
import { ScrollX } from "../../ui/scroll-x.tsx";
import type { Grouping } from "./query.ts";

const NAMES: Record<Grouping, string> = {
  phase: "Phase",
  role: "Role",
  day: "Day",
  runner: "Runner",
  worker: "Worker",
};

/** The groups with what they have used, their share of the cost, and the sum. */
export function CostsTable({ groups, by }: { groups: readonly CostGroup[]; by: Grouping }) {
  const whole = sumOfCosts(groups.map(({ usage }) => usage.cost));
  const unpriced = sum(groups, (group) => group.unpriced);
  return (
    <Panel title={`Spent, by ${by}`} aside={<span class="strong">{money(whole)}</span>}>
      <ScrollX label="Costs, table">
        <table class="costs-table">
          <thead>
            <tr>
              <th>{NAMES[by]}</th>
              <th class="right">Sessions</th>
              <th class="right wide-only">Tokens in</th>
              <th class="right wide-only">Tokens out</th>
              <th class="right">Cost</th>
              <th class="share">Share</th>
            </tr>
          </thead>
          <tbody>
            {groups.map((group) => (
              <Row key={group.name} group={group} by={by} whole={Number(whole ?? 0)} />
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">Sum</th>
              <td class="right">{count(sum(groups, ({ sessions }) => sessions))}</td>
              <td class="right wide-only">{short(sum(groups, ({ usage }) => usage.input_tokens))}</td>
              <td class="right wide-only">{short(sum(groups, ({ usage }) => usage.output_tokens))}</td>
              <td class="right strong">{money(whole)}</td>
              <td />
            </tr>
          </tfoot>
        </table>
      </ScrollX>
      {unpriced > 0 && (
        <p class="small dim">
          {count(unpriced)} of the sessions reported no price. Their tokens count here, their cost does not.
        </p>
      )}
    </Panel>
  );
}

function Row({ group, by, whole }: { group: CostGroup; by: Grouping; whole: number }) {
  const { usage } = group;
  const cost = Number(usage.cost ?? 0);
  return (
    <tr data-group={group.name ?? ""}>
      <th scope="row">
        <Name name={group.name} by={by} />
      </th>
      <td class="right">{count(group.sessions)}</td>
      <td class="right wide-only">{short(usage.input_tokens)}</td>
      <td class="right wide-only">{short(usage.output_tokens)}</td>
      <td class="right">{money(usage.cost)}</td>
      <td class="share">
        <svg class="share-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
          <rect width={whole > 0 ? (100 * cost) / whole : 0} height="8" />
        </svg>{" "}
        <span class="dim small">{percent(cost, whole)}</span>
      </td>
    </tr>
  );
}

function Name({ name, by }: { name: string | null; by: Grouping }) {
  if (name === null) return <span class="dim">no {by}</span>;
  const text = oneLine(name);
  if (by === "phase") return <a href={tasksHref({ phase: name })}>{text}</a>;
  return by === "worker" ? <a href={href("workers")}>{text}</a> : <span>{text}</span>;
}

function sum(groups: readonly CostGroup[], value: (group: CostGroup) => number): number {
  return groups.reduce((all, group) => all + value(group), 0);
}
