"""What all policy blocks share."""

from pydantic import HttpUrl

LOGO_URL = HttpUrl(
    "https://images.ctfassets.net/gm98wzqotmnx/08yCE6xpJMX9Kjl5VArDS/c2ede674c20f90b9b6edeab71feffac9/prefect-200x200.png"
)
DOCUMENTATION_URL = HttpUrl("https://github.com/prefect-crm-erp/prefect-crm-erp#readme")
