import { useEffect, useRef, useState } from "react";
import { NavLink, Navigate, Outlet, useLocation, useNavigate, useNavigation } from "react-router";
import { ChevronsUpDown, CircleUser, LogOut, Menu as MenuIcon, Plus } from "lucide-react";
import { chooseWorkspace, queryClient, signOut, useSession, useWorkspaces } from "@/api";
import { getSession } from "@/api/session";
import { useLive } from "@/live";
import { classes } from "@/utils/classes";
import type { Theme } from "@/hooks/useTheme";
import { setTheme, useTheme } from "@/hooks/useTheme";
import { Badge, Dialog, IconButton, Menu, MenuChoice, MenuItem, MenuLabel, MenuSeparator, Skeleton } from "@/ui";
import { PortalContainer } from "@/ui/portal";
import { Brand } from "./Brand";
import { LiveIndicator } from "./LiveIndicator";
import { MORE, PAGES } from "./navigation";
import { Away, Over, Starting } from "./states";

/** The layout of all pages that require a session. */
export function Component() {
  const session = useSession();
  const { pathname, search } = useLocation();
  switch (session.status) {
    case "starting":
      return <Starting />;
    case "away":
      return <Away error={session.error} />;
    case "over":
      return <Over />;
    case "out":
      return <Navigate to={`/login?next=${encodeURIComponent(pathname + search)}`} replace />;
    case "in":
      // Remounts on a switch, so that no data of one workspace shows in another.
      return <Layout key={`${session.user.id} ${session.workspaceId}`} />;
  }
}

function Layout() {
  useLive();
  const { pathname } = useLocation();
  // The page it was opened on: it closes on navigation.
  const [drawerAt, setDrawerAt] = useState<string>();
  const main = useRef<HTMLElement>(null);
  // Floating elements belong to the main landmark for screen readers.
  const [floating, setFloating] = useState<HTMLElement | null>(null);
  const busy = useNavigation().state === "loading";
  const first = useRef(true);
  const { all, current } = useWorkspaces();

  useEffect(() => {
    // The user may have left the last workspace.
    if (all && !current && all[0]) chooseWorkspace(all[0].id);
  }, [all, current]);

  useEffect(() => {
    // Screen readers announce the new page; the browser announces the first one.
    if (!first.current) main.current?.focus();
    first.current = false;
    window.scrollTo(0, 0);
  }, [pathname]);

  return (
    <div className="min-h-dvh lg:pl-60">
      <a
        href="#main"
        className="sr-only z-50 rounded-md bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to content
      </a>
      <div
        aria-hidden
        className={classes(
          "fixed inset-x-0 top-0 z-50 h-0.5 bg-accent transition-opacity delay-150",
          busy ? "opacity-100" : "opacity-0",
        )}
      />

      <aside className="fixed inset-y-0 left-0 z-30 hidden w-60 flex-col border-r bg-surface lg:flex">
        <div className="flex h-16 shrink-0 items-center justify-between pr-3 pl-5">
          <Brand />
          <LiveIndicator />
        </div>
        <div className="px-3 pb-3">
          <WorkspaceSwitcher />
        </div>
        <nav aria-label="Main" className="min-h-0 flex-1 overflow-y-auto px-3">
          <Links />
        </nav>
        <div className="border-t p-3">
          <UserMenu />
        </div>
      </aside>

      <header className="sticky top-0 z-30 flex h-14 items-center justify-between border-b bg-surface/95 pr-2 pl-4 lg:hidden">
        <Brand />
        <div className="flex items-center">
          <LiveIndicator />
          <IconButton
            label="Menu"
            icon={<MenuIcon aria-hidden className="size-5" />}
            onClick={() => setDrawerAt(pathname)}
          />
        </div>
      </header>
      <Dialog drawer open={drawerAt === pathname} onClose={() => setDrawerAt(undefined)} title="Menu">
        <div className="-mx-2 space-y-4">
          <WorkspaceSwitcher />
          <nav aria-label="All pages">
            <Links />
          </nav>
          <div className="border-t pt-3">
            <UserMenu />
          </div>
        </div>
      </Dialog>

      <main
        id="main"
        ref={main}
        tabIndex={-1}
        className="mx-auto max-w-[100rem] px-4 pt-5 pb-24 outline-none sm:px-6 lg:px-8 lg:pt-7 lg:pb-12"
      >
        <PortalContainer value={floating}>
          <Outlet />
        </PortalContainer>
        <div ref={setFloating} />
      </main>

      <nav
        aria-label="Main, short"
        className="fixed inset-x-0 bottom-0 z-30 grid grid-cols-5 border-t bg-surface pb-[env(safe-area-inset-bottom)] lg:hidden"
      >
        {[PAGES[0], PAGES[1], PAGES[2], PAGES[4], PAGES[5]].map(({ to, label, icon: Icon, ...rest }) => (
          <NavLink
            key={to}
            to={to}
            end={"end" in rest}
            className={({ isActive }) =>
              classes(
                "flex flex-col items-center gap-0.5 py-2 text-[0.6875rem] font-medium focus-visible:-outline-offset-2",
                isActive ? "text-accent" : "text-muted",
              )
            }
          >
            <Icon aria-hidden className="size-5" />
            {label}
          </NavLink>
        ))}
      </nav>
    </div>
  );
}

