const KEPT_MS = 60_000;

/** Saves the content as a file: a page of this origin never shows what a session has written. */
export function saveFile(content: BlobPart, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  // The browser may begin to read a moment later.
  window.setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
