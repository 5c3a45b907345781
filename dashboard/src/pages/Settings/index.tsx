import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Settings");
  return <PageHeader title="Settings" />;
}
