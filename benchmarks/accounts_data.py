"""Accounts of a wholesaler in the United States, Britain and Germany: made up, believable, and the same every time.

No two are one company: names differ, and where a postal code is shared the trades do too, so that whoever searches for
duplicates has something to search through and nothing to find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from stdnum.gb import vat as gb_vat
from stdnum.iso7064 import mod_11_10

CURRENCY_OF: Final = {"US": "USD", "GB": "GBP", "DE": "EUR"}
_COUNTRIES: Final = ("US", "GB", "DE", "US", "DE")
_SPELLINGS: Final = {
    "US": ("USA", "United States", "US"),
    "GB": ("United Kingdom", "GB", "UK"),
    "DE": ("Germany", "DE", "Deutschland"),
}
_TERMS: Final = ("Net 30", "Net 30", "Net 45", "Net 15", "Net 60", None)
_LEGAL_FORMS: Final = {"US": ("Inc", "LLC", "Corp"), "GB": ("Ltd", "PLC"), "DE": ("GmbH", "AG", "KG")}

_HEADS: Final = (  # noqa: SIM905
    "Ash Beck Bram Brock Calder Carl Cold Corn Dal Dray East Ed Elm Fair Fal Far Fern Fox Gar Glen Gold Grant Green "
    "Hal Ham Hart Hazel Holm Hun Kel Kings Lang Lark Lind Lock Mal Mar Mill Mor Nor North Oak Pen Rad Ram Red Rock "
    "Ross Sand Shel Stan Stock Sun Thorn Wal West Whit Win Wood York"
).split()
_TAILS: Final = (  # noqa: SIM905
    "berg bourne bridge brook burn by combe cott dale den field ford gate grove ham hurst kirk land ley man mark mere "
    "more ridge son stead stein stone ton vale view wald ward way well wick wood worth"
).split()
_TRADES: Final = {
    "US": (  # noqa: SIM905
        "Aerospace Bakery Biotech Brewing Cabinets Carpentry Ceramics Chemicals Coatings Construction Dental Devices "
        "Electronics Farms Fasteners Foods Freight Furniture Glass Hydraulics Instruments Joinery Laboratories Lamps "
        "Machining Marine Optics Packaging Paper Pharmacy Plastics Plumbing Robotics Roofing Software Solar Textiles "
        "Tools Vineyards Welding"
    ).split(),
    "DE": (  # noqa: SIM905
        "Antriebstechnik Apotheke Backwaren Bauelemente Brauerei Chemie Dachtechnik Dentallabor Druckerei Elektronik "
        "Fahrzeugbau Feinkost Fliesen Fördertechnik Gartenbau Gerüstbau Glasbau Hydraulik Immobilien Kältetechnik "
        "Keramik Kunststoffe Lackiererei Logistik Maschinenbau Messtechnik Metallbau Möbelwerk Optik Papierfabrik "
        "Pumpen Robotik Schreinerei Softwarehaus Spedition Stahlhandel Textil Verpackung Weingut Zahnräder"
    ).split(),
}
_TRADES["GB"] = _TRADES["US"]
_STREETS: Final = {
    "US": ("Main Street", "Oak Avenue", "Industrial Parkway", "Market Street", "Commerce Drive", "2nd Street"),
    "GB": ("High Street", "Station Road", "Mill Lane", "Church Street", "Victoria Road", "Dock Road"),
    "DE": ("Hauptstraße", "Bahnhofstraße", "Industriestraße", "Gartenweg", "Am Hafen", "Lindenallee"),
}
_US_CITIES: Final = (
    ("Boston", "MA", "021", "617"),
    ("New York", "NY", "100", "212"),
    ("Philadelphia", "PA", "191", "215"),
    ("Baltimore", "MD", "212", "410"),
    ("Atlanta", "GA", "303", "404"),
    ("Miami", "FL", "331", "305"),
    ("Cleveland", "OH", "441", "216"),
    ("Detroit", "MI", "482", "313"),
    ("Chicago", "IL", "606", "312"),
    ("Minneapolis", "MN", "554", "612"),
    ("Saint Louis", "MO", "631", "314"),
    ("Houston", "TX", "770", "713"),
    ("Denver", "CO", "802", "303"),
    ("Phoenix", "AZ", "850", "602"),
    ("Los Angeles", "CA", "900", "213"),
    ("San Francisco", "CA", "941", "415"),
    ("Portland", "OR", "972", "503"),
    ("Seattle", "WA", "981", "206"),
)
_GB_CITIES: Final = (
    ("London", "EC", "20 7946"),
    ("Manchester", "M", "161 496"),
    ("Birmingham", "B", "121 496"),
    ("Leeds", "LS", "113 496"),
    ("Sheffield", "S", "114 496"),
    ("Bristol", "BS", "117 496"),
    ("Liverpool", "L", "151 496"),
    ("Cardiff", "CF", "29 2018"),
    ("Leicester", "LE", "116 496"),
    ("Edinburgh", "EH", "131 496"),
    ("Glasgow", "G", "141 496"),
)
_DE_CITIES: Final = (
    ("Berlin", "101", "30"),
    ("Hamburg", "204", "40"),
    ("München", "803", "89"),
    ("Köln", "506", "221"),
    ("Frankfurt am Main", "603", "69"),
    ("Stuttgart", "701", "711"),
    ("Düsseldorf", "402", "211"),
    ("Leipzig", "041", "341"),
    ("Dresden", "010", "351"),
    ("Hannover", "301", "511"),
    ("Nürnberg", "904", "911"),
    ("Bremen", "281", "421"),
    ("Essen", "451", "201"),
    ("Dortmund", "441", "231"),
)
_FIRST_NAMES: Final = "Anna Ben Clara David Emma Frank Grace Henry Ines Jonas Karla Liam Maria Noah".split()  # noqa: SIM905
_LAST_NAMES: Final = "Adler Baker Carter Decker Ellis Fischer Gray Huber Jung Keller Lang Moore Nash".split()  # noqa: SIM905
_TITLES: Final = ("Head of Accounting", "Accounts Payable", "Finance Manager", "Billing Clerk")
_RENAMED: Final = "Holding"


@dataclass(frozen=True, slots=True)
class Person:
    """The person that invoices go to; the phone number is as a sales rep types it, in its country."""

    first_name: str
    last_name: str
    title: str
    email: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """An account as sales would have typed it.

    Attributes:
        number: Its place among all accounts, from 0.
        country: ISO code of its country.
        country_as_typed: The country's name as it stands in the CRM.
        phone: As typed, mostly without the international prefix.
        parent: Number of the parent account, which is always a smaller one.
    """

    number: int
    name: str
    street: str
    city: str
    state: str | None
    postal_code: str
    country: str
    country_as_typed: str
    phone: str | None
    vat_number: str | None
    payment_terms: str | None
    parent: int | None
    contact: Person | None

    @property
    def currency(self) -> str:
        """ISO code of the currency that it buys in."""
        return CURRENCY_OF[self.country]


def sample_accounts(count: int) -> list[SampleAccount]:
    """Make accounts; the first ones of a larger number are the same as those of a smaller one.

    Every second one has a billing contact, most British and German ones a VAT number, and one in twenty a parent.

    Args:
        count: How many; more than 100,000 would not all have names of their own.
    """
    neighbours: Counter[tuple[str, str]] = Counter()
    return [_account(number, neighbours) for number in range(count)]


def _account(number: int, neighbours: Counter[tuple[str, str]]) -> SampleAccount:
    random = Random(number)
    country = _COUNTRIES[number % len(_COUNTRIES)]
    city, state, postal_code, phone = _place(country, random)
    there = (country, postal_code)
    trades = _TRADES[country]
    # No two at one postal code are in the same trade, until every trade is there.
    name = _name(number, country, trades[(hash_of(postal_code) + neighbours[there]) % len(trades)], random)
    neighbours[there] += 1
    return SampleAccount(
        number=number,
        name=name,
        street=_street(country, random),
        city=city,
        state=state,
        postal_code=postal_code,
        country=country,
        country_as_typed=random.choice(_SPELLINGS[country]),
        phone=phone if random.random() < 0.9 else None,
        vat_number=_vat_number(number, country) if random.random() < 0.8 else None,
        payment_terms=random.choice(_TERMS),
        parent=_parent(number, random),
        contact=_person(number, country, random) if number % 2 == 0 else None,
    )


def hash_of(text: str) -> int:
    """A number for a text that is the same in every process."""
    return sum(place * ord(letter) for place, letter in enumerate(text, start=1))


def _name(number: int, country: str, trade: str, random: Random) -> str:
    """A family's business; once every family has one, it takes a partner in."""
    families = len(_HEADS) * len(_TAILS)
    partner, place = divmod(number, families)
    head, tail = divmod(place * 7919 % families, len(_TAILS))
    owners = f"{_HEADS[head]}{_TAILS[tail]}" + (f" & {_HEADS[partner - 1]}" if partner else "")
    return f"{owners} {trade} {random.choice(_LEGAL_FORMS[country])}"


