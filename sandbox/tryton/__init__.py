"""An embedded ERP: a real Tryton on SQLite with the three companies of Northlight Instruments."""

from prefect_crm_erp.sandbox.tryton.access import CompanyAccess, TrytonAccess
from prefect_crm_erp.sandbox.tryton.errors import TrytonSandboxError
from prefect_crm_erp.sandbox.tryton.process import TrytonSandbox

__all__ = ["CompanyAccess", "TrytonAccess", "TrytonSandbox", "TrytonSandboxError"]
