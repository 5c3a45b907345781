import { useGet } from "./query";
import { useSignedIn } from "./session";

/** The workspaces the caller belongs to, and the one all questions are about. */
export function useWorkspaces() {
  const { workspaceId } = useSignedIn();
  const all = useGet("/api/workspaces").data?.workspaces;
  return { all, current: all?.find((workspace) => workspace.id === workspaceId) };
}

/** What the caller may do here. The server decides; this only hides what it would refuse. */
export function useRole(): "admin" | "viewer" {
  return useWorkspaces().current?.role ?? "viewer";
}
