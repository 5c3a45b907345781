-- Prepares a database at version 20261121002800, the last before the baseline, for the functions of the baseline: removes
-- its triggers, views and functions. Its tables are those of the baseline.

drop trigger alerts_are_delivered on public.alerts;
drop trigger audit_log_grows on public.audit_log;
drop trigger audit_log_is_not_emptied on public.audit_log;
drop trigger workspaces_are_watched on public.workspaces;

drop view
  public.budget_periods_recount, public.spend_by_tag_recount, public.spend_daily_recount, public.spend_hourly_recount;

-- One statement, because some of them use each other.
drop function
  public.account_of_session, public.alert_json, public.alert_list, public.alert_resend, public.alert_test,
  public.api_key_create, public.api_key_list, public.api_key_rename, public.api_key_revoke, public.api_key_use,
  public.audit_list, public.bucket_latency, public.budget_contributors, public.budget_delete, public.budget_list,
  public.budget_set, public.budgets_of_call, public.changes_note, public.changes_of, public.channel_ciphertexts,
  public.channel_create, public.channel_delete, public.channel_json, public.channel_list, public.channel_reencrypt,
  public.channel_update, public.cost_by_project, public.cost_by_provider, public.cost_by_tag, public.cost_compare,
  public.cost_summary, public.cost_tag_keys, public.cost_timeseries, public.cost_top_models,
  public.count_against_budgets, public.count_each, public.counted_by_event, public.credentials, public.delivery_claim,
  public.delivery_done, public.event_json, public.event_list, public.event_one, public.export_costs,
  public.export_events, public.export_spend, public.export_workspace, public.feedback_json, public.feedback_list,
  public.feedback_set, public.found_workspace, public.house_the_homeless, public.invitation_accept,
  public.invitation_create, public.invitation_delete, public.invitation_list, public.is_for, public.keep_an_admin,
  public.latency_bucket, public.lock_totals, public.member_list, public.member_remove, public.member_set_role,
  public.metric_cells, public.metrics_daily, public.metrics_latency, public.metrics_quality, public.metrics_summary,
  public.model_usage, public.note, public.outbox_pending, public.period_end, public.period_start, public.period_unit,
  public.price_create, public.price_end, public.price_list, public.project_create, public.project_key,
  public.project_list, public.project_update, public.provider_key_ciphertexts, public.provider_key_create,
  public.provider_key_delete, public.provider_key_list, public.provider_key_reencrypt, public.queue_deliveries,
  public.rebuild_rollups, public.record_events, public.refuse_change, public.reservation_release, public.reserve,
  public.retention_due, public.retention_limit, public.retention_sweep, public.rollup_differences,
  public.schema_version, public.session_end, public.session_list, public.session_refresh, public.session_start,
  public.session_use, public.sessions_end, public.settings_of, public.settings_one, public.settings_set,
  public.signup, public.spend_bucket, public.spend_cells, public.spend_forecast, public.spend_series,
  public.user_delete, public.user_update, public.utc_day, public.watch_claim, public.watch_note,
  public.watch_workspace, public.workspace_create, public.workspace_delete, public.workspace_ids,
  public.workspace_list, public.workspace_rename, public.workspace_terms;

revoke update, delete, truncate on public.audit_log from service_role;
