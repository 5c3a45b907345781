import { classes } from "@/utils/classes";

export function Brand({ className }: { className?: string }) {
  return (
    <span className={classes("inline-flex items-center gap-2.5 text-base font-semibold tracking-tight", className)}>
      <svg viewBox="0 0 32 32" aria-hidden className="size-7">
        <rect width="32" height="32" rx="8" fill="#0b6b75" />
        <path
          d="M8 23V9m0 14h16M13 19v-4m5 4v-8m5 8v-6"
          fill="none"
          stroke="#fff"
          strokeWidth="2.6"
          strokeLinecap="round"
        />
      </svg>
      LLMLab
    </span>
  );
}
