import { useEffect } from "react";
import { useGetIf, useRole, useSend, useSignedIn } from "@/api";

/** Keys made here, by workspace: shown until the page is loaded anew, and kept nowhere. */
const made = new Map<string, string>();
const making = new Set<string>();

/** Makes a workspace's first key, and others when asked to. */
export function useFirstKey() {
  const { workspaceId } = useSignedIn();
  const admin = useRole() === "admin";
  const keys = useGetIf(admin, "/api/keys");
  const create = useSend("post", "/api/keys");
  const none = keys.data?.keys.length === 0;

  const make = () =>
    create.mutate(
      { body: { name: none ? "First key" : "Another key", scopes: ["events:write"] } },
      {
        onSettled: () => making.delete(workspaceId),
      },
    );

  if (create.data) made.set(workspaceId, create.data.key);

  useEffect(() => {
    if (!none || made.has(workspaceId) || making.has(workspaceId)) return;
    making.add(workspaceId);
    make();
    // Once for each workspace, however often the page is drawn.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [none, workspaceId]);

  return { admin, key: made.get(workspaceId), make, making: create.isPending, error: keys.error ?? create.error };
}
