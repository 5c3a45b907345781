import { useGet } from "./query";
import { useSignedIn } from "./session";

/** The user's workspaces and the current one. */
export function useWorkspaces() {
  const { workspaceId } = useSignedIn();
  const all = useGet("/api/workspaces").data?.workspaces;
  return { all, current: all?.find((workspace) => workspace.id === workspaceId) };
}

/** The user's role. The server enforces it; the dashboard only hides what would be refused. */
export function useRole(): "admin" | "viewer" {
  return useWorkspaces().current?.role ?? "viewer";
}
