import { useEffect } from "react";
import { useGetIf, useRole, useSend, useSignedIn } from "@/api";

/** Keys created here, by workspace: shown until the page reloads, and not stored. */
const made = new Map<string, string>();
const making = new Set<string>();

/** Creates a workspace's first key, and more on request. */
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
    // Once for each workspace, regardless of renders.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [none, workspaceId]);

  return { admin, key: made.get(workspaceId), make, making: create.isPending, error: keys.error ?? create.error };
}
