// Labels that stay inside their boxes: measured in the font in which they are drawn.

type Cut = (text: string, most: number) => string;

let probe: CanvasRenderingContext2D | null | undefined;
const known = new Map<string, string>();
const KEPT = 20_000;
// As graph.css has them.
const FONTS = { id: "600 14px", name: "12px" } as const;
type Font = keyof typeof FONTS;

/** The text with its end left out. */
export function ends(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}…`;
}

/** Returns the text, cut until it fits into that many pixels. */
export function fitted(text: string, roomPx: number, font: Font, cut: Cut): string {
  const key = `${font} ${roomPx} ${text}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = longest(text, (most) => widthOf(cut(text, most), font) <= roomPx, cut);
  if (known.size >= KEPT) known.clear();
  known.set(key, made);
  return made;
}

function longest(text: string, fits: (most: number) => boolean, cut: Cut): string {
  if (fits(text.length)) return text;
  let [low, high] = [1, text.length];
  while (high - low > 1) {
    const half = (low + high) >> 1;
    if (fits(half)) low = half;
    else high = half;
  }
  return cut(text, low);
}

function widthOf(text: string, font: Font): number {
  probe ??= document.createElement("canvas").getContext("2d");
  // Without a canvas, as in tests: a wide guess.
  if (!probe) return 8 * text.length;
  const family =
    font === "id"
      ? getComputedStyle(document.documentElement).getPropertyValue("--mono")
      : getComputedStyle(document.body).fontFamily;
  probe.font = `${FONTS[font]} ${family}`;
  return probe.measureText(text).width;
}
