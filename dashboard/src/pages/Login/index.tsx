import { useState } from "react";
import { Link, Navigate, useSearchParams } from "react-router";
import { useMutation } from "@tanstack/react-query";
import { queryClient, signIn, useSession } from "@/api";
import { safeNext } from "@/utils/next";
import { useTitle } from "@/hooks/useTitle";
import { Centered } from "@/layout/states";
import { Button, Card, ErrorLine, Field, TextInput } from "@/ui";

export function Component() {
  useTitle("Sign in");
  const [params] = useSearchParams();
  const next = safeNext(params.get("next"));
  const session = useSession();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const login = useMutation({
    mutationFn: () => signIn("/api/auth/login", { email, password }),
    onMutate: () => queryClient.getQueryCache().clear(),
  });

  if (session.status === "in") return <Navigate to={next ?? "/app"} replace />;
  return (
    <Centered>
      <Card>
        <h1 className="mb-4">Sign in</h1>
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            login.mutate();
          }}
        >
          <ErrorLine error={login.error} />
          <Field label="Email">
            <TextInput
              type="email"
              autoComplete="username"
              required
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          </Field>
          <Field label="Password">
            <TextInput
              type="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          </Field>
          <Button type="submit" look="primary" busy={login.isPending} className="w-full">
            Sign in
          </Button>
        </form>
      </Card>
      <p className="mt-5 text-center text-muted">
        New here?{" "}
        <Link
          to={`/signup${next ? `?next=${encodeURIComponent(next)}` : ""}`}
          className="font-medium text-accent underline"
        >
          Create an account
        </Link>
      </p>
    </Centered>
  );
}
