"""How alerts leave the server: webhooks, Slack, Discord, e-mail and other services."""
