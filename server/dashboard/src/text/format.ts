// Numbers, times and spans for people. Widths stay the same while values tick, so that nothing jumps.

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const HOURS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const NONE = "–";

export function count(value: number): string {
  return WHOLE.format(value);
}

export function hours(value: number): string {
  return `${HOURS.format(value)} h`;
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return NONE;
  // Not "100 %" as long as something is missing.
  return `${Math.floor((100 * part) / whole)} %`;
}

/** 12.3 k, 4.56 M: three digits that matter. */
export function short(value: number): string {
  const units: [number, string][] = [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ];
  for (const [size, unit] of units) {
    // 999,950 would otherwise round to "1000 k".
    if (value >= size * 0.99995) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return WHOLE.format(value);
}

/** Dollars; the decimal text of the server, never summed here in floating point. */
export function money(cost: string | null): string {
  if (cost === null || cost === "") return NONE;
  const dollars = Number(cost);
  if (!Number.isFinite(dollars)) return NONE;
  return `$${dollars >= 100 ? dollars.toFixed(0) : dollars >= 0.1 || dollars === 0 ? dollars.toFixed(2) : dollars.toFixed(4)}`;
}

/** The sum of decimal texts, exact to a billionth; null if none is known. */
export function sumOfCosts(costs: readonly (string | null)[]): string | null {
  const known = costs.filter((cost) => cost !== null && /^\d+(\.\d+)?$/.test(cost)) as string[];
  if (known.length === 0) return null;
  const nano = known.reduce((sum, cost) => {
    const [whole = "0", part = ""] = cost.split(".");
    return sum + BigInt(whole + part.slice(0, 9).padEnd(9, "0"));
  }, 0n);
  return `${nano / 1_000_000_000n}.${String(nano % 1_000_000_000n).padStart(9, "0")}`;
}

/** The text with its middle left out: ids differ at both ends. */
export function middle(text: string, most: number): string {
  if (text.length <= most) return text;
  const room = Math.max(2, Math.floor(most) - 1);
  const tail = Math.floor(room / 2);
  return `${text.slice(0, room - tail)}…${text.slice(text.length - tail)}`;
}

/** A span with two units at most, such as `1 h 05 m`, `4 m 09 s`, `3.2 s`. */
export function span(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return NONE;
  if (seconds < 1) return `${Math.max(0, Math.round(1000 * seconds))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86_400)} d ${two(Math.floor((whole % 86_400) / 3600))} h`;
}

/** A span in one unit, for axes. */
export function shortSpan(seconds: number): string {
  const [size, unit] = seconds >= 7200 ? [3600, "h"] : seconds >= 120 ? [60, "m"] : [1, "s"];
  return `${HOURS.format(seconds / size)} ${unit}`;
}

/** Seconds between two ISO times; null if one is missing. */
export function between(from: string | null, to: string | null): number | null {
  if (from === null || to === null) return null;
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

/** Whole seconds since then: an age that ticks once a second has no use for tenths. */
export function since(from: string | null, nowMs: number): string {
  if (from === null) return NONE;
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(from)) / 1000));
  return seconds < 10 ? `${seconds} s` : span(seconds);
}

export function ago(from: string | null, nowMs: number): string {
  return from === null ? "never" : `${since(from, nowMs)} ago`;
}

/** For how long a program has printed nothing new. */
export function nothingNew({ new_at }: { new_at: string | null }, nowMs: number): string {
  const quietS = new_at === null ? 0 : Math.max(0, (nowMs - Date.parse(new_at)) / 1000);
  const minutes = Math.floor(quietS / 60);
  if (minutes < 1) return `nothing new for ${span(quietS)}`;
  if (minutes < 60) return `nothing new for ${minutes} min`;
  const rest = minutes % 60;
  return `nothing new for ${Math.floor(minutes / 60)} h${rest > 0 ? ` ${rest} min` : ""}`;
}

/** The time of day where the reader is. */
export function clock(iso: string | null): string {
  if (iso === null) return NONE;
  const at = new Date(iso);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Day and time where the reader is. */
export function moment(iso: string | null): string {
  if (iso === null) return NONE;
  const at = new Date(iso);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(iso)}`;
}

export function plural(value: number, word: string, many = `${word}s`): string {
  return `${count(value)} ${value === 1 ? word : many}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
