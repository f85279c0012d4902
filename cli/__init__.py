"""The command line: `prefect-crm-erp demo` and `prefect-crm-erp sandbox`."""
