import { useState } from "react";
import { Link } from "react-router";
import { MessageSquareText } from "lucide-react";
import { usePages } from "@/api";
import { ago, dateTime } from "@/format";
import { classes } from "@/utils/classes";
import { useSearchState } from "@/hooks/useSearchState";
import { Stars } from "@/components/Stars";
import { Card, EmptyState, Loaded, LoadMore, Money, Select, TextInput } from "@/ui";

const DEFAULTS = { rating: "", said: "" };
const RATINGS = [
  { value: "", label: "All ratings" },
  ...["5", "4", "3", "2", "1"].map((value) => ({ value, label: `${value} of 5` })),
];

/** Feedback, newest first. Only admins may read it. */
export function Ratings() {
  const [state, set] = useSearchState(DEFAULTS);
  const [text, setText] = useState(state.said);
  const rating = /^[1-5]$/.test(state.rating) ? Number(state.rating) : undefined;
  const pages = usePages("/api/feedback", { query: { limit: 20, rating, search: state.said || undefined } });
  return (
    <Card
      title="Feedback"
      note="All time, newest first"
      flush
      actions={
        <form
          role="search"
          aria-label="Ratings"
          className="flex flex-wrap gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            set({ said: text.trim() });
          }}
        >
          <TextInput
            aria-label="Search comments and models"
            placeholder="Comment or model"
            className="w-44!"
            maxLength={128}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onBlur={() => set({ said: text.trim() })}
          />
          <Select
            aria-label="Rating"
            className="w-32!"
            value={state.rating}
            options={RATINGS}
            onChange={(value) => set({ rating: value })}
          />
        </form>
      }
    >
      <Loaded of={pages}>
        {(data) => {
          const ratings = data.pages.flatMap((page) => page.feedback);
          return ratings.length === 0 ? (
            <EmptyState
              title={rating || state.said ? "No ratings match" : "No ratings yet"}
              icon={<MessageSquareText aria-hidden className="size-5" />}
            >
              Open a call and rate its answer, or send your users’ thumbs with POST /api/feedback.
            </EmptyState>
          ) : (
            <>
              <ul className="divide-y border-t" aria-label="Ratings">
                {ratings.map((one) => (
                  <li
                    key={one.id}
                    className="relative flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 hover:bg-hover sm:px-5"
                  >
                    <Stars rating={one.rating} />
                    <Link
                      to={`/app/calls/${encodeURIComponent(one.event_id)}`}
                      className="font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
                    >
                      {one.model}
                    </Link>
                    <span className="text-xs text-muted">{one.project}</span>
                    <span className={classes("min-w-0 flex-1 truncate text-muted", one.comment !== null && "basis-40")}>
                      {one.comment}
                    </span>
                    <span className="text-xs">
                      <Money value={one.cost} />
                    </span>
                    <span className="text-xs text-muted" title={dateTime(one.updated_at)}>
                      {ago(one.updated_at)}
                    </span>
                  </li>
                ))}
              </ul>
              <LoadMore of={pages} />
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}
