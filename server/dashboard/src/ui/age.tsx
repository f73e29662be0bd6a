import { nowMs } from "../state/clock.ts";
import { ago, moment, since } from "../text/format.ts";

/** How long ago that was, ticking. */
export function Age({ from, suffix = false }: { from: string | null; suffix?: boolean }) {
  return (
    <time dateTime={from ?? undefined} title={moment(from)}>
      {suffix ? ago(from, nowMs.value) : since(from, nowMs.value)}
    </time>
  );
}
