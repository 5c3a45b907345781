import { useState } from "react";
import { UserMinus, UserPlus, X } from "lucide-react";
import { useGet, useRole, useSend, useSignedIn } from "@/api";
import type { Schema } from "@/api";
import { date, dateTime } from "@/format";
import { useTitle } from "@/hooks/useTitle";
import {
  Badge,
  Button,
  Card,
  ConfirmDialog,
  Dialog,
  DialogForm,
  EmptyState,
  Field,
  IconButton,
  Loaded,
  Secret,
  Select,
  Table,
  TextInput,
  toast,
  toastError,
} from "@/ui";

type Member = Schema<"Member">;
type Role = Member["role"];

const ROLES = [
  { value: "viewer", label: "Viewer" },
  { value: "admin", label: "Admin" },
] as const;
const roleOf = (value: string): Role => (value === "admin" ? "admin" : "viewer");

export function Component() {
  useTitle("Members");
  const admin = useRole() === "admin";
  const [inviting, setInviting] = useState(false);
  const [invitation, setInvitation] = useState<Schema<"NewInvitation">>();
  return (
    <>
      <Card
        flush
        title="Members"
        note="Admins can change everything; viewers can only look."
        actions={
          admin && (
            <Button
              size="sm"
              look="primary"
              icon={<UserPlus aria-hidden className="size-3.5" />}
              onClick={() => setInviting(true)}
            >
              Invite
            </Button>
          )
        }
      >
        <MemberTable />
      </Card>
      {admin && <Invitations />}
      <Dialog
        open={inviting}
        onClose={() => setInviting(false)}
        title="Invite a member"
        note="You’ll get a link to share."
      >
        <Invite onClose={() => setInviting(false)} onDone={setInvitation} />
      </Dialog>
      <Dialog
        open={invitation !== undefined}
        onClose={() => setInvitation(undefined)}
        title={`Invitation link for ${invitation?.email ?? ""}`}
        note={`Shown once. Valid until ${dateTime(invitation?.expires_at)} for this address only.`}
        footer={
          <Button look="primary" onClick={() => setInvitation(undefined)}>
            Done
          </Button>
        }
      >
        {invitation && <Secret value={`${window.location.origin}/join/${invitation.token}`} label="invitation link" />}
      </Dialog>
    </>
  );
}

function MemberTable() {
  const { user } = useSignedIn();
  const admin = useRole() === "admin";
  const members = useGet("/api/workspaces/members");
  const setRole = useSend("patch", "/api/workspaces/members/{user_id}");
  const remove = useSend("delete", "/api/workspaces/members/{user_id}");
  const [removing, setRemoving] = useState<Member>();
  const close = () => {
    setRemoving(undefined);
    remove.reset();
  };
  return (
    <Loaded of={members}>
      {({ members: all }) => (
        <>
          <Table
            caption="Members"
            rows={all}
            rowKey={({ user_id }) => user_id}
            columns={[
              {
                key: "name",
                header: "Name",
                cell: (member) => (
                  <>
                    <span className="flex flex-wrap items-center gap-2 font-medium">
                      {member.name}
                      {member.user_id === user.id && <Badge tone="accent">you</Badge>}
                    </span>
                    <span className="block text-xs break-all text-muted">{member.email}</span>
                  </>
                ),
              },
              {
                key: "role",
                header: "Role",
                cell: (member) =>
                  admin ? (
                    <div className="w-28">
                      <Select
                        aria-label={`Role of ${member.name}`}
                        options={ROLES}
                        value={member.role}
                        disabled={setRole.isPending}
                        onChange={(role) =>
                          setRole.mutate(
                            { path: { user_id: member.user_id }, body: { role: roleOf(role) } },
                            {
                              onSuccess: () =>
                                toast(`${member.name} is now ${role === "admin" ? "an admin" : "a viewer"}`),
                              onError: toastError,
                            },
                          )
                        }
                      />
                    </div>
                  ) : (
                    member.role
                  ),
              },
              {
                key: "joined",
                wide: true,
                header: "Joined",
                cell: ({ joined_at }) => <span className="whitespace-nowrap">{date(joined_at)}</span>,
              },
              ...(admin
                ? [
                    {
                      key: "actions",
                      header: <span className="sr-only">Actions</span>,
                      right: true,
                      cell: (member: Member) =>
                        member.user_id !== user.id && (
                          <IconButton
                            size="sm"
                            label={`Remove ${member.name}`}
                            icon={<UserMinus aria-hidden className="size-4" />}
                            onClick={() => setRemoving(member)}
                          />
                        ),
                    },
                  ]
                : []),
            ]}
          />
          <ConfirmDialog
            open={removing !== undefined}
            onClose={close}
            title={`Remove ${removing?.name ?? ""}?`}
            action="Remove member"
            busy={remove.isPending}
            error={remove.error}
            onConfirm={() =>
              removing &&
              remove.mutate(
                { path: { user_id: removing.user_id } },
                {
                  onSuccess: () => {
                    toast(`${removing.name} removed`);
                    close();
                  },
                },
              )
            }
          >
            <p>They lose access to this workspace. API keys they created keep working; revoke them if needed.</p>
          </ConfirmDialog>
        </>
      )}
    </Loaded>
  );
}

function Invitations() {
  const invitations = useGet("/api/workspaces/invitations");
  const revoke = useSend("delete", "/api/workspaces/invitations/{invitation_id}");
  return (
    <Card flush title="Pending invitations">
      <Loaded of={invitations}>
        {({ invitations: all }) => (
          <Table
            caption="Pending invitations"
            rows={all}
            rowKey={({ id }) => id}
            empty={<EmptyState title="No pending invitations">Invitations appear here until accepted.</EmptyState>}
            columns={[
              { key: "email", header: "Email", cell: ({ email }) => <span className="break-all">{email}</span> },
              { key: "role", header: "Role", wide: true, cell: ({ role }) => role },
              {
                key: "until",
                header: "Valid until",
                cell: ({ expires_at }) => (
                  <span className="whitespace-nowrap" title={dateTime(expires_at)}>
                    {date(expires_at)}
                  </span>
                ),
              },
              {
                key: "actions",
                header: <span className="sr-only">Actions</span>,
                right: true,
                cell: ({ id, email }) => (
                  <IconButton
                    size="sm"
                    label={`Revoke invitation for ${email}`}
                    icon={<X aria-hidden className="size-4" />}
                    disabled={revoke.isPending}
                    onClick={() =>
                      revoke.mutate(
                        { path: { invitation_id: id } },
                        { onSuccess: () => toast(`Invitation for ${email} revoked`), onError: toastError },
                      )
                    }
                  />
                ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}

function Invite({ onClose, onDone }: { onClose: () => void; onDone: (invitation: Schema<"NewInvitation">) => void }) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const invite = useSend("post", "/api/workspaces/invitations");
  return (
    <DialogForm
      action="Create link"
      busy={invite.isPending}
      error={invite.error}
      onClose={onClose}
      onSubmit={() =>
        invite.mutate(
          { body: { email: email.trim(), role } },
          {
            onSuccess: (invitation) => {
              onClose();
              onDone(invitation);
            },
          },
        )
      }
    >
      <div className="grid gap-4 sm:grid-cols-[minmax(0,1fr)_8rem]">
        <Field label="Email" of={invite.error} name="email">
          <TextInput
            type="email"
            required
            maxLength={254}
            autoComplete="off"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </Field>
        <Field label="Role" of={invite.error} name="role">
          <Select options={ROLES} value={role} onChange={(value) => setRole(roleOf(value))} />
        </Field>
      </div>
    </DialogForm>
  );
}
