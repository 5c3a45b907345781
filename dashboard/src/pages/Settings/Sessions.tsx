import { useState } from "react";
import { LogOut } from "lucide-react";
import { queryClient, signOut, useGet, useSend } from "@/api";
import type { Schema } from "@/api";
import { ago, dateTime } from "@/format";
import { useTitle } from "@/hooks/useTitle";
import { Badge, Button, Card, ConfirmDialog, Loaded, toast, toastError } from "@/ui";
import { deviceName } from "./device";

type Session = Schema<"Session">;

const leave = () => void signOut().finally(() => queryClient.clear());

export function Component() {
  useTitle("Sessions");
  const sessions = useGet("/api/auth/sessions");
  const endAll = useSend("delete", "/api/auth/sessions");
  const [asking, setAsking] = useState(false);
  return (
    <Card
      flush
      title="Active sessions"
      note="Sign out sessions you don’t recognize, then change your password."
      actions={
        <Button size="sm" icon={<LogOut aria-hidden className="size-3.5" />} onClick={() => setAsking(true)}>
          Sign out everywhere{" "}
        </Button>
      }
    >
      <Loaded of={sessions}>
        {({ sessions: all }) => (
          <ul aria-label="Sessions" className="divide-y divide-line border-t">
            {all.map((session) => (
              <Row key={session.id} session={session} />
            ))}
          </ul>
        )}
      </Loaded>
      <ConfirmDialog
        open={asking}
        onClose={() => setAsking(false)}
        title="Sign out everywhere?"
        action="Sign out everywhere"
        busy={endAll.isPending}
        error={endAll.error}
        onConfirm={() => endAll.mutate({}, { onSuccess: leave })}
      >
        <p>This includes your current session.</p>
      </ConfirmDialog>
    </Card>
  );
}

function Row({ session }: { session: Session }) {
  const end = useSend("delete", "/api/auth/sessions/{session_id}");
  const name = deviceName(session.device);
  const run = () =>
    session.current
      ? leave()
      : end.mutate(
          { path: { session_id: session.id } },
          { onSuccess: () => toast("Session ended"), onError: toastError },
        );
  return (
    <li
      data-session={session.current ? "current" : "other"}
      className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3 sm:px-5"
    >
      <div className="min-w-0 flex-1 basis-56">
        <p className="flex flex-wrap items-center gap-2 font-medium">
          <span title={session.device}>{name}</span>
          {session.current && <Badge tone="accent">current</Badge>}
        </p>
        <p className="text-xs text-muted">
          Last used {ago(session.last_used_at)} · signed in {dateTime(session.created_at)} · expires{" "}
          {dateTime(session.expires_at)} if unused
        </p>
      </div>
      <Button
        size="sm"
        busy={end.isPending}
        aria-label={session.current ? "Sign out here" : `Sign out ${name}`}
        onClick={run}
      >
        Sign out
      </Button>
    </li>
  );
}
