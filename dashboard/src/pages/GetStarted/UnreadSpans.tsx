import { useState } from "react";
import { ChevronRight, TriangleAlert } from "lucide-react";
import { useGet } from "@/api";
import type { Schema } from "@/api";
import { ago, count, dateTime } from "@/format";
import { Button, Card, CodeBlock } from "@/ui";

type UnreadSpan = Schema<"UnreadSpan">;

const SHOWN = 5;
const CONVENTIONS = [
  { name: "OpenTelemetry’s GenAI conventions", url: "https://github.com/open-telemetry/semantic-conventions-genai" },
  { name: "OpenInference", url: "https://github.com/Arize-ai/openinference" },
  { name: "Vercel’s AI SDK", url: "https://ai-sdk.dev/docs/ai-sdk-core/telemetry" },
  { name: "Langfuse’s SDK", url: "https://langfuse.com/docs/observability/sdk/overview" },
];

/** Spans that look like model calls but could not be read. Nothing without any. */
export function UnreadSpans() {
  const [all, setAll] = useState(false);
  const { data } = useGet("/api/ingest/unread-spans");
  const found = data?.unread_spans ?? [];
  if (!found.length) return null;
  const shown = all ? found : found.slice(0, SHOWN);
  return (
    <Card
      title="Spans that were not understood"
      note="Seen in the last 7 days. They have a model and tokens, but in attributes that LLMLab does not know. No calls were recorded for them."
      className="mt-4"
      data-unread-spans
    >
      <ul className="divide-y">
        {shown.map((spans) => (
          <li key={`${spans.first_seen_at} ${spans.scope} ${exampleOf(spans)}`} className="py-3 first:pt-0">
            <Unread spans={spans} />
          </li>
        ))}
      </ul>
      {shown.length < found.length && (
        <Button size="sm" onClick={() => setAll(true)}>
          Show {count(found.length - shown.length)} more
        </Button>
      )}
      <p className="mt-2 max-w-prose text-muted">
        LLMLab reads the spans of{" "}
        {CONVENTIONS.map(({ name, url }, index) => (
          <span key={url}>
            {index > 0 && (index < CONVENTIONS.length - 1 ? ", " : " and ")}
            <a
              href={url}
              target="_blank"
              rel="noreferrer"
              className="rounded text-accent underline underline-offset-2 hover:text-accent-strong"
            >
              {name}
            </a>
          </span>
        ))}
        . The file <code className="font-mono text-[0.8125rem]">docs/integrations.md</code> of LLMLab describes what it
        reads. If these spans are model calls, tell us: report an example, which has no texts of prompts or answers, to
        the maintainers of LLMLab.
      </p>
    </Card>
  );
}

function Unread({ spans }: { spans: UnreadSpan }) {
  return (
    <>
      <p className="flex items-start gap-2">
        <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
        <span className="min-w-0 [overflow-wrap:anywhere]">
          {count(spans.spans)} {spans.spans === 1 ? "span" : "spans"} of{" "}
          {spans.scope === "" ? (
            "an instrumentation without a name"
          ) : (
            <code className="font-mono text-[0.8125rem]">{spans.scope}</code>
          )}{" "}
          {spans.spans === 1 ? "was" : "were"} not understood.{" "}
          <span className="text-muted" title={dateTime(spans.last_seen_at)}>
            Last seen {ago(spans.last_seen_at)}.
          </span>
        </span>
      </p>
      <details className="group mt-1 pl-6">
        <summary className="inline-flex list-none items-center gap-1 rounded text-[0.8125rem] font-medium text-accent hover:underline">
          <ChevronRight aria-hidden className="size-3.5 transition-transform group-open:rotate-90" />
          Example
        </summary>
        <div className="mt-2">
          <CodeBlock label={`example of ${spans.scope || "spans"}`} code={exampleOf(spans)} />
        </div>
      </details>
    </>
  );
}

const exampleOf = ({ scope, example }: UnreadSpan) =>
  [`scope: ${scope}`, ...example.map(({ name, value }) => `${name}: ${value ?? "(text removed)"}`)].join("\n");
