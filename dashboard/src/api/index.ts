export { authorized, download, send } from "./client";
export { ApiError, AwayError, sentence } from "./errors";
export { invalidate, question, queryClient, useGet, useGetIf, usePages, useSend } from "./query";
export { chooseWorkspace, end, serverUrl, signIn, signOut, updateUser, useSession, useSignedIn } from "./session";
export { useRole, useWorkspaces } from "./workspaces";
export type { Answer, Input, Schema } from "./types";
