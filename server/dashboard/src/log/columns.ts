// How many characters of the log's font fit into a width.

let probe: CanvasRenderingContext2D | null = null;

export function columnsOf(widthPx: number, font: string): number {
  probe ??= document.createElement("canvas").getContext("2d");
  if (probe === null) return 100;
  probe.font = font;
  const charPx = probe.measureText("M".repeat(50)).width / 50;
  return Math.max(20, Math.floor(widthPx / charPx));
}
