import { NavLink, Outlet, useLocation, useNavigate } from "react-router";
import { useGet, useRole } from "@/api";
import { classes } from "@/utils/classes";
import { Loaded, PageHeader, Select } from "@/ui";
import { GROUPS } from "./pages";

/** The sections of the settings at the side, or above on a phone, and the selected one. */
export function Component() {
  // The role decides which sections are listed.
  const workspaces = useGet("/api/workspaces");
  return (
    <>
      <PageHeader title="Settings" />
      <div className="lg:grid lg:grid-cols-[12rem_minmax(0,1fr)] lg:gap-8">
        <Sections />
        <div className="min-w-0 max-w-5xl space-y-4">
          <Loaded of={workspaces}>{() => <Outlet />}</Loaded>
        </div>
      </div>
    </>
  );
}

function Sections() {
  const admin = useRole() === "admin";
  const navigate = useNavigate();
  const here = useLocation().pathname.split("/")[3];
  const groups = GROUPS.map(({ label, pages }) => ({
    label,
    pages: pages.filter((page) => admin || !("adminOnly" in page) || page.to === here),
  }));
  return (
    <>
      <Select
        aria-label="Settings section"
        className="mb-4 lg:hidden"
        value={here ?? ""}
        onChange={(to) => void navigate(`/app/settings/${to}`)}
        options={groups.flatMap(({ pages }) => pages.map(({ to, label }) => ({ value: to, label })))}
      />
      <nav aria-label="Settings" className="hidden space-y-5 lg:block">
        {groups.map(({ label, pages }) => (
          <div key={label}>
            <p className="mb-1 px-3 text-xs font-medium text-muted">{label}</p>
            <ul className="space-y-0.5">
              {pages.map(({ to, label: name, icon: Icon }) => (
                <li key={to}>
                  <NavLink
                    to={`/app/settings/${to}`}
                    className={({ isActive }) =>
                      classes(
                        "flex items-center gap-2.5 rounded-md px-3 py-1.5 font-medium transition-colors",
                        isActive ? "bg-accent-soft text-accent-strong" : "text-muted hover:bg-hover hover:text-ink",
                      )
                    }
                  >
                    <Icon aria-hidden className="size-4" />
                    {name}
                  </NavLink>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
    </>
  );
}
