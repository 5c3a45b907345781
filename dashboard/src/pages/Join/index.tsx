import { Navigate, useLocation, useNavigate, useParams } from "react-router";
import { Users } from "lucide-react";
import { useMutation } from "@tanstack/react-query";
import { chooseWorkspace, queryClient, signOut, useSession } from "@/api";
import { send } from "@/api/client";
import { useTitle } from "@/hooks/useTitle";
import { Away, Centered, Starting } from "@/layout/states";
import { Button, EmptyState, ErrorLine } from "@/ui";

/** Accepts an invitation, after signing in or up. */
export function Component() {
  useTitle("Join a workspace");
  const { token = "" } = useParams();
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const session = useSession();
  const join = useMutation({
    mutationFn: () => send("post", "/api/workspaces/invitations/accept", { body: { token } }),
    onSuccess: async (workspace) => {
      queryClient.clear();
      chooseWorkspace(workspace.id);
      await navigate("/app", { replace: true });
    },
  });

  if (session.status === "starting") return <Starting />;
  if (session.status === "away") return <Away error={session.error} />;
  if (session.status !== "in") return <Navigate to={`/login?next=${encodeURIComponent(pathname)}`} replace />;
  return (
    <Centered>
      <div className="rounded-xl border bg-surface shadow-raised">
        <EmptyState
          main
          title="You are invited to a workspace"
          icon={<Users aria-hidden className="size-5" />}
          action={
            <div className="flex flex-wrap justify-center gap-2">
              <Button onClick={() => void signOut()}>Use another account</Button>
              <Button look="primary" busy={join.isPending} onClick={() => join.mutate()}>
                Join as {session.user.name}
              </Button>
            </div>
          }
        >
          <p>You are signed in as {session.user.email}. The invitation is valid for one email address only.</p>
          <div className="mt-3 text-left">
            <ErrorLine error={join.error} />
          </div>
        </EmptyState>
      </div>
    </Centered>
  );
}
