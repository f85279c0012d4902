"""Searching for a customer: the spellings under which another system may hold its VAT number, postal code and name.

A generous search, whose finds `matching` judges.
"""

from __future__ import annotations

from prefect_crm_erp.models.keys import company_key, postcode_key


def vat_forms(number: str) -> set[str]:
    """The forms in which a system may hold a VAT number: with and without the country's prefix.

    Example:
        >>> sorted(vat_forms("DE136695976"))
        ['136695976', 'DE136695976']
    """
    compact = "".join(char for char in number.upper() if char.isalnum())
    return {number, compact, compact[2:]} if compact[:2].isalpha() else {number, compact}


def postal_code_forms(postal_code: str | None) -> set[str]:
    """The ways in which people write a postal code: as typed, compact, and with one space or hyphen anywhere.

    Example:
        >>> sorted(postal_code_forms("m3 7"))
        ['M 37', 'M-37', 'M3 7', 'M3-7', 'M37', 'm3 7']
    """
    compact = postcode_key(postal_code)
    if not postal_code or not compact:
        return set()
    parted = {f"{compact[:place]}{mark}{compact[place:]}" for place in range(1, len(compact)) for mark in " -"}
    return {postal_code, postal_code.upper(), compact, *parted}


def name_pieces(name: str) -> list[str]:
    """What a company's name has in all its spellings, in order; anything may stand between the pieces and after them.

    Vowels and umlauts may differ, the legal form too. An empty first piece stands for a beginning that may differ.

    Returns:
        The pieces; none for a name that is too short to be searched for.

    Example:
        >>> name_pieces("Brückner Messtechnik GmbH")
        ['br', 'ckn', 'r', 'm', 't', 'chn', 'k']
    """
    words = [word for word in company_key(name).split() if word != "and"]
    vague = "%".join("".join("%" if char in "aeiouy" else char for char in word.replace("ss", "%")) for word in words)
    first, *others = vague.split("%")
    pieces = [first, *(piece for piece in others if piece)]
    return pieces if sum(char.isalnum() for piece in pieces for char in piece) >= 2 else []
