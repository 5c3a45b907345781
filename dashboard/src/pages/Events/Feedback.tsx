import { useState } from "react";
import { Star } from "lucide-react";
import { useGetIf, useRole, useSend, useSignedIn } from "@/api";
import type { Schema } from "@/api";
import { ago, dateTime } from "@/format";
import { RATINGS, Stars } from "@/components/Stars";
import { classes } from "@/utils/classes";
import { Button, Card, ErrorLine, Field, Loaded, TextArea, toast } from "@/ui";

/** Ratings of the call and a form for the reader's own. Only admins see the ratings of others. */
export function Feedback({ eventId }: { eventId: string }) {
  const admin = useRole() === "admin";
  const given = useGetIf(admin, "/api/feedback", { query: { event_id: eventId, limit: 50 } });
  const rate = useSend("post", "/api/feedback", { also: ["/api/metrics/quality"] });
  const { user } = useSignedIn();
  const mine = rate.data ?? given.data?.feedback.find((one) => one.rated_by === user.id);
  return (
    <Card title="Feedback" data-feedback>
      {admin && (
        <Loaded of={given}>
          {({ feedback }) =>
            feedback.length === 0 ? (
              <p className="mb-4 text-muted">No ratings yet.</p>
            ) : (
              <ul className="mb-4 divide-y">
                {feedback.map((one) => (
                  <Rating key={one.id} of={one} own={one.rated_by === user.id} />
                ))}
              </ul>
            )
          }
        </Loaded>
      )}
      <Form
        key={mine?.updated_at ?? "new"}
        before={mine}
        busy={rate.isPending}
        error={rate.error}
        onGive={(rating, comment) =>
          rate.mutate(
            { body: { event_id: eventId, rating, comment: comment === "" ? null : comment } },
            { onSuccess: () => toast("Rating saved") },
          )
        }
      />
    </Card>
  );
}

function Rating({ of, own }: { of: Schema<"Feedback">; own: boolean }) {
  return (
    <li className="py-2.5 first:pt-0" data-rating={of.rating}>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <Stars rating={of.rating} />
        <span className="text-xs text-muted" title={dateTime(of.updated_at)}>
          {own && "you, "}
          {ago(of.updated_at)}
        </span>
      </div>
      {of.comment !== null && <p className="mt-1 [overflow-wrap:anywhere] whitespace-pre-line">{of.comment}</p>}
    </li>
  );
}

interface FormProps {
  before: Schema<"Feedback"> | undefined;
  busy: boolean;
  error: unknown;
  onGive: (rating: number, comment: string) => void;
}

function Form({ before, busy, error, onGive }: FormProps) {
  const [rating, setRating] = useState(before?.rating);
  const [comment, setComment] = useState(before?.comment ?? "");
  return (
    <form
      className="space-y-3 border-t pt-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (rating !== undefined) onGive(rating, comment.trim());
      }}
    >
      <ErrorLine error={error} />
      <fieldset>
        <legend className="mb-1 text-[0.8125rem] font-medium">{before ? "Your rating" : "Rate this answer"}</legend>
        <div className="-ml-1 flex">
          {RATINGS.map((number) => (
            <label
              key={number}
              className="cursor-pointer rounded p-1 has-focus-visible:outline-2 has-focus-visible:outline-accent"
            >
              <input
                type="radio"
                name="rating"
                className="sr-only"
                aria-label={`${number} of 5`}
                checked={rating === number}
                onChange={() => setRating(number)}
              />
              <Star
                aria-hidden
                className={classes(
                  "size-6",
                  number <= (rating ?? 0) ? "fill-current text-bar-warn" : "text-line-strong",
                )}
              />
            </label>
          ))}
        </div>
      </fieldset>
      <Field label="Comment" of={error} name="comment">
        <TextArea rows={2} maxLength={2000} value={comment} onChange={(event) => setComment(event.target.value)} />
      </Field>
      <Button type="submit" size="sm" look="primary" busy={busy} disabled={rating === undefined}>
        {before ? "Update rating" : "Save rating"}
      </Button>
    </form>
  );
}
