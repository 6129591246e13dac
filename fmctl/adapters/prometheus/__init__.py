"""Any Prometheus over HTTP, and the page that one scrapes."""
