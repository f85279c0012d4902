"""The demo company's customers and what they buy: clean deals first, then one for each kind of trouble."""

from __future__ import annotations

from typing import Final

from prefect_crm_erp.sandbox.salesforce.demo_data import (
    DE_SALES,
    LONG_DESCRIPTION,
    UK_SALES,
    US_SALES,
    Customer,
    Deal,
    Line,
    OrderData,
    Person,
    QuoteData,
    billing,
    shipping,
)

CLOSED_WON: Final = (
    Customer(
        "Cascade Biolabs Inc",
        "USD",
        US_SALES,
        Person("Helen", "Okafor", "helen.okafor@cascadebiolabs.example", "+1 206 555 0142"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            "Industry": "Biotechnology",
            **billing("410 Terry Avenue North", "98109", "Seattle", "US", "WA"),
        },
        deals=(
            Deal(
                "Cascade Biolabs: two spectrometers for the new lab",
                (Line("NL-100", "2"), Line("NL-400", "4"), Line("NL-900", "1")),
            ),
        ),
    ),
    Customer(
        "Golden Gate Diagnostics",
        "USD",
        US_SALES,
        Person("Marcus", "Webb", "marcus.webb@goldengatedx.example", "(415) 555-0118"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 45",
            "Industry": "Healthcare",
            **billing("88 Townsend Street", "94107", "San Francisco", "United States", "California"),
        },
        deals=(
            Deal(
                "Golden Gate Diagnostics: photometer and consumables",
                (Line("NL-200", "1", "7.5"), Line("NL-500", "37", "12.5"), Line("NL-510", "11", "7.5")),
            ),
            Deal("Golden Gate Diagnostics: gas analyser", (Line("NL-300", "1"),), stage="Qualification", days_ago=-40),
        ),
    ),
    Customer(
        "Harrow & Finch Limited",
        "GBP",
        UK_SALES,
        Person("Olivia", "Harrow", "olivia@harrowfinch.example", "+44 161 496 0177"),
        {
            "Type": "Customer",
            "Payment_Terms__c": "Net 30",
            "VAT_Number__c": "GB980780684",
            **billing("14 Chapel St", "M3 7LQ", "Manchester", "United Kingdom"),
        },
        deals=(
            Deal(
                "Harrow & Finch: gas analyser with service",
                (Line("NL-300", "1"), Line("NL-910", "1"), Line("NL-410", "6", "10")),
            ),
        ),
    ),
    Customer(
        "Brueckner Messtechnik GMBH",
        "EUR",
        DE_SALES,
        Person("Jürgen", "Brückner", "j.brueckner@brueckner-mt.example", "+49 30 23125 114"),
        {
            "Type": "Customer",
            "Payment_Terms__c": "Net 30",
            "Industry": "Manufacturing",
            **billing("Turmstr. 21", "10559", "Berlin", "Germany"),
        },
        deals=(
            Deal(
                "Brückner: Photometer für die Endkontrolle",
                (Line("NL-210", "1", "4"), Line("NL-400", "3"), Line("NL-510", "20", "2.5")),
            ),
            Deal("Brückner: zweites Photometer", (Line("NL-210", "1"),), stage="Needs Analysis", days_ago=-60),
        ),
    ),
    Customer(
        "Sakura Optics K.K.",
        "JPY",
        US_SALES,
        Person("Haruka", "Sato", "h.sato@sakura-optics.example", "+81 3 5550 0129"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 60",
            "ERP_Subsidiary__c": "US",
            **billing("2-11-3 Meguro", "153-0063", "Tokyo", "JP"),
        },
        deals=(Deal("Sakura Optics: two photometers", (Line("NL-200", "2"), Line("NL-410", "5", "5"))),),
    ),
    Customer(
        "Lindqvist Analys AB",
        "EUR",
        DE_SALES,
        Person("Elin", "Lindqvist", "elin@lindqvist-analys.example", "+46 8 5550 0161"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            "VAT_Number__c": "SE123456789701",
            **shipping("Sveavägen 48", "111 34", "Stockholm", "Sweden"),
        },
        deals=(Deal("Lindqvist: handheld spectrometers", (Line("NL-110", "2", "3"), Line("NL-410", "2"))),),
    ),
    Customer(
        "O'Brien \\ 100% Pure Ltd",
        "EUR",
        UK_SALES,
        Person("Máire", "O'Brien", "maire@obrien-pure.example", "+353 1 555 0133"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 15",
            "VAT_Number__c": "IE6433435F",
            **billing("7 Windmill Lane", "D02 F206", "Dublin 2", "Ireland"),
        },
        deals=(
            Deal(
                "O'Brien \\ 100% Pure: consumables",
                (
                    Line("NL-500", "7", "2.5", description=LONG_DESCRIPTION),
                    Line("NL-510", "13", "3.75"),
                    Line("NL-410", "3", "33.33"),
                ),
            ),
        ),
    ),
    Customer(
        "Pacific Rim Testing LLC",
        "USD",
        US_SALES,
        Person("Devin", "Tran", "devin.tran@pacrimtesting.example", "503-555-0190"),
        {"Type": "Prospect", **billing("1420 NW Lovejoy Street", "97209", "Portland", "USA", "Oregon")},
        deals=(Deal("Pacific Rim: calibration and probes", (Line("NL-900", "3"), Line("NL-400", "6", "5"))),),
    ),
    Customer(
        "Golden Gate Diagnostics, Inc.",
        "USD",
        US_SALES,
        Person("Marc", "Webb", "m.webb@ggdx.example", "415.555.0118"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            **billing("88 Townsend St, Suite 400", "94107", "San Francisco", "US", "CA"),
        },
        deals=(Deal("Golden Gate Diagnostics, Inc.: handheld unit", (Line("NL-100", "1"),), days_ago=2),),
    ),
    Customer(
        "Freedonia Research Institute",
        "USD",
        US_SALES,
        Person("Rufus", "Firefly", "rufus@freedonia-research.example", "555-0100"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            **billing("1 Palace Square", "1933", "Fredonia", "Freedonia"),
        },
        deals=(Deal("Freedonia: spectrometer", (Line("NL-110", "1"),)),),
    ),
    Customer(
        "Alpine Photonics AG",
        "EUR",
        DE_SALES,
        Person("Reto", "Baumann", "reto.baumann@alpine-photonics.example", "+41 44 555 01 22"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            "VAT_Number__c": "CHE-100.155.212 MWST",
            **billing("Hardturmstrasse 5", "8005", "Zürich", "Switzerland"),
        },
        deals=(Deal("Alpine Photonics: prototype imager", (Line("NL-999", "1"), Line("NL-910", "1"))),),
    ),
    Customer(
        "Calder Valley Labs Ltd",
        "GBP",
        UK_SALES,
        Person("Graham", "Sutcliffe", "graham@caldervalley.example", "+44 1632 960144"),
        {"Type": "Customer", "Payment_Terms__c": "Net 15", **billing("3 Mill Lane", "HX1 5AB", "Halifax", "GB")},
        deals=(Deal("Calder Valley: three dual-beam photometers", (Line("NL-210", "3"), Line("NL-400", "4"))),),
    ),
    Customer(
        "Meridian Water Authority",
        "USD",
        US_SALES,
        Person("Joan", "Castillo", "jcastillo@meridianwater.example", "+1 601 555 0155"),
        {"Type": "Prospect", "Payment_Terms__c": "Net 60", "Industry": "Utilities"},
        deals=(Deal("Meridian Water: field probes", (Line("NL-400", "12", "8"), Line("NL-410", "12", "8"))),),
    ),
    Customer(
        "Bayou Chemicals LLC",
        "USD",
        US_SALES,
        Person("Celeste", "Landry", "celeste.landry@bayouchem.example", "+1 225 555 0187"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 45",
            "Industry": "Chemicals",
            **billing("6100 Scenic Highway", "70805", "Baton Rouge", "US", "LA"),
        },
        deals=(Deal("Bayou Chemicals: framework, lines to follow", values={"Amount": "18500.00"}),),
    ),
    Customer(
        "Quantum Dairy Co",
        "USD",
        US_SALES,
        Person("Ingrid", "Olson", "ingrid@quantumdairy.example", "+1 608 555 0173"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            "Industry": "Food & Beverage",
            **billing("200 State Street", "53703", "Madison", "US", "WI"),
        },
        deals=(
            Deal("Quantum Dairy: invoiced by hand", (Line("NL-300", "1", "20"),), values={"Push_To_ERP__c": False}),
            Deal("Quantum Dairy: milk photometer", (Line("NL-200", "1"),), stage="Closed Lost", days_ago=20),
        ),
    ),
    Customer(
        "Gulf Desalination WLL",
        "KWD",
        US_SALES,
        Person("Fahad", "Al-Mutairi", "fahad@gulfdesal.example", "+965 2555 0119"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            **billing("Block 3, Street 14", "13001", "Kuwait City", "KW"),
        },
        deals=(Deal("Gulf Desalination: photometer", (Line("NL-200", "1"), Line("NL-500", "25", "2.5"))),),
    ),
    Customer(
        "Nordlicht Apotheke eK",
        "EUR",
        DE_SALES,
        Person("Svea", "Petersen", "petersen@nordlicht-apotheke.example", "+49 40 66969 128"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Due on receipt",
            "Industry": "Healthcare",
            **billing("Langenhorner Chaussee 9", "22415", "Hamburg", "Deutschland"),
        },
        deals=(
            Deal("Nordlicht Apotheke: Küvetten, Jahresbedarf", (Line("NL-500", "2500", "3.33"), Line("NL-510", "480"))),
            Deal("Nordlicht Apotheke: Servicevertrag", (Line("NL-910", "1"),), stage="Closed Lost", days_ago=33),
        ),
    ),
)
"""The seventeen deals that are won, each of another kind, and a few others of the same customers."""

