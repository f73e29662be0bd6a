// Where the time axis has its marks: round times, not too dense. Pure.

const STEPS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
];

const DAY_S = 86_400;

export interface Tick {
  readonly atMs: number;
  readonly label: string;
}

export function ticks(fromMs: number, toMs: number, most: number): Tick[] {
  const spanS = (toMs - fromMs) / 1000;
  if (spanS <= 0 || most < 1) return [];
  const days = Math.ceil(spanS / most / DAY_S);
  const stepMs = 1000 * (STEPS_S.find((step) => spanS / step <= most) ?? days * DAY_S);
  // Round where the reader is, so that a day begins at midnight.
  const offsetMs = new Date(fromMs).getTimezoneOffset() * 60_000;
  const found: Tick[] = [];
  for (let at = Math.ceil((fromMs - offsetMs) / stepMs) * stepMs + offsetMs; at <= toMs; at += stepMs) {
    found.push({ atMs: at, label: labelOf(at, stepMs) });
  }
  return found;
}

function labelOf(atMs: number, stepMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (stepMs < 60_000) return `${time}:${two(at.getSeconds())}`;
  return stepMs >= 86_400_000 ? `${two(at.getMonth() + 1)}-${two(at.getDate())}` : time;
}
