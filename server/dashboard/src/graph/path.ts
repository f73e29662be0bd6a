// Edges as smooth curves through dagre's points.

export interface Point {
  readonly x: number;
  readonly y: number;
}

const round = (value: number) => Math.round(value * 10) / 10;

export function pathThrough(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let path = `M${round(first.x)} ${round(first.y)}`;
  if (rest.length < 2) return `${path}${rest.map((p) => `L${round(p.x)} ${round(p.y)}`).join("")}`;
  for (let at = 0; at < rest.length - 1; at++) {
    const control = rest[at];
    const next = rest[at + 1];
    if (control === undefined || next === undefined) continue;
    const last = at === rest.length - 2;
    const end = last ? next : { x: (control.x + next.x) / 2, y: (control.y + next.y) / 2 };
    path += `Q${round(control.x)} ${round(control.y)} ${round(end.x)} ${round(end.y)}`;
  }
  return path;
}
