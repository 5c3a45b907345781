import { useState } from "react";
import { Link, Navigate, useSearchParams } from "react-router";
import { useMutation } from "@tanstack/react-query";
import { queryClient, signIn, useSession } from "@/api";
import { safeNext } from "@/utils/next";
import { useTitle } from "@/hooks/useTitle";
import { Centered } from "@/layout/states";
import { Button, Card, ErrorLine, Field, TextInput } from "@/ui";

export function Component() {
  useTitle("Create an account");
  const [params] = useSearchParams();
  const next = safeNext(params.get("next"));
  const session = useSession();
  const [form, setForm] = useState({ name: "", email: "", password: "" });
  const signup = useMutation({
    mutationFn: () => signIn("/api/auth/signup", form),
    onMutate: () => queryClient.getQueryCache().clear(),
  });

  if (session.status === "in") {
    // A new account has no data yet, unless it joins a workspace.
    const first = !signup.isIdle && !next?.startsWith("/join/") ? "/app/start" : undefined;
    return <Navigate to={first ?? next ?? "/app"} replace />;
  }
  const input = (name: keyof typeof form) => ({
    required: true,
    value: form[name],
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
  });
  return (
    <Centered>
      <Card>
        <h1>Create an account</h1>
        <p className="mt-1 mb-4 text-muted">See what your language models cost in two minutes.</p>
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            signup.mutate();
          }}
        >
          <ErrorLine error={signup.error} />
          <Field label="Your name" of={signup.error} name="name">
            <TextInput autoComplete="name" maxLength={128} {...input("name")} />
          </Field>
          <Field label="Email" of={signup.error} name="email">
            <TextInput type="email" autoComplete="username" maxLength={254} {...input("email")} />
          </Field>
          <Field label="Password" hint="At least 8 characters" of={signup.error} name="password">
            <TextInput
              type="password"
              autoComplete="new-password"
              minLength={8}
              maxLength={128}
              {...input("password")}
            />
          </Field>
          <Button type="submit" look="primary" busy={signup.isPending} className="w-full">
            Create account
          </Button>
        </form>
      </Card>
      <p className="mt-5 text-center text-muted">
        Have an account?{" "}
        <Link
          to={`/login${next ? `?next=${encodeURIComponent(next)}` : ""}`}
          className="font-medium text-accent underline"
        >
          Sign in
        </Link>
      </p>
    </Centered>
  );
}
