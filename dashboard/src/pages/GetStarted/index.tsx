import { CircleCheck, KeyRound, LoaderCircle } from "lucide-react";
import { serverUrl, useGet } from "@/api";
import type { Schema } from "@/api";
import { ago, count, duration, exactMoney } from "@/format";
import { providerName } from "@/format/providers";
import { useSearchState } from "@/hooks/useSearchState";
import { useTitle } from "@/hooks/useTitle";
import { Badge, Button, Card, CodeBlock, Copy, ErrorLine, LinkButton, Money, PageHeader, Skeleton, Tabs } from "@/ui";
import { UnreadSpans } from "./UnreadSpans";
import { curl, openTelemetry, python } from "./snippets";
import { useFirstKey } from "./useFirstKey";

const DEFAULTS = { with: "curl" };

/** Onboarding: a key, a call, and its cost. */
export function Component() {
  useTitle("Get started");
  const [state, setState] = useSearchState(DEFAULTS);
  const { admin, key, make, making, error } = useFirstKey();
  const latest = useGet("/api/events", { query: { limit: 1 } });
  const call = latest.data?.events[0];
  const server = serverUrl();
  const used = key ?? "llmlab_sk_...";

  return (
    <div className="mx-auto max-w-4xl">
      <PageHeader title="Get started" note="Send your first call and see its cost here." />
      <ol className="space-y-4">
        <li>
          <Card title="1. Your API key">
            {key !== undefined ? (
              <>
                <div className="flex items-center gap-2 rounded-lg border bg-sunken py-1.5 pr-1.5 pl-4">
                  <KeyRound aria-hidden className="size-4 shrink-0 text-muted" />
                  <code data-key className="min-w-0 flex-1 font-mono text-[0.8125rem] break-all">
                    {key}
                  </code>
                  <Copy text={key} label="Copy API key" />
                </div>
                <p className="mt-2 text-muted">Copy it now; it won’t be shown again. This key can only send calls.</p>
              </>
            ) : error ? (
              <ErrorLine error={error} />
            ) : admin ? (
              <div className="flex flex-wrap items-center justify-between gap-3">
                {making ? (
                  <Skeleton className="h-9 w-full" />
                ) : (
                  <>
                    <p className="max-w-prose text-muted">
                      Keys are shown only once. Use your existing key below, or create a new one.
                    </p>
                    <Button onClick={make}>Create another key</Button>
                  </>
                )}
              </div>
            ) : (
              <p className="text-muted">Ask an admin of this workspace for a key.</p>
            )}
          </Card>
        </li>
        <li>
          <Card title="2. Send a call" note="Only token counts are sent. Prompts and answers never leave your app.">
            <Tabs
              label="How to send a call"
              value={state.with}
              onChange={(value) => setState({ with: value }, { replace: true })}
              tabs={[
                {
                  value: "curl",
                  label: "curl",
                  content: <CodeBlock label="curl command" code={curl(server, used)} />,
                },
                {
                  value: "python",
                  label: "Python",
                  content: <CodeBlock label="Python code" code={python(server, used)} />,
                },
                {
                  value: "otel",
                  label: "OpenTelemetry",
                  content: <CodeBlock label="environment variables" code={openTelemetry(server, used)} />,
                },
              ]}
            />
          </Card>
        </li>
        <li>
          <Card title="3. See the cost">
            <div aria-live="polite">
              {call ? (
                <FirstCall call={call} />
              ) : (
                <p className="flex items-center gap-3 py-2 text-muted">
                  <LoaderCircle aria-hidden className="size-5 animate-spin text-accent" />
                  Waiting for the first call. It appears here as soon as it arrives.
                </p>
              )}
            </div>
          </Card>
        </li>
      </ol>
      <UnreadSpans />
    </div>
  );
}

function FirstCall({ call }: { call: Schema<"StoredEvent"> }) {
  return (
    <div data-first-call>
      <p className="flex items-center gap-2 font-medium">
        <CircleCheck aria-hidden className="size-5 text-good" />
        Received: {call.model}
        <Badge>{providerName(call.provider)}</Badge>
      </p>
      <dl className="mt-4 grid grid-cols-2 gap-4 sm:grid-cols-4">
        <Fact
          name="Cost"
          value={
            <span title={exactMoney(call.cost)}>
              <Money value={call.cost ?? null} />
            </span>
          }
        />
        <Fact name="Tokens" value={count(call.total_tokens)} />
        <Fact name="Latency" value={duration(call.latency_ms)} />
        <Fact name="When" value={ago(call.timestamp)} />
      </dl>
      <div className="mt-5 flex flex-wrap gap-2">
        <LinkButton look="primary" to="/app">
          Go to overview
        </LinkButton>
        <LinkButton to={`/app/calls/${encodeURIComponent(call.event_id)}`}>View call</LinkButton>
      </div>
    </div>
  );
}

function Fact({ name, value }: { name: string; value: React.ReactNode }) {
  return (
    <div>
      <dt className="text-xs font-medium text-muted">{name}</dt>
      <dd className="mt-0.5 text-lg font-semibold">{value}</dd>
    </div>
  );
}
