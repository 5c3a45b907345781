"""The SQL functions as methods: a file for each noun of supabase/schemas/."""
