import { useState } from "react";
import { Check, Copy as CopyIcon, KeyRound } from "lucide-react";
import { classes } from "@/utils/classes";
import { Button, IconButton } from "./button";

/** Browsers offer the clipboard on https and localhost only; elsewhere use the deprecated command. */
async function copy(text: string) {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard) return clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  document.execCommand("copy");
  area.remove();
}

/** Copies a text; as a button with words, or only an icon. */
export function Copy({ text, label = "Copy", words }: { text: string; label?: string; words?: boolean }) {
  const [copied, setCopied] = useState(false);
  const run = () =>
    void copy(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    });
  const Icon = copied ? Check : CopyIcon;
  const icon = <Icon aria-hidden className={classes("size-4", copied && "text-good")} />;
  return (
    <>
      {words ? (
        <Button size="sm" icon={icon} onClick={run}>
          {copied ? "Copied" : label}
        </Button>
      ) : (
        <IconButton size="sm" label={copied ? "Copied" : label} icon={icon} onClick={run} />
      )}
      <span role="status" className="sr-only">
        {copied && "Copied"}
      </span>
    </>
  );
}

/** Code with a copy button. */
export function CodeBlock({ code, label }: { code: string; label: string }) {
  return (
    <div className="relative min-w-0 rounded-lg border bg-sunken">
      <pre
        // Keyboard users must be able to scroll it.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="group"
        aria-label={label}
        className="overflow-x-auto rounded-lg p-4 pr-14 font-mono text-[0.8125rem] leading-relaxed"
      >
        <code>{code}</code>
      </pre>
      <div className="absolute top-2 right-2 rounded-md bg-sunken">
        <Copy text={code} label={`Copy ${label}`} />
      </div>
    </div>
  );
}

/** A secret that is shown once, with a copy button. */
export function Secret({ value, label }: { value: string; label: string }) {
  return (
    <div className="flex items-center gap-2 rounded-lg border bg-sunken py-1.5 pr-1.5 pl-4">
      <KeyRound aria-hidden className="size-4 shrink-0 text-muted" />
      <code data-secret className="min-w-0 flex-1 font-mono text-[0.8125rem] break-all">
        {value}
      </code>
      <Copy text={value} label={`Copy ${label}`} />
    </div>
  );
}
