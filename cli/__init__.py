"""The command line: `prefect-crm-erp connect`, `demo` and `sandbox`."""