OTHER_SOURCES: Final = (
    Customer(
        "Elbe Analytik GmbH",
        "EUR",
        DE_SALES,
        Person("Carsten", "Vogt", "vogt@elbe-analytik.example", "+49 351 555 0126"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 30",
            **billing("Königsbrücker Straße 61", "01099", "Dresden", "Germany"),
        },
        deals=(Deal("Elbe Analytik: Grundausstattung", stage="Proposal/Price Quote", days_ago=-7),),
        quotes=(
            QuoteData(
                "Elbe Analytik: Grundausstattung, 5 % Rahmenrabatt",
                "Elbe Analytik: Grundausstattung",
                (Line("NL-100", "2"), Line("NL-500", "10", "5")),
                # 19 % of what is left after the header discount, shipping included.
                {"Header_Discount__c": "5", "ShippingHandling": "40.00", "Tax": "1513.04"},
            ),
        ),
    ),
    Customer(
        "Penrose Marine Science Ltd",
        "GBP",
        UK_SALES,
        Person("Tamsin", "Penrose", "tamsin@penrosemarine.example", "+44 1632 960188"),
        {"Type": "Prospect", "Payment_Terms__c": "Net 30", **billing("12 Quay Road", "PL1 3DE", "Plymouth", "GB")},
        deals=(Deal("Penrose Marine: survey probes", stage="Proposal/Price Quote", days_ago=-3),),
        quotes=(
            QuoteData(
                "Penrose Marine: survey probes",
                "Penrose Marine: survey probes",
                (Line("NL-400", "8", "6.5"), Line("NL-410", "8")),
                {"ShippingHandling": "35.00"},
            ),
        ),
    ),
    Customer(
        "Tri-State Environmental Inc",
        "USD",
        US_SALES,
        Person("Leah", "Goldberg", "leah.goldberg@tristate-env.example", "+1 518 555 0164"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 45",
            "Industry": "Environmental",
            **billing("55 Elk Street", "12207", "Albany", "US", "New York"),
        },
        deals=(Deal("Tri-State: stack monitoring", stage="Negotiation/Review", days_ago=-10),),
        quotes=(
            QuoteData(
                "Tri-State: stack monitoring, revised",
                "Tri-State: stack monitoring",
                (Line("NL-300", "2", "9"), Line("NL-900", "2")),
            ),
        ),
    ),
    Customer(
        "Harbor Point Hospital",
        "USD",
        US_SALES,
        Person("Samuel", "Reyes", "samuel.reyes@harborpoint.example", "+1 617 555 0136"),
        {
            "Type": "Customer",
            "Payment_Terms__c": "Net 30",
            "Industry": "Healthcare",
            **billing("300 Longwood Avenue", "02115", "Boston", "US", "MA"),
        },
        deals=(Deal("Harbor Point: laboratory extension", (Line("NL-210", "2"),), "Value Proposition", -90),),
        orders=(
            OrderData(
                "Harbor Point: consumables Q4",
                (Line("NL-500", "40", unit_price="61.11"), Line("NL-510", "24")),
                values={"PoNumber": "HPH-2026-0417"},
            ),
        ),
    ),
    Customer(
        "Institut Lumière SA",
        "EUR",
        DE_SALES,
        Person("Claire", "Moreau", "claire.moreau@institut-lumiere.example", "+33 4 55 55 01 47"),
        {
            "Type": "Prospect",
            "Payment_Terms__c": "Net 60",
            "VAT_Number__c": "FR40303265045",
            **billing("25 rue du Premier-Film", "69008", "Lyon", "France"),
        },
        orders=(
            OrderData(
                "Institut Lumière: photomètre", (Line("NL-200", "1", unit_price="10464.00"), Line("NL-400", "2"))
            ),
        ),
    ),
)
"""Customers whose business comes from accepted quotes and activated orders."""
