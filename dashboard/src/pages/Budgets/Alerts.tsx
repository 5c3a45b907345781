import type { ReactNode } from "react";
import {
  Bell,
  CircleCheck,
  Clock,
  CircleX,
  FlaskConical,
  Newspaper,
  Send,
  TrendingUp,
  TriangleAlert,
  Wallet,
} from "lucide-react";
import { usePages, useRole, useSend } from "@/api";
import type { Schema } from "@/api";
import { ago, exactTime } from "@/format";
import { Badge, Button, Card, EmptyState, LoadMore, Loaded, toast, toastError } from "@/ui";
import { KINDS, alertText } from "./alertText";

type Alert = Schema<"Alert">;

const ICONS: Record<Alert["kind"], ReactNode> = {
  budget: <Wallet aria-hidden className="size-4" />,
  unpriced_model: <TriangleAlert aria-hidden className="size-4" />,
  anomaly: <TrendingUp aria-hidden className="size-4" />,
  digest: <Newspaper aria-hidden className="size-4" />,
  refused_calls: <TriangleAlert aria-hidden className="size-4" />,
  test: <FlaskConical aria-hidden className="size-4" />,
};

/** Alerts, newest first. */
export function Alerts() {
  const admin = useRole() === "admin";
  const alerts = usePages("/api/alerts", { query: { limit: 50 } });
  const resend = useSend("post", "/api/alerts/{alert_id}/resend");
  const again = (alert: Alert) =>
    resend.mutate(
      { path: { alert_id: alert.id } },
      { onSuccess: () => toast("Sent to all channels"), onError: toastError },
    );
  return (
    <Card flush>
      <Loaded of={alerts}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.alerts);
          return all.length === 0 ? (
            <EmptyState title="No alerts yet" icon={<Bell aria-hidden className="size-5" />}>
              Alerts appear here when a budget reaches a threshold, a day costs far more than usual, a model has no
              known price, or calls were refused.
            </EmptyState>
          ) : (
            <ul aria-label="Alerts" className="divide-y divide-line">
              {all.map((alert) => (
                <Line
                  key={alert.id}
                  alert={alert}
                  busy={resend.isPending && resend.variables.path.alert_id === alert.id}
                  onResend={admin && alert.kind !== "test" ? () => again(alert) : undefined}
                />
              ))}
            </ul>
          );
        }}
      </Loaded>
      <LoadMore of={alerts} />
    </Card>
  );
}

function Line({ alert, busy, onResend }: { alert: Alert; busy: boolean; onResend: (() => void) | undefined }) {
  const { title, note } = alertText(alert);
  return (
    <li data-alert={alert.kind} className="flex flex-wrap gap-x-3 gap-y-2 px-4 py-3 sm:flex-nowrap sm:px-5">
      <span className="mt-0.5 flex size-7 shrink-0 items-center justify-center rounded-full bg-sunken text-muted">
        {ICONS[alert.kind]}
      </span>
      <div className="min-w-0 flex-1 basis-48">
        <p className="font-medium break-words">
          <span className="sr-only">{KINDS[alert.kind]}: </span>
          {title}
        </p>
        {note !== undefined && <p className="text-muted">{note}</p>}
        <p className="text-xs text-muted">
          <time dateTime={alert.created_at} title={exactTime(alert.created_at)}>
            {ago(alert.created_at)}
          </time>
          {alert.deliveries.length === 0 && " · not sent: no channel"}
        </p>
        <Deliveries of={alert.deliveries} />
      </div>
      {onResend && (
        <Button
          size="sm"
          look="ghost"
          busy={busy}
          className="self-start"
          icon={<Send aria-hidden className="size-3.5" />}
          aria-label={`Send again: ${title}`}
          onClick={onResend}
        >
          Send again
        </Button>
      )}
    </li>
  );
}

function Deliveries({ of }: { of: readonly Schema<"AlertDelivery">[] }) {
  if (of.length === 0) return null;
  return (
    <ul aria-label="Channels" className="mt-1.5 flex flex-wrap gap-1.5">
      {of.map((delivery) => (
        <li key={delivery.channel_id} className="min-w-0">
          <DeliveryBadge delivery={delivery} />
          {delivery.last_error !== null && delivery.status !== "delivered" && (
            <p className="mt-0.5 text-xs break-words text-bad">{delivery.last_error}</p>
          )}
        </li>
      ))}
    </ul>
  );
}

export function DeliveryBadge({ delivery }: { delivery: Schema<"AlertDelivery"> }) {
  const { channel, status, attempts } = delivery;
  const tries = attempts > 1 ? ` after ${attempts} attempts` : "";
  if (status === "delivered") {
    return (
      <Badge tone="good" icon={<CircleCheck aria-hidden className="size-3" />}>
        {channel}: delivered{tries}
      </Badge>
    );
  }
  if (status === "dead") {
    return (
      <Badge tone="bad" icon={<CircleX aria-hidden className="size-3" />}>
        {channel}: failed{tries}
      </Badge>
    );
  }
  return (
    <Badge tone={attempts > 0 ? "warn" : "neutral"} icon={<Clock aria-hidden className="size-3" />}>
      {channel}: {attempts > 0 ? "retrying" : "sending"}
    </Badge>
  );
}
