import { Star } from "lucide-react";
import { classes } from "@/utils/classes";

export const RATINGS = [1, 2, 3, 4, 5];

/** A rating from one to five. */
export function Stars({ rating }: { rating: number }) {
  return (
    <span role="img" aria-label={`${rating} of 5`} className="flex gap-0.5">
      {RATINGS.map((number) => (
        <Star
          key={number}
          aria-hidden
          className={classes("size-4", number <= rating ? "fill-current text-bar-warn" : "text-line-strong opacity-50")}
        />
      ))}
    </span>
  );
}
