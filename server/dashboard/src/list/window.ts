// Which rows of a long list are drawn. All rows are of one height, so every answer is plain arithmetic.

export interface Rows {
  /** The first row that is drawn, and the one after the last. */
  readonly first: number;
  readonly end: number;
}

/** The rows in view and some more on both sides, so that a scroll by a page shows no blank. */
export function rowsInView(scrollPx: number, viewPx: number, rowPx: number, total: number, more = 12): Rows {
  if (total <= 0 || rowPx <= 0) return { first: 0, end: 0 };
  const top = Math.max(0, Math.min(Math.floor(scrollPx / rowPx), total - 1));
  const bottom = Math.ceil((Math.max(0, scrollPx) + viewPx) / rowPx);
  return { first: Math.max(0, top - more), end: Math.min(total, Math.max(bottom, top + 1) + more) };
}

/** Where to scroll so that the row is in view; where it is, if it is already. */
export function scrollToRow(row: number, scrollPx: number, viewPx: number, rowPx: number): number {
  const top = row * rowPx;
  if (top < scrollPx) return top;
  const bottom = top + rowPx;
  return bottom > scrollPx + viewPx ? bottom - viewPx : scrollPx;
}

/** Whether the end of the list is in view: then a log that grows keeps showing its end. */
export function atEnd(scrollPx: number, viewPx: number, contentPx: number, slackPx = 24): boolean {
  return scrollPx + viewPx >= contentPx - slackPx;
}
