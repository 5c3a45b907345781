import type { ComponentProps, ReactNode } from "react";
import { Link } from "react-router";
import { LoaderCircle } from "lucide-react";
import { classes } from "@/utils/classes";
import { Tooltip } from "./tooltip";

type Look = "primary" | "secondary" | "ghost" | "danger";
type Size = "sm" | "md";

const LOOKS: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong border-transparent",
  secondary: "bg-surface text-ink border-line-strong/60 hover:bg-hover",
  ghost: "text-ink border-transparent hover:bg-hover",
  danger: "bg-bad text-surface border-transparent hover:bg-bad-strong",
};
const SIZES: Record<Size, string> = { sm: "h-8 px-2.5 gap-1.5 text-[0.8125rem]", md: "h-9 px-3.5 gap-2" };

const look = (kind: Look, size: Size, extra?: string) =>
  classes(
    "inline-flex shrink-0 items-center justify-center rounded-md border font-medium whitespace-nowrap select-none",
    "transition-colors disabled:cursor-not-allowed disabled:opacity-55",
    LOOKS[kind],
    SIZES[size],
    extra,
  );

interface ButtonProps extends ComponentProps<"button"> {
  look?: Look;
  size?: Size;
  icon?: ReactNode;
  /** Shows a spinner and ignores clicks. */
  busy?: boolean;
}

export function Button({
  look: kind = "secondary",
  size = "md",
  icon,
  busy,
  className,
  children,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy || undefined}
      disabled={busy === true || rest.disabled}
      className={look(kind, size, className)}
    >
      {busy ? <LoaderCircle aria-hidden className="size-4 animate-spin" /> : icon}
      {children}
    </button>
  );
}

interface LinkButtonProps extends ComponentProps<typeof Link> {
  look?: Look;
  size?: Size;
  icon?: ReactNode;
}

/** A link that looks like a button. */
export function LinkButton({
  look: kind = "secondary",
  size = "md",
  icon,
  className,
  children,
  ...rest
}: LinkButtonProps) {
  return (
    <Link {...rest} className={look(kind, size, className)}>
      {icon}
      {children}
    </Link>
  );
}

interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
  /** The accessible name, also shown as a tooltip. */
  label: string;
  icon: ReactNode;
  size?: Size;
}

export function IconButton({ label, icon, size = "md", className, ...rest }: IconButtonProps) {
  return (
    <Tooltip text={label}>
      <button
        type="button"
        aria-label={label}
        {...rest}
        className={classes(
          "inline-flex shrink-0 items-center justify-center rounded-md text-muted transition-colors hover:bg-hover hover:text-ink",
          "disabled:cursor-not-allowed disabled:opacity-55",
          size === "sm" ? "size-8" : "size-9",
          className,
        )}
      >
        {icon}
      </button>
    </Tooltip>
  );
}
