import type { ReactNode } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { ArrowLeft, ShieldAlert, TriangleAlert } from "lucide-react";
import { ApiError, useGet } from "@/api";
import type { Schema } from "@/api";
import { ago, count, duration, exactMoney, exactTime } from "@/format";
import { providerName } from "@/format/providers";
import { useTitle } from "@/hooks/useTitle";
import { Badge, Button, Card, CodeBlock, Copy, EmptyState, LinkButton, Loaded, Money, PageHeader, Stat } from "@/ui";
import { Feedback } from "./Feedback";
import { Usage } from "./Usage";

type Call = Schema<"EventDetail">;

const VIOLATIONS: Record<Call["policy_violations"][number], string> = {
  model_disabled: "The model is blocked by this workspace’s policy.",
  token_limit: "Exceeds the token limit.",
};

/** One call. */
export function Component() {
  useTitle("Call");
  const id = useParams().id ?? "";
  const call = useGet("/api/events/{event_id}", { path: { event_id: id } });
  if (call.error instanceof ApiError && call.error.status === 404) {
    return (
      <EmptyState main title="There is no such call" action={<LinkButton to="/app/calls">All calls</LinkButton>} />
    );
  }
  return <Loaded of={call}>{(data) => <Detail call={data} />}</Loaded>;
}

function Detail({ call }: { call: Call }) {
  const navigate = useNavigate();
  const back = () => (window.history.length > 1 ? void navigate(-1) : void navigate("/app/calls"));
  return (
    <>
      <Button
        size="sm"
        look="ghost"
        className="mb-2 -ml-2.5"
        icon={<ArrowLeft aria-hidden className="size-4" />}
        onClick={back}
      >
        Back
      </Button>
      <PageHeader title={call.model} note={<CallId id={call.event_id} />}>
        <Badge>{providerName(call.provider)}</Badge>
        <StatusBadge status={call.status} />
      </PageHeader>
      <div className="space-y-4">
        {call.error_message !== null && (
          <Card title="Error message">
            <p
              className="flex gap-2 font-mono text-[0.8125rem] [overflow-wrap:anywhere] whitespace-pre-wrap"
              data-error
            >
              <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
              {call.error_message}
            </p>
          </Card>
        )}
        {call.policy_violations.length > 0 && (
          <Card title="Policy violations" note="Policy at the time of the call">
            <ul className="space-y-1.5">
              {call.policy_violations.map((rule) => (
                <li key={rule} className="flex gap-2">
                  <ShieldAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
                  {VIOLATIONS[rule]}
                </li>
              ))}
            </ul>
          </Card>
        )}
        <Card>
          <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
            <Stat
              label="Cost"
              value={
                <span title={exactMoney(call.cost)}>
                  <Money value={call.cost} />
                </span>
              }
            />
            <Stat label="Tokens" value={count(call.total_tokens)} />
            <Stat label="Latency" value={duration(call.latency_ms)} />
            <Stat
              label="When"
              value={
                <span className="text-xl" title={exactTime(call.timestamp)}>
                  {ago(call.timestamp)}
                </span>
              }
            />
          </div>
        </Card>
        <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
          <div className="space-y-4">
            <Usage call={call} />
            <Metadata metadata={call.metadata} />
          </div>
          <div className="space-y-4">
            <Context call={call} />
            <Feedback eventId={call.event_id} />
          </div>
        </div>
      </div>
    </>
  );
}

const CallId = ({ id }: { id: string }) => (
  <span className="flex min-w-0 items-center gap-1">
    <code className="min-w-0 truncate font-mono text-xs" data-call-id>
      {id}
    </code>
    <Copy text={id} label="Copy call ID" />
  </span>
);

function StatusBadge({ status }: { status: Call["status"] }) {
  if (status === "success") return <Badge tone="good">Success</Badge>;
  return status === "error" ? <Badge tone="bad">Error</Badge> : <Badge tone="warn">Timeout</Badge>;
}

const calls = (filter: Record<string, string>) => `/app/calls?${new URLSearchParams(filter).toString()}`;

function Context({ call }: { call: Call }) {
  const tags = Object.entries(call.tags);
  return (
    <Card title="Source">
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-5 gap-y-2">
        <Fact name="Project">
          {call.project === null ? (
            <span className="text-muted">none</span>
          ) : (
            <ToCalls filter={{ project: call.project }}>{call.project}</ToCalls>
          )}
        </Fact>
        <Fact name="Model">
          <ToCalls filter={{ model: call.model }}>{call.model}</ToCalls>
        </Fact>
        <Fact name="Provider">
          <ToCalls filter={{ provider: call.provider }}>{providerName(call.provider)}</ToCalls>
        </Fact>
        <Fact name="Time of call">{exactTime(call.timestamp)}</Fact>
        <Fact name="Received">{exactTime(call.tracked_at)}</Fact>
        {call.corrected_at !== null && <Fact name="Corrected by another report">{exactTime(call.corrected_at)}</Fact>}
        {call.unchecked && <Fact name="Budget check">none, because LLMLab did not answer</Fact>}
        <Fact name="Tags">
          {tags.length === 0 ? (
            <span className="text-muted">none</span>
          ) : (
            <ul className="flex flex-wrap gap-1.5">
              {tags.map(([key, value]) => (
                <li key={key} className="max-w-full">
                  <Link
                    to={calls({ tag: `${key}:${value}` })}
                    className="block truncate rounded-md bg-sunken px-2 py-0.5 text-xs hover:bg-accent-soft hover:text-accent-strong"
                    data-tag
                  >
                    <span className="text-muted">{key}:</span>
                    {value}
                  </Link>
                </li>
              ))}
            </ul>
          )}
        </Fact>
      </dl>
    </Card>
  );
}

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <>
    <dt className="text-muted">{name}</dt>
    <dd className="min-w-0 [overflow-wrap:anywhere]">{children}</dd>
  </>
);

const ToCalls = ({ filter, children }: { filter: Record<string, string>; children: ReactNode }) => (
  <Link to={calls(filter)} className="rounded hover:text-accent hover:underline">
    {children}
  </Link>
);

function Metadata({ metadata }: { metadata: Call["metadata"] }) {
  if (Object.keys(metadata).length === 0) return null;
  return (
    <Card title="Metadata" note="Sent with the call">
      <CodeBlock label="metadata" code={JSON.stringify(metadata, null, 2)} />
    </Card>
  );
}
