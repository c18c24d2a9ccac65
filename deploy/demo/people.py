"""The organisations of the demo and their members: made up, names and addresses alike (RFC 2606 domains)."""

import json
import unicodedata
from dataclasses import dataclass, field

ACME = "org-acme"
KESTREL = "org-kestrel"
NORTHWIND = "org-northwind"
HIMAL = "org-himal"
SAKURA = "org-sakura"
EDGE = "org-edge"
LONE = "org-lone"
SILENT = "org-silent"


@dataclass(frozen=True)
class Organisation:
    org_id: str
    short_name: str
    display_name: str
    time_zone: str
    generated_members: int
    # Generated members who have left, by number: for so many weeks there is no call of theirs.
    left_weeks_ago: dict[int, int] = field(default_factory=dict)

    def was_there(self, number: int, weeks_ago: int) -> bool:
        """Whether the member had not left yet."""
        return weeks_ago >= self.left_weeks_ago.get(number, 0)


ACME_LEFT = {4: 4, 11: 6, 23: 12, 37: 2, 52: 8, 70: 2}
ORGANISATIONS = (
    Organisation(ACME, "acme", "Acme Talent GmbH", "Europe/Berlin", 96, ACME_LEFT),
    Organisation(KESTREL, "kestrel", "Kestrel Software, Inc.", "America/Los_Angeles", 9, {2: 0, 8: 0}),
    Organisation(NORTHWIND, "northwind", "Northwind Screening Ltd", "UTC", 24, {7: 10, 19: 10}),
    Organisation(HIMAL, "himal", "हिमाल Careers Pvt. Ltd.", "Asia/Kathmandu", 12, {5: 0}),
    Organisation(SAKURA, "sakura", "株式会社さくら人材", "Asia/Tokyo", 5),
    Organisation(EDGE, "edge-cases", 'Edge "Cases" & <Sons>, s.r.o.', "Australia/Lord_Howe", 0),
    Organisation(LONE, "lone-pine", "Lone Pine Consulting", "America/St_Johns", 1),
    Organisation(SILENT, "silent", "Silent Partners", "UTC", 3),
)


def organisation(org_id: str) -> Organisation:
    return next(entry for entry in ORGANISATIONS if entry.org_id == org_id)


def member_id(number: int) -> str:
    """The id of a generated member. Organisations share these ids: whoever mixes tenants up is soon found out."""
    return f"m-{number:03d}"


# Members whose names a page, a CSV file or a query might get wrong: id, name, e-mail.
EDGE_MEMBERS = (
    ("m-rtl", "فاطمة الزهراء بنت محمد", "fatima@edge-cases.example"),
    ("m-emoji", "🦊 Zoë 🚀", "zoe+🦊@edge-cases.example"),
    ("m-script", "<script>alert('audit')</script>", "script@edge-cases.example"),
    ("m-long-email", "Wolfeschlegelsteinhausenbergerdorff", f"{'w' * 64}@{'a-very-long-label.' * 10}example"),
    ("m-quotes", 'O\'Neil, Jr. "Paddy"; \\n', "o'neil@edge-cases.example"),
    ("m-formula", '=HYPERLINK("https://edge-cases.example")', "+formula@edge-cases.example"),
    # Decomposed letters: what looks like "Amélie" is longer than it seems, and has a sister in composed letters.
    ("m-combining", "Ame\u0301lie Nguye\u0302\u0303n", "amelie.decomposed@edge-cases.example"),
    ("m-composed", "Amélie Nguyễn", "amelie.composed@edge-cases.example"),
)
UNLISTED_MEMBER = "m-unlisted"
"""Makes calls in two organisations, and no directory knows it."""


def directory() -> list[str]:
    """The lines of directory.jsonl: each organisation, followed by its members."""
    found = []
    for organisation in ORGANISATIONS:
        found.append({
            "org_id": organisation.org_id,
            "organisation": {
                "short_name": organisation.short_name,
                "display_name": organisation.display_name,
                "time_zone": organisation.time_zone,
            },
        })
        found += [{"org_id": organisation.org_id, "member": member} for member in members(organisation)]
    return [json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in found]


def members(organisation: Organisation) -> list[dict]:
    """All members the directory knows of one organisation."""
    if organisation.org_id == EDGE:
        return [member(*entry, removed=False) for entry in EDGE_MEMBERS]
    found = []
    for number in range(1, organisation.generated_members + 1):
        # A start of its own for each organisation, so that not all begin with the same person.
        name, mailbox = person(number + 29 * ORGANISATIONS.index(organisation))
        email = f"{mailbox}@{organisation.short_name}.example"
        found.append(member(member_id(number), name, email, removed=number in organisation.left_weeks_ago))
    return found


def member(identifier: str, name: str, email: str, removed: bool) -> dict:
    return {"member_id": identifier, "name": name, "email": email, "removed": removed}


GIVEN = (
    "Amélie", "Björn", "Chiara", "Dimitris", "Élodie", "Fatou", "Göran", "Hanna", "Íñigo", "Jörg", "Kateřina",
    "Łukasz", "Márta", "Nguyệt", "Oluwaseun", "Priya", "Quentin", "Renée", "Søren", "Tomáš", "Ulrike", "Vítor",
    "Wanjiru", "Xiomara", "Yağmur", "Zoë", "Anaïs",
)
FAMILY = (
    "Ångström", "Baker", "Çelik", "Dvořák", "Eriksen", "Fernández", "Grünwald", "Horváth", "Ivanov", "Johansson",
    "Kowalczyk", "Lindqvist", "Müller", "Nakamura", "Okafor", "Papadopoulos", "Quispe", "Rossi", "Şahin", "Thapa",
    "Usman", "Van der Berg", "Wójcik", "Yılmaz", "Žižek",
)
# Every twelfth member writes the name in another script.
OTHER_SCRIPTS = (
    ("山田 花子", "hanako.yamada"), ("Ольга Соколова", "olga.sokolova"), ("李 伟", "li.wei"),
    ("सीता श्रेष्ठ", "sita.shrestha"), ("Γιώργος Νικολαΐδης", "giorgos.nikolaidis"), ("김민준", "minjun.kim"),
    ("דנה כהן", "dana.cohen"), ("ليلى حداد", "leila.haddad"), ("สมชาย ใจดี", "somchai.jaidee"),
    ("Նարե Պետրոսյան", "nare.petrosyan"), ("ნინო ბერიძე", "nino.beridze"), ("அருண் குமார்", "arun.kumar"),
    ("Андрій Шевченко", "andrii.shevchenko"),
)  # fmt: skip


def person(number: int) -> tuple[str, str]:
    """Name and mailbox. 27 given and 25 family names have no common divisor: 675 pairs before one comes again."""
    if number % 12 == 5:
        name, mailbox = OTHER_SCRIPTS[number // 12 % len(OTHER_SCRIPTS)]
        return name, mailbox
    given, family = GIVEN[number % len(GIVEN)], FAMILY[number % len(FAMILY)]
    return f"{given} {family}", f"{ascii_letters(given)}.{ascii_letters(family)}"


def ascii_letters(name: str) -> str:
    """The name as a mailbox would have it."""
    spelt = name.lower().translate(str.maketrans({"ø": "o", "ł": "l", "ı": "i", " ": None}))
    return "".join(letter for letter in unicodedata.normalize("NFKD", spelt) if letter.isascii())