def _street(country: str, random: Random) -> str:
    street, house = random.choice(_STREETS[country]), random.randint(1, 240)
    return f"{street} {house}" if country == "DE" else f"{house} {street}"


def _place(country: str, random: Random) -> tuple[str, str | None, str, str]:
    """City, state, postal code, and a phone number that is none of anybody's, in the country's own spelling."""
    if country == "US":
        city, state, zip_code, area = random.choice(_US_CITIES)
        phone = f"({area}) 555-{random.randint(100, 9999):04}"
        return city, state, f"{zip_code}{random.randint(1, 99):02}", phone
    if country == "GB":
        city, area, exchange = random.choice(_GB_CITIES)
        inward = f"{random.randint(1, 9)}{random.choice('ABDEFGHJLN')}{random.choice('PQRSTUWXYZ')}"
        return city, None, f"{area}{random.randint(1, 9)} {inward}", f"0{exchange} {random.randint(0, 999):04}"
    city, region, area = random.choice(_DE_CITIES)
    return city, None, f"{region}{random.randint(1, 99):02}", f"+49 {area} {random.randint(2_000_000, 8_999_999)}"


def _vat_number(number: int, country: str) -> str | None:
    """A number with right check digits; some have spaces, as people type them."""
    if country == "DE":
        digits = f"{10_000_000 + number * 97 % 89_999_999:08}"
        whole = f"DE{digits}{mod_11_10.calc_check_digit(digits)}"
    elif country == "GB":
        digits = f"{1_000_000 + number:07}"
        check = -gb_vat.checksum(f"{digits}00") % 97
        whole = f"GB{digits}{check:02}"
    else:
        return None
    return f"{whole[:2]} {whole[2:5]} {whole[5:]}" if number % 3 == 0 else whole


