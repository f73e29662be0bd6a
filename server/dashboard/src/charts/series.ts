// The rows of the charts, from the buckets of /api/throughput.
import type { Bucket } from "../api/swarm.ts";

type Row = (number | null)[];

/** Times, tasks that completed on top of those that failed (so that the bars stack), failed. */
export function throughputRows(buckets: readonly Bucket[]): [number[], Row, Row] {
  return [
    buckets.map((bucket) => Date.parse(bucket.at) / 1000),
    buckets.map((bucket) => bucket.tasks_completed + bucket.tasks_failed),
    buckets.map((bucket) => bucket.tasks_failed),
  ];
}

/** Times, the builders' median, the validators' median. */
export function durationRows(buckets: readonly Bucket[]): [number[], Row, Row] {
  return [
    buckets.map((bucket) => Date.parse(bucket.at) / 1000),
    buckets.map((bucket) => bucket.builder_median_s),
    buckets.map((bucket) => bucket.validator_median_s),
  ];
}

/** Whether nothing ended before the last quarter. */
export function isYoung(buckets: readonly Bucket[]): boolean {
  const first = buckets.findIndex((bucket) => bucket.tasks_completed + bucket.tasks_failed > 0);
  return first >= 0.75 * buckets.length;
}
