"""ERP connections: one ERP, one file, one line here (`AnyERP = Tryton | …`)."""

from prefect_crm_erp.blocks.erp.tryton import Tryton

AnyERP = Tryton

__all__ = ["AnyERP", "Tryton"]