def _parent(number: int, random: Random) -> int | None:
    """One in twenty has a parent, which itself has none: groups are two generations deep."""
    if number % 20 != 19:
        return None
    parent = random.randrange(number)
    return parent if parent % 20 != 19 else parent - 1


def _person(number: int, country: str, random: Random) -> Person:
    first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
    phone = _place(country, random)[3] if random.random() < 0.5 else None
    email = f"{first}.{last}.{number}@example.com".lower()
    return Person(first, last, random.choice(_TITLES), email, phone)


def change_some(accounts: Sequence[SampleAccount], percent: int = 1) -> list[SampleAccount]:
    """Some accounts as they are after a change: every other one has a new name, the others a new phone number.

    Args:
        accounts: All accounts.
        percent: How many in a hundred change; at least one does.
    """
    step = max(1, 100 // percent)
    chosen = accounts[step // 2 :: step] or accounts[:1]
    return [_changed(account, is_renamed=place % 2 == 0) for place, account in enumerate(chosen)]


def _changed(account: SampleAccount, *, is_renamed: bool) -> SampleAccount:
    if is_renamed:
        *words, legal_form = account.name.split()
        return replace(account, name=" ".join([*words, _RENAMED, legal_form]))
    return replace(account, phone=_place(account.country, Random(f"new {account.number}"))[3])
