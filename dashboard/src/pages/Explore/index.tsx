import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Explore");
  return <PageHeader title="Explore" />;
}
