import type { ReactNode } from "react";
import { useEffect, useId, useRef, useState } from "react";
import { X } from "lucide-react";
import { classes } from "@/utils/classes";
import { Button, IconButton } from "./button";
import { Field, TextInput } from "./form";
import { PortalContainer } from "./portal";
import { ErrorLine } from "./surface";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: string;
  note?: ReactNode;
  children?: ReactNode;
  /** Buttons at the bottom. */
  footer?: ReactNode;
  wide?: boolean;
  /** At the left edge, as high as the page. */
  drawer?: boolean;
}

/** The browser's own modal dialog: focus stays in it, Escape closes it, and it needs no styles at run time. */
export function Dialog({ open, onClose, title, note, children, footer, wide, drawer }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const [container, setContainer] = useState<HTMLElement | null>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    if (open && !dialog?.open) dialog?.showModal();
    if (!open && dialog?.open) dialog.close();
  }, [open]);
  return (
    // The browser handles Escape; a click outside is only the mouse's equivalent.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={(dialog) => {
        element.current = dialog;
        setContainer(dialog);
      }}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => event.target === element.current && onClose()}
      className={classes(
        "bg-surface p-0 text-ink shadow-floating",
        drawer
          ? "m-0 h-dvh max-h-none w-72 max-w-[85vw] border-r"
          : classes(
              "m-auto max-h-[calc(100dvh-2rem)] w-[calc(100vw-2rem)] rounded-xl border",
              wide ? "max-w-3xl" : "max-w-lg",
            ),
      )}
    >
      {open && (
        <PortalContainer value={container}>
          <div className="relative flex max-h-[inherit] flex-col">
            <div className="pr-14 pl-5 pt-4">
              <h2 id={id} className="text-base">
                {title}
              </h2>
              {note !== undefined && <p className="mt-1 text-muted">{note}</p>}
            </div>
            <div className="min-h-0 overflow-y-auto px-5 py-4">{children}</div>
            {footer !== undefined && (
              <div className="flex flex-wrap justify-end gap-2 border-t px-5 py-3">{footer}</div>
            )}
            {/* Last in the tab order, so that focus starts in the content. */}
            <div className="absolute top-3 right-3">
              <IconButton size="sm" label="Close" icon={<X aria-hidden className="size-4" />} onClick={onClose} />
            </div>
          </div>
        </PortalContainer>
      )}
    </dialog>
  );
}

interface ConfirmProps {
  open: boolean;
  onClose: () => void;
  title: string;
  children?: ReactNode;
  /** The label of the button, such as "Delete". */
  action: string;
  onConfirm: () => unknown;
  busy?: boolean;
  error?: unknown;
  /** Text to type as a confirmation. */
  typed?: string;
}

/** Asks for confirmation. */
export function ConfirmDialog({ open, onClose, title, children, action, onConfirm, busy, error, typed }: ConfirmProps) {
  const [text, setText] = useState("");
  const close = () => {
    setText("");
    onClose();
  };
  return (
    <Dialog
      open={open}
      onClose={close}
      title={title}
      footer={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button
            look="danger"
            busy={busy}
            disabled={typed !== undefined && text !== typed}
            onClick={() => onConfirm()}
          >
            {action}
          </Button>
        </>
      }
    >
      <div className="space-y-3">
        <ErrorLine error={error} />
        {children}
        {typed !== undefined && (
          <Field label={`Type “${typed}” to confirm`}>
            <TextInput value={text} onChange={(event) => setText(event.target.value)} autoComplete="off" />
          </Field>
        )}
      </div>
    </Dialog>
  );
}

interface DialogFormProps {
  onSubmit: () => void;
  onClose: () => void;
  /** The label of the button, such as "Create". */
  action: string;
  busy?: boolean;
  error?: unknown;
  children: ReactNode;
}

/** The form in a dialog, with its buttons. Render it inside the dialog, so that it resets whenever the dialog opens. */
export function DialogForm({ onSubmit, onClose, action, busy, error, children }: DialogFormProps) {
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      <ErrorLine error={error} />
      {children}
      <div className="sticky -bottom-4 -mx-5 -mb-4 flex flex-wrap justify-end gap-2 border-t bg-surface px-5 py-3">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" busy={busy}>
          {action}
        </Button>
      </div>
    </form>
  );
}
