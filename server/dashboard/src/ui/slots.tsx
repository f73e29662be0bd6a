/** A worker's slots as little boxes, the used ones full; many slots become a bar. */
export function Slots({ used, slots }: { used: number; slots: number }) {
  const label = `${used} of ${slots} slots in use`;
  if (slots > 8) {
    return (
      <span class="slots" role="img" aria-label={label} title={label}>
        <span class="slots-bar">
          <span style={{ width: `${Math.min(100, (100 * used) / slots)}%` }} />
        </span>
      </span>
    );
  }
  return (
    <span class="slots" role="img" aria-label={label} title={label}>
      {Array.from({ length: slots }, (_, index) => (
        <span key={index} class={index < used ? "slot used" : "slot"} />
      ))}
    </span>
  );
}
