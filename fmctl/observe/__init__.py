"""What a running cluster is watched by: names of metrics, rules, alerts, scrape jobs, a dashboard. Pure."""
