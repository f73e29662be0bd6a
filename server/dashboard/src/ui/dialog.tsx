import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  danger?: boolean;
  /** For long text. */
  wide?: boolean;
}

/** A modal dialog of the browser's own: it keeps the focus inside, Esc closes it. */
export function Dialog({ title, onClose, children, danger = false, wide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  // It belongs to the page on which it was opened.
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const leave = () => close.current();
    window.addEventListener("hashchange", leave);
    return () => window.removeEventListener("hashchange", leave);
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog ${danger ? "danger" : ""} ${wide ? "wide" : ""}`}
      aria-labelledby={id}
      onClose={onClose}
      onCancel={onClose}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