function Links() {
  return (
    <ul className="space-y-0.5">
      {[...PAGES, ...MORE].map(({ to, label, icon: Icon, ...rest }, index) => (
        <li key={to} className={classes(index === PAGES.length && "mt-4 border-t pt-4")}>
          <NavLink
            to={to}
            end={"end" in rest}
            className={({ isActive }) =>
              classes(
                "flex items-center gap-3 rounded-md px-3 py-2 font-medium transition-colors",
                isActive ? "bg-accent-soft text-accent-strong" : "text-muted hover:bg-hover hover:text-ink",
              )
            }
          >
            <Icon aria-hidden className="size-4.5" />
            {label}
          </NavLink>
        </li>
      ))}
    </ul>
  );
}

function WorkspaceSwitcher() {
  const { all, current } = useWorkspaces();
  const navigate = useNavigate();
  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className="flex w-full items-center gap-2 rounded-md border bg-surface px-3 py-2 text-left hover:bg-hover"
        >
          <span className="min-w-0 flex-1">
            <span className="sr-only">Workspace: </span>
            {current ? (
              <span className="block truncate font-medium">{current.name}</span>
            ) : (
              <Skeleton className="h-5 w-28" />
            )}
          </span>
          {current?.role === "viewer" && <Badge>viewer</Badge>}
          <ChevronsUpDown aria-hidden className="size-4 shrink-0 text-muted" />
        </button>
      }
    >
      <MenuLabel>Workspaces</MenuLabel>
      <MenuChoice
        value={current?.id ?? ""}
        options={(all ?? []).map(({ id, name }) => ({ value: id, label: name }))}
        onChange={chooseWorkspace}
      />
      <MenuSeparator />
      <MenuItem
        icon={<Plus aria-hidden className="size-4" />}
        onSelect={() => void navigate("/app/settings?new=workspace")}
      >
        New workspace
      </MenuItem>
    </Menu>
  );
}

const THEMES: { value: Theme; label: string }[] = [
  { value: "system", label: "System" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
];

function UserMenu() {
  const session = useSession();
  const theme = useTheme();
  const user = session.status === "in" ? session.user : undefined;
  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className="flex w-full items-center gap-2.5 rounded-md px-2 py-1.5 text-left hover:bg-hover"
        >
          <CircleUser aria-hidden className="size-6 shrink-0 text-muted" strokeWidth={1.5} />
          <span className="min-w-0 flex-1">
            <span className="sr-only">Account: </span>
            <span className="block truncate font-medium">{user?.name}</span>
            <span className="block truncate text-xs text-muted">{user?.email}</span>
          </span>
        </button>
      }
    >
      <MenuLabel>Appearance</MenuLabel>
      <MenuChoice value={theme} options={THEMES} onChange={(value) => setTheme(value as Theme)} />
      <MenuSeparator />
      <MenuItem
        icon={<LogOut aria-hidden className="size-4" />}
        onSelect={() =>
          void signOut().finally(() => {
            if (getSession().status === "out") queryClient.clear();
          })
        }
      >
        Sign out
      </MenuItem>
    </Menu>
  );
}
